"""Cases of the operations on numbers, booleans, text and tables: what is called, on columns of which types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trueline.transform as tlt

Case = tuple[str, tuple[str, ...], Callable[..., Any]]
SCALARS = ("float64", "int64", "bool", "utf8")

CASES: list[Case] = [
    *[
        (op, (t, t), function)
        for op, function in {
            "add": lambda a, b: a + b,
            "subtract": lambda a, b: a - b,
            "multiply": lambda a, b: a * b,
            "floor_divide": lambda a, b: a // b,
            "mod": lambda a, b: a % b,
            "minimum": tlt.minimum,
            "maximum": tlt.maximum,
            "less": lambda a, b: a < b,
            "less_equal": lambda a, b: a <= b,
            "greater": lambda a, b: a > b,
            "greater_equal": lambda a, b: a >= b,
        }.items()
        for t in ("float64", "int64")
    ],
    *[("equal", (t, t), lambda a, b: a == b) for t in SCALARS],
    *[("not_equal", (t, t), lambda a, b: a != b) for t in SCALARS],
    *[("fill_missing", (t, t), tlt.fill_missing) for t in SCALARS],
    *[("is_missing", (t,), tlt.is_missing) for t in SCALARS],
    *[("where", ("bool", t, t), tlt.where) for t in SCALARS],
    ("where", ("bool", "float64", "float64"), lambda c, a, b: tlt.where(~c, a, b)),
    *[("negate", (t,), lambda a: -a) for t in ("float64", "int64")],
    *[("absolute", (t,), tlt.abs) for t in ("float64", "int64")],
    *[
        ("cast", (a,), lambda x, b=b: tlt.cast(x, b))
        for a in ("int64", "bool")
        for b in ("float64", "int64", "bool", "utf8")
    ],
    *[("cast", ("float64",), lambda x, b=b: tlt.cast(x, b)) for b in ("int64", "bool")],
    ("divide", ("float64", "float64"), lambda a, b: a / b),
    ("divide", ("int64", "int64"), lambda a, b: a / b),
    ("divide", ("float64", "bool"), lambda a, b: a / b),
    ("power", ("float64", "float64"), lambda a, b: a**b),
    ("sqrt", ("float64",), tlt.sqrt),
    ("floor", ("float64",), tlt.floor),
    ("ceil", ("float64",), tlt.ceil),
    ("round", ("float64",), tlt.round),
    ("is_nan", ("float64",), tlt.is_nan),
    ("exp", ("float64",), tlt.exp),
    ("log", ("float64",), tlt.log),
    ("log1p", ("float64",), tlt.log1p),
    ("sigmoid", ("float64",), tlt.sigmoid),
    ("and", ("bool", "bool"), lambda a, b: a & b),
    ("or", ("bool", "bool"), lambda a, b: a | b),
    ("xor", ("bool", "bool"), lambda a, b: a ^ b),
    ("not", ("bool",), lambda a: ~a),
    ("lower", ("utf8",), tlt.lower),
    ("upper", ("utf8",), tlt.upper),
    ("join", ("utf8", "int64", "bool"), lambda a, b, c: tlt.join(a, b, c, "end", separator="-")),
    ("hash_bucket", ("utf8",), lambda a: tlt.hash_strings(a, 1000)),
    ("hash_bucket", ("int64",), lambda a: tlt.hash_strings(a, 7)),
    ("matches", ("utf8",), lambda a: tlt.matches(a, "[a-zÄ]+|1.")),
    ("parse_number", ("utf8",), tlt.parse_number),
    ("apply_vocabulary", ("utf8",), lambda a: tlt.apply_vocabulary(a, ["a", "Ä", "日本"])),
    ("apply_vocabulary", ("utf8",), lambda a: tlt.apply_vocabulary(a, ["a", "b"], num_oov_buckets=5)),
    ("apply_vocabulary", ("utf8",), lambda a: tlt.apply_vocabulary(a, [], num_oov_buckets=5)),
    ("apply_vocabulary", ("utf8",), lambda a: tlt.apply_vocabulary(a, [], default_value=-7)),
    ("apply_vocabulary", ("int64",), lambda a: tlt.apply_vocabulary(a, [3, -1, 0], num_oov_buckets=4)),
    ("apply_buckets", ("float64",), lambda a: tlt.apply_buckets(a, [])),
    ("apply_buckets", ("float64",), lambda a: tlt.apply_buckets(a, [0.0])),
    ("apply_buckets", ("float64",), lambda a: tlt.apply_buckets(a, [-1.0, 0.0, 0.0, 1.0, 2.5])),
    ("apply_buckets", ("int64",), lambda a: tlt.apply_buckets(a, list(range(-50, 51)))),
    ("one_hot", ("int64",), lambda a: tlt.one_hot(a, 3)),
    ("concat", ("float64", "int64", "bool"), lambda a, b, c: tlt.concat([a, b, c])),
    ("element", ("float64", "int64"), lambda a, b: tlt.concat([a, b])[1]),
    # element by element in vectors and lists, whatever the operation
    ("add", ("list<float64>", "float64"), lambda a, b: a + b),
    ("multiply", ("list<int64>", "list<int64>"), lambda a, b: a * b),
    ("subtract", ("vector<float64>", "float64"), lambda a, b: a - b),
    ("greater", ("vector<float64>",), lambda a: a > 0.5),
    ("minimum", ("list<float64>", "list<float64>"), tlt.minimum),
    ("absolute", ("list<float64>",), tlt.abs),
    ("mod", ("list<int64>",), lambda a: a % 7),
    ("exp", ("list<float64>",), tlt.exp),
    ("equal", ("list<utf8>", "utf8"), lambda a, b: a == b),
    ("where", ("bool", "list<float64>", "list<float64>"), tlt.where),
    ("where", ("list<bool>", "list<float64>", "float64"), tlt.where),
    ("where", ("vector<bool>", "vector<float64>", "vector<float64>"), tlt.where),
    ("where", ("list<bool>", "list<utf8>", "utf8"), tlt.where),
    ("fill_missing", ("vector<float64>", "float64"), tlt.fill_missing),
    *[("is_missing", (t,), tlt.is_missing) for t in ("list<utf8>", "vector<float64>")],
    *[("cast", (t,), lambda x: tlt.cast(x, "float64")) for t in ("list<int64>", "list<bool>", "vector<bool>")],
    ("cast", ("list<int64>",), lambda x: tlt.cast(x, "utf8")),
    ("lower", ("list<utf8>",), tlt.lower),
    ("join", ("list<utf8>", "utf8"), lambda a, b: tlt.join(a, b, separator="/")),
    ("hash_bucket", ("list<utf8>",), lambda a: tlt.hash_strings(a, 1000)),
    ("matches", ("list<utf8>",), lambda a: tlt.matches(a, "[a-z]+")),
    ("apply_vocabulary", ("list<utf8>",), lambda a: tlt.apply_vocabulary(a, ["a", "Ä"], num_oov_buckets=2)),
    ("apply_vocabulary", ("list<int64>",), lambda a: tlt.apply_vocabulary(a, [3, -1, 0])),
    ("apply_buckets", ("list<float64>",), lambda a: tlt.apply_buckets(a, [-1.0, 0.0, 2.5])),
    ("apply_buckets", ("vector<float64>",), lambda a: tlt.apply_buckets(a, [0.0])),
    ("element", ("vector<float64>",), lambda a: a[1]),
    ("concat", ("vector<float64>", "float64"), lambda a, b: tlt.concat([a, b])),
    ("repeat", ("float64",), lambda a: a.tracer.op("repeat", a.tracer.constant(2.5), a)),
    ("repeat", ("list<utf8>",), lambda a: a.tracer.op("repeat", a.tracer.constant("é"), a)),
]

"""Cases of the operations on documents of ids, of FarmHash buckets and of folds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Case = tuple[str, tuple[str, ...], Callable[..., Any]]

CASES: list[Case] = [
    ("by_fold", ("float64", "float64"), lambda a, b: a.tracer.op("by_fold", a, b)),
    ("by_fold", ("list<int64>", "list<int64>"), lambda a, b: a.tracer.op("by_fold", a, b)),
]
CASES += [
    *[("farm_bucket", (t,), lambda a: a.tracer.op("farm_bucket", a, buckets=1000)) for t in ("utf8", "list<utf8>")],
    *[
        ("sip_bucket", (t,), lambda a: a.tracer.op("sip_bucket", a, buckets=7, key=[1, 2**63]))
        for t in ("utf8", "list<utf8>")
    ],
    *[
        (
            "farm_vocabulary",
            (t,),
            lambda a: a.tracer.op("farm_vocabulary", a, a.tracer.table(["a", "Ä"], "utf8"), oov=3, default=-1),
        )
        for t in ("utf8", "list<utf8>", "vector<utf8>")
    ],
    (
        "farm_vocabulary",
        ("int64",),
        lambda a: a.tracer.op("farm_vocabulary", a, a.tracer.table([3, -1], "int64"), oov=2, default=-1),
    ),
]
CASES += [
    *[
        ("wrap_ids", (t,), lambda a, n=n: a.tracer.op("wrap_ids", a, a.tracer.constant(n)))
        for t in ("int64", "list<int64>", "vector<int64>")
        for n in (0, 7)
    ],
    *[("term_ids", (t,), lambda a: a.tracer.op("term_ids", a)) for t in ("list<int64>", "vector<int64>")],
    ("term_ids", ("list<int64>",), lambda a: a.tracer.op("term_ids", a % 3)),
    *[
        (
            "term_weights",
            (t,),
            lambda a, n=n: a.tracer.op("term_weights", a % 3, a.tracer.table([0.1, 1.7, 3.3][:n], "float64")),
        )
        for t in ("list<int64>", "vector<int64>")
        for n in (0, 2, 3)
    ],
]

"""Cases of time, of tables that are read by position, and of missing values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trueline.transform as tlt

Case = tuple[str, tuple[str, ...], Callable[..., Any]]

TAKE: list[Case] = [
    ("take", ("int64",), lambda a: tlt.take(a, [1.5, -0.0, float("nan")])),
    ("take", ("int64",), lambda a: tlt.take(a, [1.5, -0.0, 3], default=-0.0)),
    ("take", ("int64",), lambda a: tlt.take(a, [7, -(2**63)], default=-1)),
    ("take", ("int64",), lambda a: tlt.take(a, ["é", "", "b"], default="none")),
    ("take", ("int64",), lambda a: tlt.take(a, ["é", "", "b"])),
    ("take", ("int64",), lambda a: tlt.take(a, [True, False])),
    ("take", ("int64",), lambda a: tlt.take(a, [[1.0, 2.0], [3.0, -0.0], [5.0, 6.0]])),
    ("take", ("int64",), lambda a: tlt.take(a, [[1, 2], [3, 4]], default=[-1, -2])),
    ("take", ("int64",), lambda a: tlt.take(a, [["a", "b"], ["c", "d"]], default="?")),
    ("take", ("int64",), lambda a: a.tracer.op("take", a, a.tracer.table([], "float64"), default=None)),
    ("take", ("int64",), lambda a: a.tracer.op("take", a, a.tracer.table([], "utf8"), default="x", width=2)),
    ("take", ("list<int64>",), lambda a: tlt.take(a, [1.5, 2.5, 3.5], default=0.0)),
    ("take", ("list<int64>",), lambda a: tlt.take(a, ["é", "b"], default="")),
    ("take", ("vector<int64>",), lambda a: tlt.take(a, [1, 2, 3], default=0)),
    ("take", ("utf8",), lambda a: tlt.take(tlt.apply_vocabulary(a, ["a", "Ä"]), [1.0, 2.0])),
]
CASES: list[Case] = [*TAKE]

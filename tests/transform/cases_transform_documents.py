"""Cases of the operations on documents of ids, of FarmHash buckets and of folds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Case = tuple[str, tuple[str, ...], Callable[..., Any]]

CASES: list[Case] = [
    ("by_fold", ("float64", "float64"), lambda a, b: a.tracer.op("by_fold", a, b)),
    ("by_fold", ("list<int64>", "list<int64>"), lambda a, b: a.tracer.op("by_fold", a, b)),
]

"""Cases of time, of tables that are read by position, and of missing values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trueline.transform as tlt
from trueline.transform.operations.times import PARTS, UNITS

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
TIMES: list[Case] = [
    *[("time_part", ("timestamp",), lambda a, p=p: tlt.time_part(a, p)) for p in PARTS],
    ("time_part", ("list<timestamp>",), tlt.hour),
    ("time_part", ("vector<timestamp>",), tlt.is_weekend),
    *[("truncate_time", ("timestamp",), lambda a, u=u: tlt.truncate_time(a, u)) for u in UNITS],
    ("time_part", ("timestamp", "timestamp"), lambda a, b: tlt.date_difference(a, b, "quarter")),
    ("time_part", ("timestamp", "timestamp"), lambda a, b: tlt.date_difference(a, b)),
    *[("parse_time", ("utf8",), lambda a, f=f: tlt.parse_time(a, f)) for f in ("iso", "%d/%m/%Y %I:%M %p", "%j,%y")],
    ("subtract", ("timestamp", "timestamp"), lambda a, b: tlt.time_difference(a, b, "hour")),
    ("divide", ("timestamp",), tlt.epoch_seconds),
    ("floor_divide", ("timestamp",), lambda a: tlt.epoch_seconds(a, whole=True)),
]
MISSING: list[Case] = [
    *[("missing_if", (t, "bool"), tlt.missing_if) for t in ("float64", "utf8", "bool", "list<int64>", "vector<utf8>")],
    ("missing_if", ("int64",), lambda a: tlt.missing_if(a, -1)),
    ("missing_if", ("float64",), tlt.nan_to_missing),
    ("missing_if", ("int64",), lambda a: a.tracer.op("missing_if", a, True)),
    ("missing_if", ("int64",), lambda a: tlt.from_epoch(a, "day")),
    ("round", ("float64",), lambda a: tlt.from_epoch(a, "second")),
    ("fill_missing", ("int64", "float64"), lambda a, b: tlt.coalesce(a, b, 7)),
    ("is_missing", ("list<utf8>",), tlt.missing_indicator),
]
CASES: list[Case] = [*TAKE, *TIMES, *MISSING]

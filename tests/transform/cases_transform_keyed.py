"""Cases of buckets by place, by key and with interpolation, and of scaling by tables that stand beside keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trueline.transform as tlt

Case = tuple[str, tuple[str, ...], Callable[..., Any]]
ROWS = [[-1.0, 0.0, 2.5], [0.0, 0.0, 0.0], [float("-inf"), 1e300, float("inf")]]
KEYS = ["", "a", "日本"]


def by_key(x: Any, index: Any, rows: list[list[float]] = ROWS) -> Any:
    boundaries = x.tracer.table(rows, "float64")
    return x.tracer.op("apply_buckets_by_key", x, index, boundaries, num_buckets=len(rows[0]) + 1 if rows else 4)


def of_keys(key: Any) -> Any:
    return tlt.apply_vocabulary(key, KEYS)


def scaled(x: Any, key: Any) -> Any:
    """What scaling by key is made of: `take` beside the place of the key, and arithmetic."""
    place = of_keys(key)
    mean = tlt.take(place, [1.0, -2.5, 1e7], default=0.0)
    variance = tlt.take(place, [4.0, 0.0, 1e-3], default=0.0)
    return (x - mean) * tlt.where(variance > 0.0, 1.0 / tlt.sqrt(variance), 1.0)


def size_of(x: Any) -> Any:
    table = x.tracer.table([1.0, 2.0], "float64")
    return x.tracer.op("repeat", x.tracer.op("table_size", table), x)


CASES: list[Case] = [
    ("apply_buckets_by_place", ("vector<float64>",), lambda x: tlt.apply_buckets(x, ROWS)),
    ("apply_buckets_by_place", ("vector<int64>",), lambda x: tlt.apply_buckets(x, [[0], [1], [-1]])),
    ("apply_buckets_by_place", ("vector<float64>",), lambda x: tlt.apply_buckets(x, [[], [], []])),
    ("apply_buckets_by_key", ("float64", "int64"), by_key),
    ("apply_buckets_by_key", ("float64", "int64"), lambda x, i: by_key(x, i, [])),
    ("apply_buckets_by_key", ("float64", "int64"), lambda x, i: by_key(x, i, [[], []])),
    ("apply_buckets_by_key", ("float64", "utf8"), lambda x, key: by_key(x, of_keys(key))),
    ("apply_buckets_by_key", ("list<float64>", "utf8"), lambda x, key: by_key(x, of_keys(key))),
    ("apply_buckets_by_key", ("list<float64>", "int64"), by_key),
    ("apply_buckets_by_key", ("vector<float64>", "int64"), by_key),
    ("apply_buckets_by_key", ("vector<float64>", "vector<int64>"), by_key),
    ("interpolate_buckets", ("float64",), lambda x: tlt.apply_buckets_with_interpolation(x, [-1.0, 0.0, 0.0, 2.5])),
    ("interpolate_buckets", ("float64",), lambda x: tlt.apply_buckets_with_interpolation(x, [0.5])),
    ("interpolate_buckets", ("float64",), lambda x: tlt.apply_buckets_with_interpolation(x, [-1e308, 1e308])),
    ("interpolate_buckets", ("float64",), lambda x: tlt.apply_buckets_with_interpolation(x, [0.0, 5e-324, 1e-300])),
    ("interpolate_buckets", ("int64",), lambda x: tlt.apply_buckets_with_interpolation(x, [[0, 1, 2]])),
    ("interpolate_buckets", ("list<float64>",), lambda x: tlt.apply_buckets_with_interpolation(x, [-1.0, 3.0])),
    ("interpolate_buckets", ("vector<float64>",), lambda x: tlt.apply_buckets_with_interpolation(x, [0.0, 0.0])),
    ("table_size", ("float64",), size_of),
    ("multiply", ("float64", "utf8"), scaled),
    ("multiply", ("list<float64>", "utf8"), scaled),
    ("multiply", ("list<float64>", "list<utf8>"), scaled),
    ("multiply", ("vector<float64>", "utf8"), scaled),
    # what two lists of different lengths gave has another width than either
    ("add", ("list<float64>", "list<float64>"), lambda a, b: (a + b) + a),
    ("subtract", ("list<float64>", "list<float64>"), lambda a, b: b - (a * b - a)),
]

"""Cases of the operations on lists, vectors and images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trueline.transform as tlt

Case = tuple[str, tuple[str, ...], Callable[..., Any]]
IMAGE = (1, 1, 3)
"""The cases' vectors as an image."""
MATRIX = [[1.5, -2.0], [0.1, 0.3], [1e10, 7.0]]


def image(resized: tuple[int, int]) -> Callable[[Any], Any]:
    """An image of 2 x 3 pixels out of a vector, resized."""
    return lambda a: tlt.resize_image(tlt.concat([a, a * 2.0]), (2, 3, 1), resized)


CASES: list[Case] = [
    *[("list_length", (f"list<{t}>",), tlt.list_length) for t in ("utf8", "bool")],
    *[("pad", (f"list<{t}>",), lambda a: tlt.pad(a, 2)) for t in ("int64", "bool", "utf8")],
    ("pad", ("list<utf8>",), lambda a: tlt.pad(a, 3, "-", side="left")),
    ("pad", ("list<float64>",), lambda a: tlt.pad(a, 3, -1, side="left")),
    *[("list_slice", (f"list<{t}>",), lambda a: tlt.truncate(a, 2)) for t in ("float64",)],
    *[("list_slice", (f"list<{t}>",), lambda a: tlt.truncate(a, 2, side="left")) for t in ("bool", "utf8")],
    ("list_slice", ("list<int64>",), lambda a: a[1:-1]),
    ("list_slice", ("list<int64>",), lambda a: a[-3:-1]),
    *[("list_get", (f"list<{t}>",), lambda a: a[1]) for t in ("float64", "bool", "utf8")],
    ("list_get", ("list<int64>",), lambda a: a[-2]),
    ("list_get", ("list<utf8>", "int64"), lambda a, i: a[i]),
    *[("list_concat", (f"list<{t}>", f"list<{t}>"), lambda a, b: tlt.list_concat([a, b])) for t in ("float64", "utf8")],
    ("list_concat", ("list<int64>", "vector<int64>", "int64"), lambda a, b, c: tlt.list_concat([b, a, c, a])),
    ("list_concat", ("vector<bool>",), tlt.as_list),
    *[("fill_missing_list", (f"list<{t}>",), lambda a: tlt.fill_missing(a, [])) for t in ("float64", "utf8")],
    *[("row_sum", (t,), tlt.list_sum) for t in ("list<float64>", "list<int64>", "vector<float64>")],
    *[("row_mean", (t,), tlt.list_mean) for t in ("list<int64>", "vector<float64>")],
    *[("row_min", (t,), tlt.list_min) for t in ("list<float64>", "vector<float64>", "list<timestamp>")],
    *[("row_max", (t,), tlt.list_max) for t in ("list<float64>", "list<int64>")],
    *[("row_any", (t,), tlt.list_any) for t in ("list<bool>", "vector<bool>")],
    *[("row_all", (t,), tlt.list_all) for t in ("list<bool>", "vector<bool>")],
    *[("row_any", (f"list<{t}>", t), tlt.contains_value) for t in ("float64", "utf8")],
    *[("distinct", (f"list<{t}>",), tlt.dedupe) for t in ("float64", "int64", "bool", "utf8")],
    ("distinct", ("vector<utf8>",), tlt.dedupe),
    *[("sort", (t,), tlt.list_sort) for t in ("list<float64>", "vector<float64>")],
    *[("sort", (t,), lambda a: tlt.list_sort(a, descending=True)) for t in ("list<float64>", "list<int64>")],
    ("segment_indices", ("list<int64>",), tlt.segment_indices),
    ("vector_slice", ("vector<float64>",), lambda a: a[1:]),
    ("vector_slice", ("vector<utf8>",), lambda a: a[::-2]),
    ("element", ("vector<bool>",), lambda a: a[-1]),
    *[("concat", (t, t), lambda a, b: tlt.stack([a, b])) for t in ("int64", "utf8", "bool")],
    ("concat", ("vector<int64>", "int64"), lambda a, b: tlt.concat([a, b], dtype="int64")),
    ("multi_hot", ("list<int64>",), lambda a: tlt.multi_hot(a, 3)),
    ("multi_hot", ("list<int64>",), lambda a: tlt.multi_hot(a, 3, counts=True)),
    ("multi_hot", ("vector<int64>",), lambda a: tlt.multi_hot(a, 2)),
    ("multi_hot", ("list<utf8>",), lambda a: tlt.hash_trick(a, 5)),
    ("multi_hot", ("list<utf8>", "int64"), lambda a, b: tlt.hash_trick([a, b], 4, signed=True)),
    ("matmul", ("vector<float64>",), lambda a: tlt.matmul(a, MATRIX)),
    ("row_sum", ("vector<float64>", "vector<float64>"), tlt.dot),
    ("row_sum", ("list<float64>",), tlt.normalize_l2),
    ("resize_image", ("vector<float64>",), image((3, 5))),
    ("resize_image", ("vector<int64>",), lambda a: tlt.resize_image(a, (1, 3, 1), (2, 2), method="nearest")),
    ("normalize_image", ("vector<float64>",), lambda a: tlt.normalize_image(a, (0.5, 0.4, 0.3), 0.25, IMAGE)),
    ("vector_slice", ("vector<float64>",), lambda a: tlt.grayscale(a, IMAGE)),
    ("crop_image", ("vector<float64>",), lambda a: tlt.center_crop(a, (3, 1, 1), (1, 1))),
    ("flip_image", ("vector<int64>",), lambda a: tlt.flip_image(a, (1, 3, 1))),
    ("channels_first", ("vector<float64>",), lambda a: tlt.channels_first(a, (3, 1, 1))),
]

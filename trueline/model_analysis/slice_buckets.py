"""Buckets of numeric columns: which bucket a value is in, what the bucket is called, and what makes bounds unusable.

With the boundaries 10 and 20 the buckets are ``< 10``, ``[10, 20)`` and ``>= 20``: a value on a boundary belongs to the
bucket above it. NaN has the bucket ``NaN``; a missing value is in none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

__all__ = ["MAX_BUCKETS", "NAN_BUCKET", "bucket_codes", "bucket_names", "bucket_problems"]

MAX_BUCKETS = 1_000
NAN_BUCKET = "NaN"


def bucket_names(boundaries: Sequence[float]) -> tuple[str, ...]:
    """Names of all buckets from below to above, that of NaN last.

    >>> bucket_names([0, 2.5])
    ('< 0', '[0, 2.5)', '>= 2.5', 'NaN')
    """
    texts = [_number(b) for b in boundaries]
    inner = [f"[{low}, {high})" for low, high in pairwise(texts)]
    return (f"< {texts[0]}", *inner, f">= {texts[-1]}", NAN_BUCKET)


def bucket_codes(values: npt.NDArray[np.float64], boundaries: Sequence[float]) -> npt.NDArray[np.int64]:
    """The place in `bucket_names` of each value."""
    codes = np.searchsorted(np.asarray(boundaries, dtype=np.float64), values, side="right").astype(np.int64)
    codes[np.isnan(values)] = len(boundaries) + 1
    return codes


def bucket_problems(boundaries: Sequence[float]) -> list[str]:
    """Why these boundaries cannot be used."""
    if not boundaries:
        return ["there is no boundary"]
    if len(boundaries) >= MAX_BUCKETS:
        return [f"there are {len(boundaries)} boundaries, at most {MAX_BUCKETS - 1} are read"]
    if not all(math.isfinite(b) for b in boundaries):
        return ["every boundary must be finite; what lies beyond the last one has a bucket of its own"]
    if any(a >= b for a, b in pairwise(boundaries)):
        return [f"boundaries must ascend, found {', '.join(_number(b) for b in boundaries)}"]
    return []


def _number(value: float) -> str:
    """The shortest text that reads as the same number, without a bare ``.0``; -0.0 is 0."""
    return repr(value + 0.0).removesuffix(".0")

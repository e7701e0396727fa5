"""Mutual information of a token and a label, from counts; with what chance alone would give taken off.

Source: Vinh, Epps, Bailey, Information theoretic measures for clusterings comparison, ICML 2009. All in bits times the
number of rows, as TensorFlow Transform orders vocabularies by it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "expected_partial_information",
    "hypergeometric_pmf",
    "information_of",
    "partial_information",
    "recommended_min_diff",
]

Array = npt.NDArray[Any]
_CLIP = 1e-6


def partial_information(n_xy: float, n_x: float, n_y: float, n: float) -> float:
    """The summand of one token and one label: ``n_xy * (log2 n_xy + log2 n - log2 n_x - log2 n_y)``; of nothing 0.

    Args:
        n_xy: the weight of rows with both.
        n_x: of rows with the token.
        n_y: of rows with the label.
        n: of all rows.
    """
    if n_xy == 0 or n_x == 0 or n_y == 0:
        return 0.0
    return n_xy * ((math.log2(n_xy) + math.log2(n)) - (math.log2(n_x) + math.log2(n_y)))


def hypergeometric_pmf(n: float, n_x: float, n_y: float) -> tuple[Array, Array]:
    """How likely each number of common rows is, if `n_x` and `n_y` of `n` rows are chosen apart.

    Returns:
        The possible numbers, int64, ascending, and their probabilities.
    """
    first, last = round(max(0.0, n_x + n_y - n)), round(min(n_x, n_y))
    numbers = np.arange(first, last + 1, dtype=np.int64)
    factorials = np.array([_log_factorial(v) for v in (n_x, n_y, n - n_x, n - n_y)]).sum()
    start = [n, first, n_x - first, n_y - first, n - n_x - n_y + first]
    k = numbers[:-1].astype(np.float64)
    with np.errstate(all="ignore"):
        steps = np.log(k + 1) - np.log(n_x - k) - np.log(n_y - k) + np.log(n - n_x - n_y + k + 1)
        below = np.concatenate([[0.0], np.cumsum(steps)]) + math.fsum(_log_factorial(v) for v in start)
        return numbers, np.exp(factorials - below)


def _log_factorial(n: float) -> float:
    return math.lgamma(max(n, 0.0) + 1)


def expected_partial_information(n: float, n_x: float, n_y: float) -> float:
    """What `partial_information` is on average if token and label have nothing to do with each other."""
    if n_x == 0 or n_y == 0:
        return 0.0
    numbers, probabilities = hypergeometric_pmf(n, n_x, n_y)
    there = numbers > 0
    common = numbers[there].astype(np.float64)
    bits = np.log2(common) - math.log2(n_x) - math.log2(n_y) + math.log2(n)
    # the probabilities add up to 1 only as well as the logarithms of factorials are known
    return float((common * bits * probabilities[there]).sum() / probabilities.sum())


def recommended_min_diff(n: float) -> int:
    """2 up to 10,000 rows, 25 from 1,000,000 rows on, and on the line between them, rounded down."""
    return int(min(25.0, max(2.0, 2.0 + 23.0 * (n - 1e4) / (1e6 - 1e4))))


def information_of(
    joint: Array, labels: Array, *, adjusted: bool = False, min_diff_from_avg: float | None = None
) -> Array:
    """The mutual information of each token and the label.

    Args:
        joint: weight of the rows with token and label, ``[tokens, labels]``.
        labels: weight of all rows with each label, ``[labels]``.
        adjusted: take off what chance gives.
        min_diff_from_avg: labels whose weight beside the token is closer than this to what the average says do not
            count; None: by the number of rows, see `recommended_min_diff`.

    Returns:
        float64 ``[tokens]``; 0 for a token that is in every row.
    """
    n = float(labels.sum())
    if not n or not len(joint):
        return np.zeros(len(joint))
    least = recommended_min_diff(n) if min_diff_from_avg is None else min_diff_from_avg
    weights = joint.sum(axis=1)
    found = np.zeros(len(joint))
    expected: dict[tuple[float, float], float] = {}
    for label, n_y in enumerate(labels.tolist()):
        if n_y == 0:
            continue
        with np.errstate(all="ignore"):
            share = np.clip(joint[:, label] / weights, _CLIP, 1 - _CLIP)
            n_xy = share * weights
            counts = (weights > 0) & (np.abs(weights * n_y / n - n_xy) >= least)
            bits = n_xy * ((np.log2(n_xy) + math.log2(n)) - (np.log2(weights) + math.log2(n_y)))
        found += np.where(counts, bits, 0.0)
        if adjusted:
            for token in np.flatnonzero(counts).tolist():
                pair = (float(weights[token]), n_y)
                if pair not in expected:
                    expected[pair] = expected_partial_information(n, *pair)
                found[token] -= expected[pair]
    constant = np.round(weights) == np.round(n)
    return np.where(constant, 0.0, found)

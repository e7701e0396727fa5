"""How much of a measured distance is chance: lower bounds and p-values from the counts alone.

Two samples of one distribution differ. Of n and m rows, what is found is set against what chance alone would give:

- L-infinity and the normalised absolute difference: the difference of two binomial shares of each value, with
  Agresti and Caffo's added successes and failures (The American Statistician 54, 2000), and Bonferroni's correction
  for the number of values: simultaneous intervals as in Goodman (Technometrics 7, 1965).
- Jensen-Shannon divergence: of equal distributions, J x 8 ln 2 x nm / (n + m) is asymptotically chi-square with one
  degree of freedom less than there are values (for n = m this is Wilks' G statistic). Where fewer than five of some
  value are expected (Cochran 1954) the null distribution comes from permutations instead, drawn with a fixed seed. As
  the root of J is a metric (Endres and Schindelin, IEEE Transactions on Information Theory 49, 2003), the root of the
  true divergence is at least the root of the measured one less the root of the noise.
- Histograms of numbers do not say where in a bucket the numbers lie, so only the part of the divergence counts that
  no arrangement inside the buckets could explain: see `trueline.data_validation.distances_buckets`.

A row with several values is one observation: values of one row hang together. Weights are taken as exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trueline.data_validation.distances import divergence
from trueline.data_validation.distances_buckets import provable_divergence
from trueline.data_validation.distances_tails import chi2_quantile, chi2_tail, normal_quantile, normal_tail
from trueline.data_validation.views import FeatureView

__all__ = ["Noise", "noise_of"]

Floats = npt.NDArray[np.float64]

_LEAST_EXPECTED = 5.0
_SEED = 20210311
_MOST_DRAWN = 10**9  # what the generator of permutations can take


@dataclass(frozen=True)
class Noise:
    """How sure a measured distance is.

    Attributes:
        lower: the true distance is at least this, with the confidence asked for.
        noise: what chance alone stays below with that confidence where nothing has changed.
        p_value: how often chance alone gives as much as was found, if the shares have not changed.
        n: rows of the data that were compared.
        n_other: rows of what they were compared with.
    """

    lower: float
    noise: float
    p_value: float
    n: float
    n_other: float


@dataclass(frozen=True)
class _Sample:
    """Two samples over the same cells.

    Attributes:
        x, y: counts of values.
        n, m: rows behind them.
    """

    x: Floats
    y: Floats
    n: float
    m: float


def noise_of(field: str, one: FeatureView, other: FeatureView, kind: str, confidence: float) -> Noise:
    """The noise of one distance between two features.

    Args:
        field: ``infinity_norm``, ``normalized_abs_difference`` or ``jensen_shannon_divergence``.
        one, other: the features.
        kind: which histogram of numbers, ``STANDARD`` or ``QUANTILES``.
        confidence: between 0 and 1.
    """
    counted = one.has_rank_histogram and other.has_rank_histogram
    if field == "jensen_shannon_divergence" and not counted:
        return _numbers(one, other, kind, confidence)
    values = sorted(one.counts.keys() | other.counts.keys())
    sample = _sample(_over(values, one.counts), _over(values, other.counts), one, other)
    if not sample.n or not sample.m:
        return Noise(0.0, 1.0, 1.0, sample.n, sample.m)
    if field == "jensen_shannon_divergence":
        return _jensen_shannon(sample, confidence)
    return _shares(sample, confidence, absolute=field == "normalized_abs_difference")


def _over(values: list[str], counts: Mapping[str, float]) -> Floats:
    return np.array([counts.get(value, 0.0) for value in values], np.float64)


def _sample(x: Floats, y: Floats, one: FeatureView, other: FeatureView) -> _Sample:
    return _Sample(x, y, _rows(x, one), _rows(y, other))


def _rows(counts: Floats, view: FeatureView) -> float:
    """Independent observations: rows, and not more than there are values."""
    total, rows = float(counts.sum()), float(view.common.num_non_missing)
    if view.weighted and total:
        return rows or total
    return min(total, rows) if rows else total


def _shares(sample: _Sample, confidence: float, *, absolute: bool) -> Noise:
    """Of the greatest difference of shares, or of counts where `absolute`."""
    n, m, cells = sample.n, sample.m, len(sample.x)
    big_n, big_m = float(sample.x.sum()), float(sample.y.sum())
    p, q = sample.x / big_n, sample.y / big_m
    # One success and one failure more in each sample.
    p1, q1 = (p * n + 1) / (n + 2), (q * m + 1) / (m + 2)
    pooled = (p * n + q * m + 2) / (n + m + 4)
    z = normal_quantile((1 - confidence) / (2 * cells))
    # Factors that turn a share of either sample into the unit of the distance.
    a, b = (big_n / (big_n + big_m), big_m / (big_n + big_m)) if absolute else (1.0, 1.0)
    spread = np.sqrt(a * a * p1 * (1 - p1) / (n + 2) + b * b * q1 * (1 - q1) / (m + 2))
    found = np.minimum(np.abs(a * p - b * q), np.abs(a * p1 - b * q1))
    lower = max(float((found - z * spread).max()), 0.0)
    null = np.sqrt(pooled * (1 - pooled) * (a * a / (n + 2) + b * b / (m + 2)))
    expected = np.abs(a - b) * pooled
    equal = np.sqrt(pooled * (1 - pooled) * (1 / (n + 2) + 1 / (m + 2)))
    p_value = min(2 * cells * normal_tail(float((np.abs(p1 - q1) / equal).max())), 1.0)
    return Noise(lower, float((expected + z * null).max()), p_value, n, m)


def _jensen_shannon(sample: _Sample, confidence: float) -> Noise:
    value = divergence(sample.x, sample.y)
    n, m = sample.n, sample.m
    if value is None:
        return Noise(0.0, 1.0, 1.0, n, m)
    p, q = sample.x / sample.x.sum(), sample.y / sample.y.sum()
    pooled = (p * n + q * m) / (n + m)
    pooled = pooled[pooled > 0]
    if pooled.min() * min(n, m) < _LEAST_EXPECTED and sample.x.sum() + sample.y.sum() < _MOST_DRAWN:
        noise, p_value = _permuted(sample, value, confidence)
        return Noise(_at_least(value, noise), noise, p_value, n, m)
    return _chi_square(value, len(pooled) - 1, n, m, confidence)


def _chi_square(value: float, df: int, n: float, m: float, confidence: float) -> Noise:
    scale = 8 * math.log(2) * n * m / (n + m)
    noise = min(chi2_quantile(1 - confidence, df) / scale, 1.0)
    return Noise(_at_least(value, noise), noise, chi2_tail(value * scale, df), n, m)


def _at_least(value: float, noise: float) -> float:
    return max(math.sqrt(value) - math.sqrt(noise), 0.0) ** 2


def _numbers(one: FeatureView, other: FeatureView, kind: str, confidence: float) -> Noise:
    first, second = one.histogram(kind), other.histogram(kind)
    if first is None or second is None:
        return Noise(0.0, 1.0, 1.0, 0.0, 0.0)
    found = provable_divergence(first, second)
    n, m = (_rows(np.array([total]), view) for total, view in zip(found.totals, (one, other), strict=True))
    if not n or not m:
        return Noise(0.0, 1.0, 1.0, n, m)
    return _chi_square(found.value, found.freedom, n, m, confidence)


def _permuted(sample: _Sample, value: float, confidence: float) -> tuple[float, float]:
    """Noise and p-value from dealing all values anew to two samples of the same sizes.

    Where rows have several values, chance does as much as with so many fewer values: the divergence that it gives
    grows by that factor.
    """
    # Weighted counts are no whole numbers: as many values as there are rows, in the same shares.
    whole = [c if np.array_equal(c, np.rint(c)) else c / c.sum() * n for c, n in _sides(sample)]
    x, y = (np.rint(c).astype(np.int64) for c in whole)
    if not x.sum() or not y.sum():
        return 1.0, 1.0
    draws = min(max(499, math.ceil(20 / (1 - confidence))), 20_000)
    rng = np.random.default_rng(_SEED)
    total = (x + y).astype(np.float64)
    found = np.empty(draws)
    for start in range(0, draws, 500):  # a block at a time: memory does not grow with the number of draws
        size = min(500, draws - start)
        dealt = rng.multivariate_hypergeometric(x + y, int(x.sum()), size=size, method="marginals").astype(np.float64)
        found[start : start + size] = _divergences(dealt, total - dealt)
    factor = max(float(x.sum()) / sample.n, float(y.sum()) / sample.m, 1.0)
    found = np.minimum(found * factor, 1.0)
    rank = min(math.ceil(confidence * (draws + 1)), draws) - 1
    noise = float(np.sort(found)[rank])
    return noise, float((1 + np.count_nonzero(found >= value - 1e-12)) / (draws + 1))


def _sides(sample: _Sample) -> tuple[tuple[Floats, float], tuple[Floats, float]]:
    return (sample.x, sample.n), (sample.y, sample.m)


def _divergences(x: Floats, y: Floats) -> Floats:
    """The divergence of each row of counts."""
    p, q = x / x.sum(axis=1, keepdims=True), y / y.sum(axis=1, keepdims=True)
    m = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = [np.where(s > 0, s * np.log2(s / m), 0.0).sum(axis=1) for s in (p, q)]
    result: Floats = np.clip((terms[0] + terms[1]) / 2, 0.0, 1.0)
    return result

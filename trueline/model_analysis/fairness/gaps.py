"""Gaps between groups with their noise.

Every comparison of two groups, d = a - b, has the standard error s of the delete-a-group jackknife, in which a noise
group is left out of both at once (paired). Then, over all P comparisons of a criterion at confidence 1 - alpha:

* The gap is max |d|, which is the greatest rate minus the least. It is biased upwards: of several groups with equal
  true rates the greatest and the least measured ones differ. Its interval therefore comes from all comparisons at once:
  each has an interval at 1 - alpha / P (Bonferroni), which all hold the truth together with probability 1 - alpha, and
  then the greatest true gap lies between max(|d| - t s) (at least 0) and max(|d| + t s). With many groups it is wide.
* The ratio is min(a, b) / max(a, b), the least of all comparisons; its interval is that of the logarithm, in the same
  way, and None where one of the rates is 0. A rate that is 0 in every group has no ratio: of two, the other decides.
* The p-value is of "all groups are equal": P times the least two-sided p-value, at most 1.

t is Student's quantile with one degree of freedom less than the noise groups that hold rows of the smaller group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trueline.model_analysis.noise import standard_errors, t_quantile, upper_tail
from trueline.model_analysis.rows import Floats, Ints

__all__ = ["Comparisons", "Gap", "against", "difference_gap", "pairwise", "ratio_gap"]


@dataclass(frozen=True)
class Gap:
    """A number that says how far groups are apart.

    Attributes:
        value: the difference or ratio; None where it is undefined.
        low, high: its interval, see `gaps.py`; None where noise could not be measured.
        p_value: of "all groups are equal".
        rate: the rate that is furthest apart.
        greater, lesser: the groups with the greater and the lesser rate.
        undefined: why there is no value.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    rate: str = ""
    greater: str = ""
    lesser: str = ""
    undefined: str | None = None


@dataclass(frozen=True)
class Comparisons:
    """P comparisons of two groups each in one rate.

    Attributes:
        rate: its name.
        signed: whether ratios mean nothing.
        names: ``(a, b)`` of each.
        a, b: the rates ``[P]``.
        error: standard error of a - b ``[P]``, NaN where it could not be measured.
        log_error: of ln a - ln b.
        dof: degrees of freedom ``[P]``.
    """

    rate: str
    signed: bool
    names: tuple[tuple[str, str], ...]
    a: Floats
    b: Floats
    error: Floats
    log_error: Floats
    dof: Ints

    @property
    def difference(self) -> Floats:
        """|a - b|."""
        return np.abs(self.a - self.b)

    @property
    def ratio(self) -> Floats:
        """The smaller divided by the greater; NaN where both are 0."""
        low, high = np.minimum(self.a, self.b), np.maximum(self.a, self.b)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(high > 0, low / high, np.nan)

    def reach(self, error: Floats, tail: float) -> Floats:
        """Standard errors times Student's quantile of 1 - tail."""
        times = {d: t_quantile(1 - tail, int(d)) for d in np.unique(self.dof)}
        return error * np.array([times[d] for d in self.dof], np.float64)

    def tails(self, distance: Floats, error: Floats) -> float | None:
        """The least one-sided p-value of `distance` from 0; None where an error is not known."""
        if not np.isfinite(error).all() or not np.isfinite(distance).all():
            return None
        least = 1.0
        for dof in np.unique(self.dof):
            own = self.dof == dof
            d, e = distance[own], error[own]
            sure = e <= 0
            if (sure & (d > 0)).any():
                return 0.0
            if (~sure).any():
                least = min(least, upper_tail(float((d[~sure] / e[~sure]).max()), int(dof)))
        return least


def pairwise(rate: str, signed: bool, names: Sequence[str], values: Floats, occupied: Ints) -> Comparisons:
    """Every group with every other; `values` are ``[n, 1 + X]``."""
    left, right = np.triu_indices(len(names), 1)
    pairs = tuple((names[i], names[j]) for i, j in zip(left.tolist(), right.tolist(), strict=True))
    return _compared(rate, signed, pairs, values[left], values[right], np.minimum(occupied[left], occupied[right]))


def against(
    rate: str, signed: bool, names: Sequence[str], values: Floats, occupied: Ints, reference: tuple[str, Floats, int]
) -> Comparisons:
    """Every group with the reference: its name, values ``[1 + X]`` and occupied noise groups."""
    name, other, filled = reference
    pairs = tuple((n, name) for n in names)
    return _compared(rate, signed, pairs, values, np.broadcast_to(other, values.shape), np.minimum(occupied, filled))


def _compared(
    rate: str, signed: bool, names: tuple[tuple[str, str], ...], a: Floats, b: Floats, occupied: Ints
) -> Comparisons:
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(a) - np.log(b)
    with np.errstate(invalid="ignore"):
        errors = standard_errors(a[:, 1:] - b[:, 1:], occupied)
        log_errors = standard_errors(logs[:, 1:], occupied)
    return Comparisons(rate, signed, names, a[:, 0], b[:, 0], errors, log_errors, np.maximum(occupied - 1, 1))


def difference_gap(parts: Sequence[Comparisons], confidence: float) -> Gap:
    """The greatest difference of all comparisons of all rates."""
    parts = [p for p in parts if p.names]
    if not parts:
        return Gap(None, undefined="fewer than two groups can be compared")
    count = sum(len(p.names) for p in parts)
    at, place = _greatest([p.difference for p in parts])
    low = high = p_value = None
    if all(np.isfinite(p.error).all() for p in parts):
        reaches = [p.reach(p.error, (1 - confidence) / 2 / count) for p in parts]
        low = max(0.0, *(float((p.difference - r).max()) for p, r in zip(parts, reaches, strict=True)))
        high = max(float((p.difference + r).max()) for p, r in zip(parts, reaches, strict=True))
        found = [t for p in parts if (t := p.tails(p.difference, p.error)) is not None]
        p_value = min(1.0, 2 * count * min(found))
    return Gap(float(parts[at].difference[place]), low, high, p_value, *_named(parts[at], place))


def ratio_gap(parts: Sequence[Comparisons], confidence: float) -> Gap:
    """The least ratio of all comparisons of all rates."""
    parts = [p for p in parts if p.names]
    if not parts:
        return Gap(None, undefined="fewer than two groups can be compared")
    if any(p.signed for p in parts):
        return Gap(None, undefined="the rate may be negative, so its ratios mean nothing")
    empty = [p.rate for p in parts if not (np.maximum(p.a, p.b) > 0).any()]
    parts = [p for p in parts if p.rate not in empty]  # 0 everywhere is equal; the other rate decides
    if not parts:
        return Gap(None, undefined=f"{' and '.join(empty)} is 0 in every group")
    count = sum(len(p.names) for p in parts)
    at, place = _greatest([-np.where(np.isnan(p.ratio), np.inf, p.ratio) for p in parts])
    low = high = p_value = None
    if all(np.isfinite(p.log_error).all() for p in parts):
        tail = (1 - confidence) / 2 / count
        logs = [-np.log(p.ratio) for p in parts]
        reaches = [p.reach(p.log_error, tail) for p in parts]
        low = min(float(np.exp(-(v + r)).min()) for v, r in zip(logs, reaches, strict=True))
        high = min(1.0, *(float(np.exp(r - v).min()) for v, r in zip(logs, reaches, strict=True)))
        found = [t for p, v in zip(parts, logs, strict=True) if (t := p.tails(v, p.log_error)) is not None]
        p_value = min(1.0, 2 * count * min(found))
    return Gap(float(parts[at].ratio[place]), low, high, p_value, *_named(parts[at], place))


def _greatest(values: Sequence[Floats]) -> tuple[int, int]:
    """Which part and which comparison is the greatest, the first of equals."""
    each = [int(np.argmax(v)) for v in values]
    tops = [float(v[i]) for v, i in zip(values, each, strict=True)]
    at = tops.index(max(tops))
    return at, each[at]


def _named(part: Comparisons, place: int) -> tuple[str, str, str]:
    a, b = part.names[place]
    return (part.rate, a, b) if part.a[place] >= part.b[place] else (part.rate, b, a)

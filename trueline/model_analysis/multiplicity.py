"""Many tests, one level: p-values adjusted so that comparing each with alpha controls the error of all together.

A gate refuses a candidate where any one of its checks finds a worsening. With m checks at level alpha each, noise alone
would refuse up to 1 - (1 - alpha)^m of all equal candidates. Each rule here gives adjusted p-values; a check rejects
where its own adjusted value is at most alpha.

* ``bonferroni``: m p. Controls the probability of any false rejection (family-wise error), whatever the dependence.
* ``holm``: step-down, ``max over j <= i of (m - j + 1) p_(j)`` (Holm 1979, "A simple sequentially rejective multiple
  test procedure"). The same guarantee, and never fewer rejections than Bonferroni.
* ``benjamini_hochberg``: step-up, ``min over j >= i of m / j p_(j)`` (Benjamini and Hochberg 1995). Controls the share
  of false rejections among all (false discovery rate) for independent or positively dependent tests: it sees more, and
  where some slices did get worse, noise may name others beside them. Where nothing got worse it is family-wise too.
* ``none``: p as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ConfigError, did_you_mean

__all__ = ["MULTIPLICITY", "adjusted_p_values"]

Floats: TypeAlias = npt.NDArray[np.float64]


def _bonferroni(ordered: Floats) -> Floats:
    scaled: Floats = ordered * len(ordered)
    return scaled


def _holm(ordered: Floats) -> Floats:
    scaled: Floats = np.maximum.accumulate(ordered * np.arange(len(ordered), 0, -1))
    return scaled


def _benjamini_hochberg(ordered: Floats) -> Floats:
    scaled = ordered * len(ordered) / np.arange(1, len(ordered) + 1)
    lowest: Floats = np.minimum.accumulate(scaled[::-1])[::-1]
    return lowest


MULTIPLICITY: Mapping[str, Callable[[Floats], Floats]] = {
    "bonferroni": _bonferroni,
    "holm": _holm,
    "benjamini_hochberg": _benjamini_hochberg,
    "none": lambda ordered: ordered,
}
"""The rules by name: ascending p-values to adjusted ones, before they are cut at 1."""


def adjusted_p_values(p_values: Sequence[float], method: str) -> list[float]:
    """Adjusted p-values, in the order given, each from 0 to 1.

    Args:
        p_values: from 0 to 1, in any order; equal ones get equal adjusted values.
        method: a key of `MULTIPLICITY`.

    Raises:
        ConfigError: another method, or a value outside 0..1.
    """
    if method not in MULTIPLICITY:
        raise ConfigError(
            f"there is no multiplicity control {method!r}", hint=did_you_mean(method, MULTIPLICITY, limit=10)
        )
    values = np.asarray(list(p_values), dtype=np.float64)
    if not bool(np.all((values >= 0) & (values <= 1))):  # NaN is in neither
        raise ConfigError(f"a p-value lies outside 0..1: {values[~((values >= 0) & (values <= 1))][0]}")
    order = np.argsort(values, kind="stable")
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(MULTIPLICITY[method](values[order]), 1.0)
    return [float(v) for v in adjusted]

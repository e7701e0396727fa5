"""How far apart the answers of two versions to the same rows are, output by output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Difference", "compared", "label_disagreements"]

Outputs = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Difference:
    """One output of both.

    Attributes:
        equal: rows in which every value is the same; NaN is the same as NaN.
        largest: the largest absolute difference of two finite numbers; None for what is no number, for an output that
            one of them lacks or gives in another shape.
    """

    equal: int
    largest: float | None


def compared(champion: Outputs, challenger: Outputs) -> dict[str, Difference]:
    """The difference of each output that either of them has."""
    names = [*champion, *(name for name in challenger if name not in champion)]
    return {name: _difference(champion.get(name), challenger.get(name)) for name in names}


def _difference(one: npt.NDArray[Any] | None, other: npt.NDArray[Any] | None) -> Difference:
    if one is None or other is None or one.shape != other.shape:
        return Difference(0, None)
    same = one == other
    largest = None
    if one.dtype != object and other.dtype != object:
        a, b = one.astype(np.float64), other.astype(np.float64)
        same = same | (np.isnan(a) & np.isnan(b))
        finite = np.isfinite(a) & np.isfinite(b)
        largest = float(np.abs(a[finite] - b[finite]).max(initial=0.0))
    equal = np.asarray(same, bool).reshape(len(one), -1).all(axis=1)
    return Difference(int(equal.sum()), largest)


def label_disagreements(declared: Sequence[Mapping[str, Any]], champion: Outputs, challenger: Outputs) -> int | None:
    """Rows to which the two give different labels, or different most probable classes; None for no classifier.

    Args:
        declared: the champion's outputs, with their meanings.
        champion: its outputs.
        challenger: the other's.
    """
    for meaning in ("label", "class_probabilities"):
        name = next((str(output["name"]) for output in declared if output["meaning"] == meaning), None)
        if name is None or name not in champion:
            continue
        one, other = champion[name], challenger.get(name)
        if other is None or other.shape[:1] != one.shape[:1] or other.ndim != one.ndim:
            return len(one)
        if meaning == "class_probabilities":
            one, other = one.argmax(axis=-1), other.argmax(axis=-1)
        return int((one != other).reshape(len(one), -1).any(axis=1).sum())
    return None

"""Histograms: how many values lie in each bin, or how often each distinct value occurs, and the density of both.

The bins of a numeric histogram are known before its pass: boundaries that the user wrote, those of a table, or equal
steps from the least to the greatest value, which an earlier pass found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from trueline._core.errors import TransformError
from trueline.transform.analyzers.base import Analyzer, Array, Attrs, Parts, StateMaker
from trueline.transform.analyzers.inputs import Inputs
from trueline.transform.analyzers.tokens import Tokens
from trueline.transform.graph import ValueType
from trueline.transform.operations import RuleError

__all__ = ["ANALYZERS", "STATES", "Histogram", "bin_edges"]

_FLOAT32 = 2.0**-23
_SHARE = 1e-4


def bin_edges(boundaries: Array) -> Array:
    """Where the inner bins begin: the inner boundaries, lowered by the little that float32 may have taken off a value.

    A value on a boundary lies in the upper bin, also where it was 0.7 as float32. TensorFlow Transform lowers all
    boundaries by 0.0001 for this, which swallows bins of that width; here it is one float32 step, and at most a
    ten-thousandth of the narrowest bin.
    """
    widths = np.diff(boundaries)
    narrowest = widths[widths > 0.0].min(initial=np.inf)
    inner = boundaries[1:-1]
    return np.asarray(inner - np.minimum(np.abs(inner) * _FLOAT32, narrowest * _SHARE))


class Histogram:
    """Counts of the values of each bin; values beyond the ends lie in the first and last bin, NaN in none."""

    def __init__(self, types: Sequence[ValueType], params: Attrs) -> None:
        self.boundaries = _boundaries([t.literal for t in types if t.constant], params)
        self._edges = bin_edges(self.boundaries)
        self.counts: Array = np.zeros(len(self.boundaries) - 1, np.int64)

    def update(self, inputs: Inputs) -> None:
        """Takes in a block."""
        values = inputs.numbers()
        bins = np.searchsorted(self._edges, values[~np.isnan(values)], side="right")
        self.counts = self.counts + np.bincount(bins, minlength=len(self.counts))

    def merge(self, other: Self) -> None:
        """Takes in the state of later blocks."""
        self.counts = self.counts + other.counts

    def parts(self) -> Parts:
        """The state as header and arrays."""
        return {}, {"counts": self.counts}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        """Takes on the state that `parts` gave."""
        self.counts = arrays["counts"]

    @property
    def edges(self) -> list[float]:
        """See `bin_edges`."""
        found: list[float] = self._edges.tolist()
        return found

    @property
    def density(self) -> list[float]:
        """Each bin's share of all values over the average width of the bins; of no values zeros."""
        total = int(self.counts.sum())
        width = float(np.mean(np.diff(self.boundaries)))
        with np.errstate(all="ignore"):
            shares = self.counts / max(total, 1)
            found: list[float] = (shares / width if width > 0.0 else shares).tolist()
        return found


def _boundaries(constants: Sequence[Any], params: Attrs) -> Array:
    """The boundaries given, of a table, or ``bins + 1`` at equal distances between two constants."""
    if "boundaries" in params:
        return np.array(params["boundaries"], np.float64)
    if "points" not in params:
        table = np.array(constants[0], np.float64).ravel()
        if len(table) < 2 or np.isnan(table).any() or (np.diff(table) < 0.0).any():
            raise TransformError(
                f"the boundaries of a histogram are {table.tolist()}",
                hint="there must be at least two, in ascending order and without NaN.",
            )
        return table
    least, greatest = (float(c) for c in constants)
    if not least <= greatest:  # of no values
        least, greatest = 0.0, 0.0
    if not (np.isfinite(least) and np.isfinite(greatest)):
        raise TransformError(
            f"a histogram from {least} to {greatest} has no bins of equal width",
            hint="clip the infinities away first: tlt.clip, or give the boundaries.",
        )
    return np.linspace(least, greatest, int(params["points"]))


def _rule(dtype: Any, fewer: int | None) -> Any:
    def rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
        if types[0].dtype != "float64":
            raise RuleError(f"it takes numbers, not {types[0].dtype}; of text: categorical=True")
        points = len(attrs["boundaries"]) if "boundaries" in attrs else attrs.get("points")
        return ValueType(dtype, "table", None if points is None or fewer is None else int(points) - fewer)

    return rule


def _categories_rule(dtype: Any) -> Any:
    def rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
        if len(types) != 1 or types[0].dtype not in ("utf8", "int64"):
            raise RuleError(f"a categorical histogram takes text or integers, not {types[0].dtype}")
        return ValueType(dtype or types[0].dtype, "table")

    return rule


def _sorted(state: Tokens) -> tuple[list[Any], list[int]]:
    """Distinct values and their counts, in the order of the values' texts (by bytes)."""
    pairs = zip(state.tokens.to_pylist(), np.asarray(state.counts).tolist(), strict=True)
    found = sorted(pairs, key=lambda pair: str(pair[0]).encode())
    return [token for token, _ in found], [int(count) for _, count in found]


def _shares(state: Tokens, attrs: Attrs) -> list[float]:
    counts = _sorted(state)[1]
    return [count / sum(counts) for count in counts]


_PARAMS = ("boundaries", "points")

ANALYZERS = (
    Analyzer("histogram_counts", _rule("int64", 1), "histogram", lambda s, a: s.counts.tolist(), _PARAMS),
    Analyzer("histogram_boundaries", _rule("float64", 0), "histogram", lambda s, a: s.boundaries.tolist(), _PARAMS),
    Analyzer("histogram_edges", _rule("float64", 2), "histogram", lambda s, a: s.edges, _PARAMS),
    Analyzer("histogram_density", _rule("float64", 1), "histogram", lambda s, a: s.density, _PARAMS),
    Analyzer("category_counts", _categories_rule("int64"), "tokens", lambda s, a: _sorted(s)[1]),
    Analyzer("category_keys", _categories_rule(None), "tokens", lambda s, a: _sorted(s)[0]),
    Analyzer("category_shares", _categories_rule("float64"), "tokens", _shares),
)
"""Rows of the table of analyzers."""

STATES: dict[str, StateMaker] = {"histogram": Histogram}
"""The states that they read, by name."""

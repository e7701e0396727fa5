"""The state of exact vocabularies: how often each token occurs, or what its weights add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from trueline.transform.analyzers.base import Array, Attrs, Parts
from trueline.transform.analyzers.inputs import Inputs
from trueline.transform.analyzers.tally import Tally
from trueline.transform.analyzers.vocabulary_order import Vocabulary, arrange
from trueline.transform.graph import ValueType

__all__ = ["Tokens", "Vocabulary"]


class Tokens:
    """How often each token occurs, exactly; with a second input, the sum of its weights (NaN weights left out).

    Lists and vectors count each element. For its memory see `Tally`.
    """

    def __init__(self, types: Sequence[ValueType], params: Attrs) -> None:
        self.weighted = len(types) > 1
        self.tally = Tally(types[0].dtype, exact=not self.weighted)

    def update(self, inputs: Inputs) -> None:
        values = inputs.arrow(0)
        if not self.weighted:
            self.tally.count(values)
            return
        weights = inputs.elements(1).astype(np.float64)
        there = ~np.isnan(weights)
        if not there.all():
            import pyarrow as pa

            values, weights = values.filter(pa.array(there)), weights[there]
        self.tally.count(values, weights)

    def merge(self, other: Self) -> None:
        self.tally.merge(other.tally)

    def parts(self) -> Parts:
        return self.tally.parts()

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        self.tally.restore(header, arrays)

    @property
    def tokens(self) -> Any:
        """The distinct tokens, an Arrow array."""
        return self.tally.tokens

    @property
    def counts(self) -> Array:
        """How often each occurs, or its weight."""
        return self.tally.sums[:, 0]

    def vocabulary(self, top_k: int | None = None, frequency_threshold: float | None = None) -> Vocabulary:
        """Tokens by descending count, then descending bytes (integers as decimal text), as TensorFlow Transform orders.

        Empty texts and texts with a line break are no tokens: a vocabulary file has one token a line.
        """
        return self.arranged({"top_k": top_k, "frequency_threshold": frequency_threshold})

    def arranged(self, attrs: Attrs) -> Vocabulary:
        """The vocabulary with all limits, see `arrange`."""
        return arrange(self.tokens, self.counts, attrs)

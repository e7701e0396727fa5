"""The state of approximate vocabularies: the most frequent tokens in fixed memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from trueline.transform.analyzers.base import Attrs, Parts
from trueline.transform.analyzers.inputs import Inputs
from trueline.transform.analyzers.tally import Tally
from trueline.transform.analyzers.vocabulary_order import Vocabulary, arrange, valid_tokens
from trueline.transform.graph import ValueType

__all__ = ["HeavyHitters"]

_LEAST = 4096
_TIMES = 4


class HeavyHitters:
    """A Misra-Gries summary of at most ``max(4 * top_k, 4096)`` tokens, each with a count or a sum of weights.

    Exact while there are no more distinct tokens. Where there are, every counter is lowered by the first one that finds
    no room (Agarwal and others, Mergeable Summaries, 2013), so that however blocks are merged, each token's true number
    lies between its counter and its counter plus `error`, and `error` is at most ``total / (capacity + 1)``. Every
    token with a larger share than that is kept. A token's estimate is its counter plus `error`: never too low.

    Weights that are NaN or not positive count as 0.
    """

    def __init__(self, types: Sequence[ValueType], params: Attrs) -> None:
        self.weighted = len(types) > 1
        self.file_format = str(params.get("file_format") or "text")
        self.capacity = max(_TIMES * int(params["top_k"]), _LEAST)
        self.tally = Tally(types[0].dtype, exact=not self.weighted)
        self.error: int | float = 0

    def update(self, inputs: Inputs) -> None:
        import pyarrow as pa

        values = inputs.arrow(0)
        weights = inputs.elements(1).astype(np.float64) if self.weighted else None
        if weights is not None and not (weights > 0).all():
            values, weights = values.filter(pa.array(weights > 0)), weights[weights > 0]
        # what is no token must not take a counter from one
        self.tally.count(values, weights, lambda tokens: valid_tokens(tokens, self.file_format))
        self._prune()

    def merge(self, other: Self) -> None:
        self.tally.merge(other.tally)
        self.error += other.error
        self._prune()

    def _prune(self) -> None:
        numbers = self.tally.sums[:, 0]
        if len(numbers) <= self.capacity:
            return
        place = len(numbers) - self.capacity - 1
        cut = np.partition(numbers, place)[place]  # the largest counter that finds no room
        chosen = np.flatnonzero(numbers > cut)
        self.tally.keep(chosen, (numbers[chosen] - cut)[:, None])
        self.error += cut.item()

    def parts(self) -> Parts:
        header, arrays = self.tally.parts()
        return header, {**arrays, "error": np.array([self.error], self.tally.number)}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        self.tally.restore(header, arrays)
        self.error = np.asarray(arrays["error"])[0].item()

    def arranged(self, attrs: Attrs) -> Vocabulary:
        """The vocabulary with all limits, by estimates."""
        return arrange(self.tally.tokens, self.tally.sums[:, 0] + self.error, attrs)

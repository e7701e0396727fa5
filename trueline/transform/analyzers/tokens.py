"""The mergeable state of vocabularies: how often each token occurs, and the order of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from trueline.transform.analyzers.base import Array, Attrs
from trueline.transform.analyzers.inputs import Inputs
from trueline.transform.graph import ValueType

__all__ = ["Tokens", "Vocabulary"]


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in order of id, their counts, and how many distinct tokens there were before any limit."""

    tokens: tuple[Any, ...]
    counts: tuple[int, ...]
    unfiltered: int


class Tokens:
    """How often each token occurs, exactly."""

    def __init__(self, types: Sequence[ValueType], params: Attrs) -> None:
        import pyarrow as pa

        dtype = types[0].dtype
        self.dtype = dtype
        self.token_type = pa.string() if dtype == "utf8" else pa.int64()
        self.tokens: Any = pa.array([], self.token_type)
        self.counts: Array = np.zeros(0, np.int64)

    def update(self, inputs: Inputs) -> None:
        counted = inputs.arrow(0).value_counts()
        self._join(counted.field(0).cast(self.token_type), counted.field(1).to_numpy())

    def merge(self, other: Self) -> None:
        self._join(other.tokens, other.counts)

    def _join(self, tokens: Any, counts: Array) -> None:
        import pyarrow as pa

        encoded = pa.concat_arrays([self.tokens, tokens]).dictionary_encode()
        joined = np.zeros(len(encoded.dictionary), np.int64)
        np.add.at(joined, encoded.indices.to_numpy(), np.concatenate([self.counts, counts]))
        self.tokens, self.counts = encoded.dictionary, joined

    def parts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        import pyarrow.compute as pc

        order = pc.sort_indices(self.tokens)
        return {}, {"tokens": self.tokens.take(order), "counts": self.counts[order.to_numpy()]}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        self.tokens, self.counts = arrays["tokens"], arrays["counts"]

    def vocabulary(self, top_k: int | None, frequency_threshold: int | None) -> Vocabulary:
        """Tokens by descending count, then descending bytes (integers as decimal text), as TensorFlow Transform orders.

        Empty texts and texts with a line break are no tokens: a vocabulary file has one token a line.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        table = pa.table({"token": self.tokens, "count": pa.array(self.counts)})
        if self.dtype == "utf8":
            broken = pc.match_substring_regex(table["token"], "[\n\r]")
            table = table.filter(pc.and_(pc.not_equal(table["token"], ""), pc.invert(broken)))
        unfiltered = table.num_rows
        if frequency_threshold is not None:
            table = table.filter(pc.greater_equal(table["count"], frequency_threshold))
        table = table.append_column("text", table["token"].cast(pa.string()))
        table = table.take(pc.sort_indices(table, [("count", "descending"), ("text", "descending")]))
        if top_k is not None:
            table = table.slice(0, top_k)
        return Vocabulary(tuple(table["token"].to_pylist()), tuple(table["count"].to_pylist()), unfiltered)

"""The state of vocabularies that are ordered by what a token tells about a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from trueline._core.errors import TransformError
from trueline._core.rowid import describe_row
from trueline.transform.analyzers.base import Array, Attrs, Parts
from trueline.transform.analyzers.information import information_of
from trueline.transform.analyzers.inputs import Inputs
from trueline.transform.analyzers.tally import Tally
from trueline.transform.analyzers.vocabulary_order import Vocabulary, arrange, valid_tokens
from trueline.transform.graph import ValueType

__all__ = ["LabelledTokens"]


class LabelledTokens:
    """Of each token and label: in how many rows they meet, or the sum of those rows' weights.

    Inputs: the tokens; the label, int64, one a row; optionally weights, one a row or one for each element (a row then
    weighs as much as its elements on average). Rows without tokens count for the label. Memory: a `Tally` of as many
    numbers as there are labels.

    Raises:
        TransformError: a token comes twice in a row.
    """

    def __init__(self, types: Sequence[ValueType], params: Attrs) -> None:
        self.weighted = len(types) > 2
        self.lists = types[0].kind != "scalar"
        self.file_format = str(params.get("file_format") or "text")
        self.labels: Array = np.zeros(0, np.int64)
        self.totals: Array = np.zeros(0, np.float64 if self.weighted else np.int64)
        self.tally = Tally(types[0].dtype, 0, exact=not self.weighted)

    def update(self, inputs: Inputs) -> None:
        words, ids = inputs.encoded(0)
        words, ids = words.cast(self.tally.token_type), ids.astype(np.int64)
        lengths = inputs.lists(0)[1] if self.lists else np.ones(inputs.rows, np.int64)
        labels = inputs.matrix(1)[:, 0].astype(np.int64)
        weights, of_rows = self._weights(inputs, lengths)
        self._know(labels)
        places = np.searchsorted(self.labels, labels)
        np.add.at(self.totals, places, of_rows)
        rows = np.repeat(np.arange(len(lengths)), lengths)
        if self.lists:
            valid = valid_tokens(words, self.file_format)
            counts = np.ones(len(ids), np.bool_) if valid is None else valid.to_numpy(zero_copy_only=False)[ids]
            _check_sets(words, ids[counts], rows[counts], inputs)
        width = len(self.labels)
        cells = ids * width + places[rows]
        sums = np.zeros(len(words) * width, self.tally.number)
        np.add.at(sums, cells, weights)
        self.tally.add(words, sums.reshape(len(words), width))

    def _weights(self, inputs: Inputs, lengths: Array) -> tuple[Array, Array]:
        """The weight of each element, and of each row."""
        if not self.weighted:
            return np.ones(int(lengths.sum()), np.int64), np.ones(len(lengths), np.int64)
        given, own = inputs.lists(2)
        given = np.nan_to_num(given.astype(np.float64), nan=0.0)
        elements = np.nan_to_num(inputs.elements(2).astype(np.float64), nan=0.0)
        if np.array_equal(own, np.ones(len(lengths))):
            return elements, given
        rows = np.repeat(np.arange(len(lengths)), lengths)
        sums = np.bincount(rows, elements, minlength=len(lengths))
        return elements, sums / np.maximum(lengths, 1)

    def _know(self, labels: Array) -> None:
        """Makes room for labels."""
        union = np.union1d(self.labels, labels)
        if len(union) > len(self.labels):
            places = np.searchsorted(union, self.labels)
            totals = np.zeros(len(union), self.totals.dtype)
            totals[places] = self.totals
            self.tally.widen(len(union), places)
            self.labels, self.totals = union, totals

    def merge(self, other: Self) -> None:
        self._know(other.labels)
        places = np.searchsorted(self.labels, other.labels)
        self.totals[places] += other.totals
        sums = np.zeros((len(other.tally.tokens), len(self.labels)), self.tally.number)
        sums[:, places] = other.tally.sums
        self.tally.add(other.tally.tokens, sums)

    def parts(self) -> Parts:
        header, arrays = self.tally.parts()
        return header, {**arrays, "labels": self.labels, "totals": self.totals}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        self.tally.restore(header, arrays)
        self.labels, self.totals = np.asarray(arrays["labels"]), np.asarray(arrays["totals"])

    def arranged(self, attrs: Attrs) -> Vocabulary:
        """The vocabulary by mutual information, with all limits."""
        tokens, joint = self.tally.sorted()
        bits = information_of(
            joint.astype(np.float64),
            self.totals.astype(np.float64),
            adjusted=bool(attrs.get("use_adjusted_mutual_info")),
            min_diff_from_avg=attrs.get("min_diff_from_avg"),
        )
        return arrange(tokens, bits, attrs)


def _check_sets(dictionary: Any, ids: Array, rows: Array, inputs: Inputs) -> None:
    """Refuses a row in which a token comes twice: its counts would not be numbers of rows."""
    cells = rows.astype(np.int64) * max(1, len(dictionary)) + ids
    ordered = np.sort(cells)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(twice):
        return
    row, token = divmod(int(twice[0]), len(dictionary))
    try:
        where = describe_row(int(inputs.row_ids[row]))
    except TransformError:  # the data has no row ids
        where = f"row {row} of a block"
    raise TransformError(
        f"the token {dictionary[token].as_py()!r} comes twice in one row",
        where=where,
        hint="mutual information counts rows: give each row a set of tokens (tlt.deduplicate_tensor_per_row).",
    )

"""Sparse and weighted features: whether the columns that belong together are there together, and equally long.

A sparse feature is a value column with index columns, a weighted feature a value column with a weight column; a schema
declares them. Looked at is each entry (a row; inside a struct, a value of the struct) in which at least one of the
columns is present. Null has length 0, and so has a column that the data lack altogether; ``[]`` is present.
Source of the rules: TensorFlow Data Validation's sparse and weighted feature statistics.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from trueline._core.errors import EngineError
from trueline.data_validation.generators.base import Plan
from trueline.data_validation.generators.leaves import Entries, entries_at
from trueline.engine.base import AccumulatorSpec
from trueline.engine.state import pack_state, unpack_state

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

__all__ = ["CompositeLengths", "composite_plan"]

_KIND, _VERSION = "composite lengths", 1
Ints = npt.NDArray[np.int64]


class CompositeLengths:
    """The accumulator for all sparse and weighted features of a schema.

    Args:
        composites: ``{"kind": "sparse" | "weighted", "path": [...], "value": [...], "others": [[...], ...]}`` each,
            `others` being the paths of index columns, or of the one weight column.
    """

    def __init__(self, composites: Sequence[Mapping[str, Any]]) -> None:
        self._composites = composites
        self._counts = [_Counts(len(item["others"])) for item in composites]

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        for item, counts in zip(self._composites, self._counts, strict=True):
            found = [entries_at(batch, path) for path in (item["value"], *item["others"])]
            if any(entries is not None for entries in found):
                counts.update(*_aligned(found))

    def merge(self, other: Self) -> None:
        """Takes in the blocks that follow."""
        for mine, theirs in zip(self._counts, other._counts, strict=True):
            mine.merge(theirs)

    def state(self) -> bytes:
        """The state; `load` is its inverse."""
        return pack_state(_KIND, _VERSION, {}, {str(i): counts.table for i, counts in enumerate(self._counts)})

    @classmethod
    def load(cls, state: bytes, composites: Sequence[Mapping[str, Any]]) -> CompositeLengths:
        """The accumulator that gave this state.

        Raises:
            EngineError: for a damaged state, or one of other features.
        """
        _, _, arrays = unpack_state(state, _KIND, _VERSION)
        made = cls(composites)
        for number, counts in enumerate(made._counts):
            table = arrays.get(str(number))
            if not isinstance(table, np.ndarray) or table.shape != counts.table.shape:
                raise EngineError("the state is one of other sparse or weighted features")
            counts.table = table
        return made

    def finish(self) -> statistics_pb2.DatasetFeatureStatistics:
        """The partial statistics: one feature for each sparse or weighted feature, at its own path."""
        from tensorflow_metadata.proto.v0 import statistics_pb2

        dataset = statistics_pb2.DatasetFeatureStatistics()
        for item, counts in zip(self._composites, self._counts, strict=True):
            message = dataset.features.add()
            message.path.step.extend(item["path"])
            _FILLERS[item["kind"]](message, item, counts)
        return dataset


class _Counts:
    """A row for the value column, then one for each other: missing entries, seen entries, least and greatest diff."""

    def __init__(self, others: int) -> None:
        self.table = np.zeros((others + 1, 4), np.int64)

    def update(self, lengths: list[Ints], missing: list[npt.NDArray[np.bool_]]) -> None:
        used = ~np.logical_and.reduce(missing)
        seen = int(used.sum())
        if seen == 0:
            return
        fresh = np.zeros_like(self.table)
        for number, (length, gone) in enumerate(zip(lengths, missing, strict=True)):
            diff = (length - lengths[0])[used]
            fresh[number] = int(gone[used].sum()), seen, diff.min(), diff.max()
        self._add(fresh)

    def merge(self, other: _Counts) -> None:
        self._add(other.table)

    def _add(self, fresh: Ints) -> None:
        if fresh[0, 1] == 0:
            return
        if self.table[0, 1] == 0:
            self.table = fresh.copy()
            return
        self.table[:, :2] += fresh[:, :2]
        np.minimum(self.table[:, 2], fresh[:, 2], out=self.table[:, 2])
        np.maximum(self.table[:, 3], fresh[:, 3], out=self.table[:, 3])


def _aligned(found: Sequence[Entries | None]) -> tuple[list[Ints], list[npt.NDArray[np.bool_]]]:
    """Lengths and nulls of columns, entry by entry; row by row where the columns stand at different depths."""
    known = [entries for entries in found if entries is not None]
    same = all(np.array_equal(entries.rows, known[0].rows) for entries in known[1:])
    size = len(known[0].rows) if same else known[0].batch_rows
    lengths, missing = [], []
    for entries in found:
        if entries is None:
            lengths.append(np.zeros(size, np.int64))
            missing.append(np.ones(size, np.bool_))
        elif same:
            lengths.append(entries.lengths)
            missing.append(entries.missing)
        else:
            total = np.zeros(size, np.int64)
            np.add.at(total, entries.rows, entries.lengths)
            gone = np.ones(size, np.bool_)
            gone[entries.rows[~entries.missing]] = False
            lengths.append(total)
            missing.append(gone)
    return lengths, missing


def _fill_sparse(message: Any, item: Mapping[str, Any], counts: _Counts) -> None:
    message.custom_stats.add(name="missing_value", num=float(counts.table[0, 0]))
    for name, column in (("missing_index", 0), ("max_length_diff", 3), ("min_length_diff", 2)):
        histogram = message.custom_stats.add(name=name).rank_histogram
        histogram.SetInParent()
        for path, row in zip(item["others"], counts.table[1:], strict=True):
            histogram.buckets.add(label=path[-1], sample_count=float(row[column]))


def _fill_weighted(message: Any, item: Mapping[str, Any], counts: _Counts) -> None:
    value, weight = counts.table
    figures = (
        ("missing_weight", weight[0]),
        ("missing_value", value[0]),
        ("min_weight_length_diff", weight[2]),
        ("max_weight_length_diff", weight[3]),
    )
    for name, figure in figures:
        message.custom_stats.add(name=name, num=float(figure))


_FILLERS = {"sparse": _fill_sparse, "weighted": _fill_weighted}


def composite_plan(
    schema: schema_pb2.Schema, columns: Sequence[str], allowed: Sequence[str] | None = None
) -> Plan | None:
    """The accumulator of a schema's sparse and weighted features; None where it declares none.

    Args:
        schema: the schema; features in its structs count too.
        columns: the data's columns that may be read; others count as missing.
        allowed: the only columns to look at, None for all: what has a column outside them is left out, since that
            column would seem to be missing.
    """
    composites = [
        item
        for item in (*_sparse(schema, ()), *_weighted(schema))
        if allowed is None or all(path[0] in allowed for path in (item["value"], *item["others"]))
    ]
    if not composites:
        return None
    used = dict.fromkeys(path[0] for item in composites for path in (item["value"], *item["others"]))
    spec = AccumulatorSpec[Any](f"{__name__}:CompositeLengths", {"composites": composites})
    return spec, tuple(name for name in used if name in columns)


def _sparse(owner: Any, parent: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for sparse in owner.sparse_feature:
        yield {
            "kind": "sparse",
            "path": [*parent, sparse.name],
            "value": [*parent, sparse.value_feature.name],
            "others": [[*parent, index.name] for index in sparse.index_feature],
        }
    for feature in owner.feature:
        if feature.WhichOneof("domain_info") == "struct_domain":
            yield from _sparse(feature.struct_domain, (*parent, feature.name))


def _weighted(schema: schema_pb2.Schema) -> Iterator[dict[str, Any]]:
    for weighted in schema.weighted_feature:
        yield {
            "kind": "weighted",
            "path": [weighted.name],
            "value": list(weighted.feature.step),
            "others": [list(weighted.weight_feature.step)],
        }

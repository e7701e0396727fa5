"""Which rows a page shows: a sample by the hash of ``__row__``, the worst errors, the undecided, rows of slices.

One pass; what is held in memory does not grow with the rows, and what is chosen does not depend on blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ConfigError, DataError
from trueline._core.rowid import ROW_COLUMN
from trueline.model_analysis.datasets import features_read
from trueline.model_analysis.explain.losses import labels_of
from trueline.model_analysis.explain.outcome import label_columns
from trueline.model_analysis.explain.rows import check_columns, opened_rows
from trueline.model_analysis.explain.target import Floats, Target
from trueline.model_analysis.slices import SlicedBatch, slice_name, spec_columns

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline._core.runtime import ModelRuntime
    from trueline.model_analysis.config import SlicingSpec

__all__ = ["SAMPLE", "Picked", "Wanted", "pick_rows"]

SAMPLE = "sample"
WORST = "worst error"
NEAR = "near the decision"
_PIECE = 8192
_REFERENCE = 2000
_MOST_SLICES = 40
_PLACE = "__place__"


@dataclass(frozen=True)
class Wanted:
    """How many rows of which kind.

    Attributes:
        rows: of the sample.
        worst: with the greatest errors of the first model.
        near: of which the first model is the least sure.
        slices: whose rows are shown too.
        slice_rows: of each slice.
        columns: further columns that are needed.
        seed: of the hash.
    """

    rows: int
    worst: int
    near: int
    slices: Sequence[SlicingSpec]
    slice_rows: int
    columns: Sequence[str]
    seed: int


@dataclass(frozen=True, eq=False)
class Picked:
    """The rows in the order of the data, why each is shown, and a greater sample for ranges and spreads.

    Attributes:
        table: raw columns, ``__row__`` where the data have it.
        why: for each row its reasons.
        labels: true labels, places among the classes or numbers; NaN where there is none.
        places: where each row stands in the data, counted from 0.
        reference: up to 2,000 rows.
        total: rows that the data have.
    """

    table: pa.Table
    why: tuple[tuple[str, ...], ...]
    labels: Floats
    places: tuple[int, ...]
    reference: pa.Table
    total: int


class _Kept:
    """The rows with the least keys, of equal keys those with the least hash."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.table: pa.Table | None = None
        self._keys: Floats = np.zeros(0)
        self._hashes = np.zeros(0, np.uint64)

    def add(self, table: pa.Table, keys: Floats, hashes: npt.NDArray[np.uint64]) -> None:
        """Takes rows; those whose key is NaN are passed over."""
        import pyarrow as pa

        good = np.flatnonzero(~np.isnan(keys))
        if len(self._keys) == self.most and self.most:
            good = good[keys[good] <= self._keys.max()]
        if not self.most or not len(good):
            return
        part = table.take(pa.array(good))
        joined = part if self.table is None else pa.concat_tables([self.table, part])
        keys, hashes = np.concatenate([self._keys, keys[good]]), np.concatenate([self._hashes, hashes[good]])
        best = np.sort(np.lexsort((hashes, keys))[: self.most])
        self.table, self._keys, self._hashes = joined.take(pa.array(best)), keys[best], hashes[best]


def pick_rows(data: Any, targets: Sequence[Target], wanted: Wanted, threshold: float | None) -> Picked:
    """Chooses the rows.

    Args:
        data: raw rows in any form.
        targets: the models; errors and doubts are the first one's.
        wanted: how many of which kind.
        threshold: of the first model's second class, None for another kind of model.

    Raises:
        DataError: no rows, or columns that are not there.
        ConfigError: too many slices to be shown.
    """
    kept = {SAMPLE: _Kept(wanted.rows), WORST: _Kept(wanted.worst), NEAR: _Kept(wanted.near)}
    slices: dict[str, _Kept] = {}
    reference, total = _Kept(max(_REFERENCE, wanted.rows)), 0
    features = tuple({f.name: f for t in targets for f in t.features}.values())
    needed = [*(f.name for f in features), *wanted.columns, *spec_columns(wanted.slices)]
    with opened_rows(data, features, labels=features_read(targets[0].runtime)) as dataset:
        check_columns(dataset, needed)
        asked = {*needed, ROW_COLUMN, *label_columns(targets[0].runtime)}
        for batch in _pieces(dataset.batches([c for c in dataset.columns if c in asked])):
            table = _placed(batch, total)
            total += batch.num_rows
            hashes = _hashes(batch, [f.name for f in features], wanted.seed)
            nothing = np.zeros(len(hashes))
            kept[SAMPLE].add(table, nothing, hashes)
            reference.add(table, nothing, hashes)
            for name, keys in _scores(targets[0], batch, wanted, threshold).items():
                kept[name].add(table, keys, hashes)
            for name, rows in _slice_rows(batch, wanted.slices):
                part = slices.setdefault(name, _Kept(wanted.slice_rows))
                part.add(table.take(rows), nothing[rows], hashes[rows])
            if len(slices) > _MOST_SLICES:
                raise ConfigError(
                    f"the slices have more than {_MOST_SLICES} values: {', '.join(list(slices)[:3])}, ...",
                    hint="name values, as in SlicingSpec(feature_values={'city': 'Paris'}), or an expression.",
                )
    if not total or reference.table is None:
        raise DataError("the data have no rows")
    return _joined(targets[0].runtime, kept | slices, reference.table, total)


def _pieces(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for start in range(0, batch.num_rows, _PIECE):
            yield batch.slice(start, _PIECE)


def _placed(batch: pa.RecordBatch, first: int) -> pa.Table:
    import pyarrow as pa

    places = pa.array(np.arange(first, first + batch.num_rows))
    return pa.Table.from_batches([batch]).append_column(_PLACE, places)


def _hashes(batch: pa.RecordBatch, features: Sequence[str], seed: int) -> npt.NDArray[np.uint64]:
    from trueline._core.hash import hash_array, hash_rows

    if ROW_COLUMN in batch.schema.names:
        return hash_array(batch.column(ROW_COLUMN), seed)
    return hash_rows(batch, list(features), seed)


def _labels(runtime: ModelRuntime, table: pa.RecordBatch | pa.Table) -> Floats:
    """True labels; NaN for all where the data lack their columns."""
    columns = label_columns(runtime)
    if not columns or any(c not in table.schema.names for c in columns):
        return np.full(table.num_rows, np.nan)
    return labels_of(runtime, table)[0]


def _scores(target: Target, batch: pa.RecordBatch, wanted: Wanted, threshold: float | None) -> dict[str, Floats]:
    """Keys of the rows by kind: the least are kept."""
    if not (wanted.worst or wanted.near):
        return {}
    outputs, runtime = target.runtime.predict_arrow(batch), target.runtime
    labels, rows = _labels(runtime, batch), np.arange(batch.num_rows)
    if runtime.classes is None:
        said = target.of(outputs)[:, 0]
        return {WORST: -np.abs(said - labels)}
    p = outputs["probabilities"].astype(np.float64)
    true = p[rows, np.where(np.isnan(labels), 0, labels).astype(int)]
    worst = np.where(np.isnan(labels), np.nan, true)
    ordered = np.sort(p, axis=1)
    gap = np.abs(p[:, 1] - threshold) if threshold is not None else ordered[:, -1] - ordered[:, -2]
    return {WORST: worst, NEAR: gap}


def _slice_rows(batch: pa.RecordBatch, specs: Sequence[SlicingSpec]) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
    if not specs:
        return
    for grouping in SlicedBatch(batch, specs).groupings():
        for code, key in enumerate(grouping.keys):
            yield slice_name(key), grouping.rows[grouping.codes == code]


def _joined(runtime: ModelRuntime, kept: Mapping[str, _Kept], reference: pa.Table, total: int) -> Picked:
    """All rows once each, in the order of the data."""
    import pyarrow as pa

    why: dict[int, list[str]] = {}
    tables = []
    for name, part in kept.items():
        if part.table is not None:
            tables.append(part.table)
            for place in part.table.column(_PLACE).to_pylist():
                why.setdefault(place, []).append(name)
    table = pa.concat_tables(tables)
    _, first = np.unique(table.column(_PLACE).to_numpy(), return_index=True)
    table = table.take(pa.array(first)).combine_chunks()
    places = tuple(table.column(_PLACE).to_pylist())
    table = table.drop_columns([_PLACE])
    return Picked(
        table,
        tuple(tuple(why[p]) for p in places),
        _labels(runtime, table),
        places,
        reference.drop_columns([_PLACE]).combine_chunks(),
        total,
    )

"""Raw rows for explanations: any form of data as blocks, samples by the hash of ``__row__``, and made-up rows.

A `Pool` holds real rows in the form that the graph takes. A made-up row takes each of its features from some row of the
pool: all that Shapley values, dependence, surrogates and counterfactuals ask of a model is a matrix of row numbers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import DataError, did_you_mean
from trueline._core.rowid import ROW_COLUMN
from trueline.model_analysis.explain.target import Floats, Target
from trueline.models.model_data import as_table, frame_library

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline._core.values import RawFeature
    from trueline.engine.base import Dataset

__all__ = ["Ints", "Pool", "check_columns", "check_features", "opened_rows", "row_numbers", "sample_rows", "shuffled"]

Ints = npt.NDArray[np.int64]
_CHUNK = 8192


@contextlib.contextmanager
def opened_rows(
    data: Any, features: Sequence[RawFeature], more: Sequence[str] = (), labels: Sequence[RawFeature] = ()
) -> Iterator[Dataset]:
    """Any form of data as a dataset of blocks; rows in memory get the numbers ``__row__`` where they have none.

    Args:
        data: the rows.
        features: the model's; columns of a DataFrame take their types where pandas alone has changed them.
        more: names of further columns that rows as dicts may have.
        labels: what labels and weights are made of; typed as `features` are.

    Raises:
        DataError: rows as dicts that name what is neither a feature nor one of `more`.
        FeedError: floats of a DataFrame that are no whole numbers where a feature is an integer.
    """
    from trueline._core.rowid import row_ids
    from trueline.engine.base import Dataset
    from trueline.transform.datasets import _NUMBERED as NUMBERED
    from trueline.transform.datasets import opened
    from trueline.transform.frames import frame_table

    if isinstance(data, dict) or (isinstance(data, list) and all(isinstance(r, dict) for r in data)):
        data = _from_python(data, features, more)
    elif frame_library(data) is not None:
        data = frame_table(data, [*labels, *features])
    with opened(data) as dataset:
        blocks = dataset.blocks
        if ROW_COLUMN not in dataset.columns and all(b.table is not None for b in blocks):
            import pyarrow as pa

            batches = [batch for batch in dataset.batches() if batch.num_rows]
            table = pa.Table.from_batches(batches, dataset.arrow_schema)
            table = table.append_column(ROW_COLUMN, row_ids(0, 0, table.num_rows))
            made = Dataset.from_table(table)
            dataset = replace(made, arrow_schema=made.arrow_schema.with_metadata({NUMBERED: b"1"}))
        yield dataset


def _from_python(data: Any, features: Sequence[RawFeature], more: Sequence[str]) -> pa.Table:
    """Rows or columns of Python values as a table; features in the signature's types."""
    import pyarrow as pa

    rows = (
        data if isinstance(data, list) else [dict(zip(data, v, strict=True)) for v in zip(*data.values(), strict=True)]
    )
    names = list(dict.fromkeys(n for row in rows for n in row))
    known = [f.name for f in features]
    if unknown := [n for n in names if n not in {*known, *more, ROW_COLUMN}]:
        raise DataError(f"the model has no feature {unknown[0]!r}", hint=did_you_mean(unknown[0], known))
    table = as_table([{n: row.get(n) for n in known} for row in rows], features)
    for name in (n for n in names if n not in known):
        table = table.append_column(name, pa.array([row.get(name) for row in rows]))
    return table


def check_columns(dataset: Dataset, needed: Sequence[str], what: str = "the data") -> None:
    """Refuses data that lacks columns.

    Raises:
        DataError: naming each of them.
    """
    shown = [c for c in dataset.columns if not c.startswith("__")]
    absent = [n for n in dict.fromkeys(needed) if n not in dataset.columns]
    if absent:
        problems = [f"no column {n!r}. {did_you_mean(n, shown)}" for n in absent]
        raise DataError(f"{what} lacks columns that the explanation needs", problems=problems)


def check_features(target: Target, names: Sequence[str], what: str = "feature") -> list[int]:
    """Where features stand among the raw ones.

    Raises:
        DataError: a name that is no raw feature of the model.
    """
    known = list(target.feature_names)
    problems = [f"no {what} {n!r}. {did_you_mean(str(n), known)}" for n in names if n not in known]
    if problems:
        raise DataError("the model has other raw features", where=target.runtime.uri, problems=problems)
    return [known.index(n) for n in names]


def row_numbers(batch: pa.RecordBatch | pa.Table) -> list[int | None]:
    """The ``__row__`` of each row; None where there is none."""
    if ROW_COLUMN not in batch.schema.names:
        return [None] * int(batch.num_rows)
    found: list[int | None] = batch.column(ROW_COLUMN).to_pylist()
    return found


def _hashes(batch: pa.RecordBatch | pa.Table, features: Sequence[str], seed: int) -> npt.NDArray[np.uint64]:
    from trueline._core.hash import hash_array, hash_rows

    if ROW_COLUMN in batch.schema.names:
        return hash_array(batch.column(ROW_COLUMN), seed)
    return hash_rows(batch, [n for n in features if n in batch.schema.names], seed)


def shuffled(batch: pa.RecordBatch | pa.Table, features: Sequence[str], seed: int) -> Ints:
    """A permutation of the rows of a block: row ``i`` takes the place of row ``shuffled[i]``.

    The rows in the order of one hash of ``__row__`` take the values of the rows in the order of another: every
    permutation is equally likely, and the order of rows within the block does not matter.
    """
    mine = np.argsort(_hashes(batch, features, 2 * seed), kind="stable")
    theirs = np.argsort(_hashes(batch, features, 2 * seed + 1), kind="stable")
    out = np.empty(len(mine), np.int64)
    out[mine] = theirs
    return out


def sample_rows(
    data: Any,
    target: Target,
    rows: int | None,
    seed: int,
    more: Sequence[str] = (),
    what: str = "the data",
    *,
    own_numbers: bool = False,
) -> pa.Table:
    """At most so many rows, those with the least hash of ``__row__``, in the order of the data.

    The sample is held in memory, the data are not; which rows are taken does not depend on blocks or their order.
    With `own_numbers`, ``__row__`` is there only where it is the data's own.

    Raises:
        DataError: no rows, or columns that are not there.
    """
    import pyarrow as pa

    from trueline.transform.datasets import has_own_rows

    names = list(target.feature_names)
    with opened_rows(data, target.features, more) as dataset:
        check_columns(dataset, [*names, *more], what)
        own = has_own_rows(dataset)
        columns = [c for c in dataset.columns if c in {*names, *more, ROW_COLUMN}]
        kept, keys = None, np.zeros(0, np.uint64)
        for batch in dataset.batches(columns):
            if not batch.num_rows:
                continue
            part = pa.Table.from_batches([batch])
            kept = part if kept is None else pa.concat_tables([kept, part])
            keys = np.concatenate([keys, _hashes(batch, names, seed)])
            if rows is not None and len(keys) > rows:
                best = np.sort(np.argsort(keys, kind="stable")[:rows])
                kept, keys = kept.take(best), keys[best]
    if kept is None:
        raise DataError(f"{what} has no rows")
    if own_numbers and not own and ROW_COLUMN in kept.column_names:
        kept = kept.drop_columns([ROW_COLUMN])
    return kept.combine_chunks()


class Pool:
    """Real rows from which made-up rows take their features.

    Args:
        target: what the model is asked for.
        table: the rows; further columns are ignored.
    """

    def __init__(self, target: Target, table: pa.Table) -> None:
        self.target = target
        self.table = as_table(table, target.features)
        graph = target.runtime.graph
        # Host steps read rows as Arrow: then each made-up table is made for them.
        self._arrays = None if graph.steps else graph.arrays_from_arrow(self.table)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def made(self, places: Ints) -> pa.Table:
        """The made-up rows: feature f of row m is that of row ``places[m, f]`` of the pool."""
        import pyarrow as pa

        names = self.target.feature_names
        return pa.table({n: self.table.column(n).take(pa.array(places[:, j])) for j, n in enumerate(names)})

    def scores(self, places: Ints) -> Floats:
        """The model's values ``[M, K]`` for made-up rows ``[M, F]``; see `made`."""
        starts = range(0, max(len(places), 1), _CHUNK)
        return np.concatenate([self._scores(places[s : s + _CHUNK]) for s in starts])

    def outputs(self, places: Ints) -> dict[str, npt.NDArray[Any]]:
        """The model's outputs for some thousand made-up rows at most."""
        runtime = self.target.runtime
        if self._arrays is None:
            return runtime.predict_arrow(self.made(places))
        of = {n: j for j, n in enumerate(self.target.feature_names)}
        # ``name``, ``name:present`` and ``name:length`` belong together.
        column = {n: of[n] if n in of else of[n.rpartition(":")[0]] for n in self._arrays}
        return runtime.graph.run({n: np.take(a, places[:, column[n]], axis=0) for n, a in self._arrays.items()})

    def _scores(self, places: Ints) -> Floats:
        return self.target.of(self.outputs(places))

"""Rows that are queries: the documents of a query stand together, in several blocks if need be, and count as one.

A query stands in every slice that one of its documents stands in, and is measured on all its documents (TFMA's rule).
Its noise group is the hash of its key. The rows of a query must follow each other; the first and the last query of
what has been read stay open, for they may go on in the block before or after. Their rows alone are kept, and the key
of every query, to find one whose rows lie apart. With `EvalOptions.hold_queries` all rows are kept instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from trueline._core.errors import DataError
from trueline.model_analysis.noise import ROW_COLUMN
from trueline.model_analysis.plan import EvalPlan
from trueline.model_analysis.rows import Ints
from trueline.model_analysis.slices import spec_columns
from trueline.model_analysis.views import BatchData, OutputData

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["QueryRuns", "data_of"]

_OWN = "__query__:"
"""Before the names of the columns that hold labels, weights and predictions."""


class QueryRuns:
    """Finds whole queries in rows that come block by block.

    Args:
        plan: what is measured.
        key: the column whose equal values are one query.
    """

    def __init__(self, plan: EvalPlan, key: str) -> None:
        self._plan, self.key = plan, key
        self._hold = plan.config.options.hold_queries
        self._head: pa.Table | None = None  # the first query, open to the left; all rows where they are held
        self._tail: pa.Table | None = None  # the last query where it is another than the first, open to the right
        self._keys: list[pa.Array] = []  # of whole queries

    def add(self, data: BatchData) -> pa.Table | None:
        """Takes in a block and gives the rows of the queries that are whole by it, in their order."""
        rows = table_of(self._plan, data, self.key)
        if self._hold:
            self._head = _joined(self._head, rows)
            return None
        starts = _starts(rows, self.key)
        if len(starts) == 1:
            return self._append(rows, None, None)
        last = int(starts[-1])
        middle = rows.slice(int(starts[1]), last - int(starts[1])) if len(starts) > 2 else None
        return self._append(rows.slice(0, int(starts[1])), middle, rows.slice(last))

    def _append(self, first: pa.Table, middle: pa.Table | None, tail: pa.Table | None) -> pa.Table | None:
        """Follows what is open by a run, whole queries, and an open run."""
        whole: list[pa.Table] = []
        if self._head is None:
            self._head = first
        elif self._tail is None and _key(self._head, self.key) == _key(first, self.key):
            self._head = _joined(self._head, first)
        elif self._tail is not None and _key(self._tail, self.key) == _key(first, self.key):
            self._tail = _joined(self._tail, first)
        else:
            whole += [self._tail] if self._tail is not None else []
            self._tail = first
        if tail is not None:
            whole += [self._tail] if self._tail is not None else []
            whole += [middle] if middle is not None else []
            self._tail = tail
        return self._closed(whole)

    def merge(self, other: Self) -> pa.Table | None:
        """Takes in the state of the blocks that follow, and gives the queries that are whole by it."""
        self._keys += other._keys
        if other._head is None:
            return None
        if self._hold:
            self._head = _joined(self._head, other._head)
            return None
        return self._append(other._head, None, other._tail)

    def close(self) -> Iterator[pa.Table]:
        """The queries that are still open, when nothing follows.

        Raises:
            DataError: a query whose rows lie apart.
        """
        if self._hold and self._head is not None:
            yield self._sorted(self._head)
        elif not self._hold:
            found = self._closed([part for part in (self._head, self._tail) if part is not None])
            if found is not None:
                self._check()
                yield found
        self._head = self._tail = None

    def _sorted(self, rows: pa.Table) -> pa.Table:
        return rows.take(np.argsort(_codes(rows, self.key), kind="stable"))

    def _closed(self, whole: Sequence[pa.Table]) -> pa.Table | None:
        if not whole:
            return None
        found = _joined(*whole)
        self._keys.append(found[self.key].combine_chunks().take(_starts(found, self.key)))
        return found

    def _check(self) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        counts = pc.value_counts(pa.chunked_array(_flat(self._keys)))
        apart = [entry["values"] for entry in counts.filter(pc.greater(counts.field("counts"), 1)).to_pylist()]
        if apart:
            raise DataError(
                f"the rows of {len(apart)} queries of column {self.key!r} lie apart, e.g. those of {apart[0]!r}",
                hint="sort the data by query, or set EvalOptions(hold_queries=True), which keeps all rows in memory.",
            )

    def state(self) -> bytes:
        """What is open, and the keys, as an Arrow stream each after its length."""
        import pyarrow as pa

        keys = pa.table({self.key: pa.chunked_array(_flat(self._keys))}) if self._keys else None
        return b"".join(_stream(part) for part in (self._head, self._tail, keys))

    def restore(self, state: bytes) -> None:
        """Takes back what `state` gave."""
        self._head, self._tail, keys = _unstreamed(state)
        self._keys = [] if keys is None else list(keys[self.key].chunks)


def table_of(plan: EvalPlan, data: BatchData, key: str) -> pa.Table:
    """The rows with what is needed to measure them later, alone.

    Raises:
        DataError: rows without a query.
    """
    import pyarrow as pa

    batch = data.batch
    at = batch.schema.get_field_index(key)
    if at < 0 or batch.column(at).null_count:
        missing = batch.num_rows if at < 0 else batch.column(at).null_count
        raise DataError(f"{missing} rows have no query in column {key!r}", hint="leave them out, or fill the column.")
    wanted = dict.fromkeys([key, *spec_columns(plan.config.slices), *plan.columns, ROW_COLUMN])
    columns: dict[str, Any] = {name: _plain(batch.column(name)) for name in wanted if name in batch.schema.names}
    for place, output in enumerate(plan.outputs):
        for name, values in _arrays(data.outputs[output], plan.models).items():
            columns[f"{_OWN}{place}:{name}"] = pa.array(np.asarray(values).reshape(batch.num_rows))
    return pa.table(columns)


def _arrays(output: OutputData, models: Sequence[str]) -> dict[str, Any]:
    given = {"label": np.asarray(output.labels, dtype=np.float64)}
    if output.weights is not None:
        given["weight"] = np.asarray(output.weights, dtype=np.float64)
    if output.present is not None:
        given["present"] = np.asarray(output.present, dtype=bool)
    return given | {f"prediction:{m}": np.asarray(output.predictions[m], dtype=np.float64) for m in models}


def data_of(plan: EvalPlan, rows: pa.Table) -> BatchData:
    """The batch that `table_of` was made of."""
    batch = rows.combine_chunks().to_batches()[0]
    outputs = {}
    for place, output in enumerate(plan.outputs):
        prefix = f"{_OWN}{place}:"
        found: Mapping[str, Any] = {
            name.removeprefix(prefix): batch.column(name).to_numpy(zero_copy_only=False)
            for name in batch.schema.names
            if name.startswith(prefix)
        }
        predictions = {m: found[f"prediction:{m}"] for m in plan.models}
        outputs[output] = OutputData(found["label"], predictions, found.get("weight"), found.get("present"))
    return BatchData(batch, outputs)


def _plain(column: Any) -> Any:
    """Without a dictionary: blocks may have different ones."""
    import pyarrow as pa

    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _joined(*parts: pa.Table | None) -> pa.Table:
    import pyarrow as pa

    return pa.concat_tables([part for part in parts if part is not None])


def _starts(rows: pa.Table, key: str) -> Ints:
    """Where another query begins."""
    return np.flatnonzero(np.concatenate([[True], np.diff(_codes(rows, key)) != 0])).astype(np.int64)


def _codes(rows: pa.Table, key: str) -> Ints:
    """The queries of rows as numbers, in the order of their first rows."""
    indices = rows[key].combine_chunks().dictionary_encode().indices
    codes: Ints = indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes


def _key(rows: pa.Table, key: str) -> Any:
    return rows[key][0].as_py()


def _flat(parts: Sequence[Any]) -> list[Any]:
    return [chunk for part in parts for chunk in getattr(part, "chunks", [part])]


def _stream(part: pa.Table | None) -> bytes:
    if part is None:
        return (0).to_bytes(8, "little")
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, part.schema) as writer:
        writer.write_table(part.combine_chunks())
    data: bytes = sink.getvalue().to_pybytes()
    return len(data).to_bytes(8, "little") + data


def _unstreamed(state: bytes) -> list[Any]:
    import pyarrow as pa

    found: list[Any] = []
    at = 0
    while at < len(state):
        size = int.from_bytes(state[at : at + 8], "little")
        found.append(pa.ipc.open_stream(state[at + 8 : at + 8 + size]).read_all() if size else None)
        at += 8 + size
    return found

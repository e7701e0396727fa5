"""One block predicted and written: the job that the engine hands to its workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import DataError, FeedError
from trueline._core.model_files import read_graph
from trueline._core.python_model import PythonPart
from trueline._core.rowid import ROW_COLUMN, describe_row, split_row_ids
from trueline._core.runtime import ModelRuntime
from trueline.engine.base import Block
from trueline.models.bulk_graph import BulkGraph

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BulkModel", "arrow_output", "load_bulk", "predict_block"]

_SHOWN = 10


@dataclass(frozen=True)
class BulkModel:
    """A model as workers hold it: its runtime, and the graph for many rows."""

    runtime: ModelRuntime
    graph: BulkGraph

    def run(self, rows: pa.RecordBatch) -> dict[str, npt.NDArray[Any]]:
        """The model's outputs for raw rows."""
        given: pa.RecordBatch | pa.Table = rows
        if self.runtime.steps:
            from trueline._core.host_arrow import with_host_columns

            given = with_host_columns(rows, self.runtime.steps)
        made = self.graph.run(given)
        return made if self.runtime.python is None else PythonPart(self.runtime.python)(made)


@lru_cache(maxsize=2)
def load_bulk(uri: str, fingerprint: str, allow_host: tuple[str, ...] | None) -> BulkModel:
    """The model, loaded once in a process; another fingerprint at the same place is another model."""
    runtime = ModelRuntime.load(uri, allow_host=allow_host)
    graph = BulkGraph(read_graph(uri, "model.onnx"), runtime.graph.feeds, runtime.providers)
    return BulkModel(runtime, graph)


def predict_block(
    block: Block,
    *,
    model_uri: str,
    fingerprint: str,
    allow_host: Sequence[str] | None,
    uri: str,
    folder: str,
    columns: Sequence[Sequence[str]],
    reads: Sequence[str],
    starts: Mapping[str, int],
    sources: Sequence[str],
) -> list[Any]:
    """Predicts a block into ``<folder>/part-<block number>.parquet`` of one row group.

    The file gets its name only when it is whole, so an attempt that dies leaves nothing that a reader could take.

    Args:
        block: the raw rows.
        model_uri: the model's folder.
        fingerprint: the model's.
        allow_host: modules whose host steps may run; None allows all.
        uri: the folder of the result.
        folder: the split's folder in it.
        columns: ``[name, "model" | "data", name there]`` of each column of the result.
        reads: the columns of the data that are needed.
        starts: how many rows of the split come before a block, by its number; empty where rows have ids.
        sources: names of what the row ids count, if there are any.

    Returns:
        The file's name below `uri`, and its rows.

    Raises:
        DataError: rows without a value that the model requires, by name.
    """
    import pyarrow as pa

    from trueline.data.writer import PartWriter

    model = load_bulk(model_uri, fingerprint, None if allow_host is None else tuple(allow_host))
    batch = block.read(list(reads), model.graph.text)
    try:
        outputs = model.run(batch)
    except FeedError as error:
        raise _with_rows(error, batch, model.runtime, starts.get(str(block.number), 0), list(sources)) from error
    described = {o["name"]: o for o in model.runtime.outputs}
    arrays = [
        arrow_output(described[there], outputs[there]) if origin == "model" else _plain(batch.column(there))
        for _, origin, there in columns
    ]
    made = pa.RecordBatch.from_arrays(arrays, [name for name, _, _ in columns])
    name = f"{folder}/part-{block.number:05d}.parquet"
    with PartWriter(uri, name, made.schema, max(made.num_rows, 1)) as writer:
        writer.write_block(made)
    return [name, made.num_rows]


def _plain(column: pa.Array) -> pa.Array:
    import pyarrow as pa

    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def arrow_output(described: dict[str, Any], values: npt.NDArray[Any]) -> pa.Array:
    """A model's output as an Arrow array; several numbers a row as a list of that size."""
    import pyarrow as pa

    if values.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(-1)), values.shape[1])
    return pa.array(values, pa.string() if described["dtype"] == "utf8" else None)


def _with_rows(
    error: FeedError, batch: pa.RecordBatch, runtime: ModelRuntime, start: int, sources: list[str]
) -> DataError:
    """The error with the names of the rows that lack something; the problems as they are where none lacks anything."""
    problems: list[str] = []
    total = 0
    for feature in runtime.inputs:
        if feature.optional or feature.name not in batch.schema.names:
            continue
        column = batch.column(feature.name)
        if not column.null_count:
            continue
        places = np.flatnonzero(np.asarray(column.is_null()))
        total += len(places)
        problems += [
            f"{_row_name(batch, int(p), start, sources)}: {feature.name!r} is missing" for p in places[:_SHOWN]
        ]
    if not problems:
        return DataError("rows do not fit the model", problems=error.problems, hint=error.hint)
    return DataError(
        f"the model requires values that {total} rows of this block lack",
        problems=problems[:_SHOWN],
        hint="fill them in, or leave these rows out; the model was trained on columns that are never missing.",
    )


def _row_name(batch: pa.RecordBatch, place: int, start: int, sources: list[str]) -> str:
    if ROW_COLUMN not in batch.schema.names:
        return f"row {start + place + 1}"
    row = batch.column(ROW_COLUMN)[place].as_py()
    source, record = (int(part) for part in split_row_ids(row))
    return describe_row(row, sources or None) if sources or source else f"record {record + 1}"

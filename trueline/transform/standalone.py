"""The transform without a pipeline: from a table, a dataset or files to features and a graph, in one call."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ArtifactError
from trueline._core.rowid import ROW_COLUMN
from trueline._core.values import RawFeature
from trueline.engine.base import Dataset, Engine
from trueline.transform.analysis import analyze
from trueline.transform.analyzers import analyzer
from trueline.transform.datasets import has_own_rows, opened
from trueline.transform.folds import is_fold
from trueline.transform.graph import Graph
from trueline.transform.output import TransformOutput
from trueline.transform.tracer import trace

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2

__all__ = ["analyze_and_transform", "get_analyze_input_columns", "get_transform_input_columns", "transform_to_parquet"]

Preprocessing = Callable[[Any], Mapping[str, Any]]


def analyze_and_transform(
    data: Any,
    preprocessing_fn: Preprocessing,
    schema: schema_pb2.Schema | None = None,
    profile: str | None = None,
    *,
    engine: Engine | None = None,
) -> tuple[pa.Table, TransformOutput]:
    """Traces, analyses and transforms in one step, without a pipeline.

    Args:
        data: an Arrow table, a DataFrame of pandas or polars, a `Dataset`, a `pyarrow.dataset`, the path of a Parquet,
            CSV, TSV, JSONL, Avro or TFRecord file, a folder of Parquet files, Examples of a pipeline, or a
            `trueline.data.SourceSpec` where a source needs options.
        preprocessing_fn: the user's function.
        schema: says which columns are always there; without it every column may be missing.
        profile: where the graph must be able to run, see `trace`.
        engine: who runs the passes; this machine's threads by default.

    Returns:
        The transformed table, as the training split is transformed, and the analysed graph. ``__row__`` stands first
        where the data has that column itself.

    Raises:
        TransformError: in the user's function, at its line.
        ConfigError, DataError: data of no known kind, or that cannot be read.
    """
    import pyarrow as pa

    from trueline.schema import usable_features

    with opened(data) as dataset:
        features, refused = usable_features(dataset.arrow_schema, schema)
        graph = trace(preprocessing_fn, features, profile=profile, refused=refused)
        own = has_own_rows(dataset)
        if ROW_COLUMN not in dataset.columns and _needs_rows(graph):
            dataset = _numbered(dataset)
        output = analyze(graph, dataset, engine)
        made = [output.transform(batch, training=True) for batch in dataset.batches(None, output.coded_columns)]
        table = pa.Table.from_batches(made, output.arrow_schema(row_id=ROW_COLUMN in dataset.columns))
        return table if own or ROW_COLUMN not in table.schema.names else table.drop_columns([ROW_COLUMN]), output


def _needs_rows(graph: Graph) -> bool:
    """Whether something in the graph asks which row is which: out-of-fold values do."""
    return any(is_fold(name) for name in graph.input_names(range(len(graph.nodes)))) or any(
        analyzer(node.op).rows for node in graph.nodes if node.is_analyzer
    )


def _numbered(dataset: Dataset) -> Dataset:
    """A table's rows with numbers from 0 as ``__row__``; files must bring numbers that a later reading knows too."""
    import numpy as np
    import pyarrow as pa

    tables = [block.table for block in dataset.blocks]
    if not tables or any(table is None for table in tables):
        return dataset
    whole = pa.concat_tables([t for t in tables if t is not None])
    return Dataset.from_table(whole.append_column(ROW_COLUMN, pa.array(np.arange(whole.num_rows))))


def transform_to_parquet(
    output: TransformOutput, data: Any, path: str, *, training: bool = False, workers: int = 1
) -> int:
    """Transforms data of any size into one Parquet file, block by block, in their order.

    Args:
        output: an analysed graph.
        data: as `analyze_and_transform` takes it.
        path: the file to write; it gets its name only when it is whole.
        training: whether these are the rows that the graph was analysed on, see `TransformOutput.transform`.
        workers: threads; the file does not depend on it. Each holds one block.

    Returns:
        How many rows were written.
    """
    import os
    from pathlib import Path

    import pyarrow.parquet as pq

    with opened(data) as dataset:
        part, rows = f"{path}.part-{os.getpid()}", 0
        try:
            own = has_own_rows(dataset)
            with pq.ParquetWriter(part, output.arrow_schema(row_id=own)) as writer:
                batches = dataset.batches(None, output.coded_columns)
                for made in _in_order(lambda b: output.transform(b, training=training), batches, workers):
                    hidden = not own and ROW_COLUMN in made.schema.names
                    writer.write_batch(made.drop_columns([ROW_COLUMN]) if hidden else made)
                    rows += made.num_rows
            Path(part).replace(path)
        except OSError as error:
            raise ArtifactError(
                f"the file cannot be written: {error.strerror or error}",
                where=path,
                hint="nothing stands under its name; give it a folder that is there and has room, and run again.",
            ) from error
        finally:
            Path(part).unlink(missing_ok=True)
    return rows


def _in_order(function: Callable[[Any], Any], items: Iterator[Any], workers: int) -> Iterator[Any]:
    """The function's results in the order of the items, a few of which are worked on at once."""
    if workers <= 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Any]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def get_analyze_input_columns(preprocessing_fn: Preprocessing, features: Sequence[RawFeature]) -> list[str]:
    """The raw columns that the analyzers of a function read, sorted."""
    graph = trace(preprocessing_fn, features)
    reached = graph.reachable([i for _, i in graph.outputs], through_analyzers=True)
    read = [i for n in reached if graph.nodes[n].is_analyzer for i in graph.nodes[n].inputs]
    return sorted(graph.raw_names(graph.input_names(read, through_analyzers=True)))


def get_transform_input_columns(preprocessing_fn: Preprocessing, features: Sequence[RawFeature]) -> list[str]:
    """The raw columns that a row's outputs are computed from, sorted; those that analyzers alone read are not in it."""
    graph = trace(preprocessing_fn, features)
    return sorted(graph.raw_names(graph.input_names(i for _, i in graph.outputs)))

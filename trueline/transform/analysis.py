"""From a traced graph to a `TransformOutput`: runs the analyzers' passes over a dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from trueline._core.errors import TransformError
from trueline._core.values import widen
from trueline.engine.base import Dataset, Engine
from trueline.transform.graph import Graph
from trueline.transform.output import TransformOutput
from trueline.transform.phases import find
from trueline.transform.tracer import trace

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2

__all__ = ["analyze", "analyze_and_transform"]


def analyze(graph: Graph, dataset: Dataset, engine: Engine | None = None) -> TransformOutput:
    """Finds the analyzers' constants: one pass over the data for each phase.

    Args:
        graph: what `trace` gave.
        dataset: the data to learn from.
        engine: who runs the passes; this machine's threads by default.

    Raises:
        TransformError: when the dataset lacks a column that an analyzer reads.
        EngineError: when a pass fails.
    """
    read = [i for n in graph.nodes if n.is_analyzer for i in n.inputs]
    needed = graph.raw_names(graph.input_names(read, through_analyzers=True))
    absent = sorted(needed - set(dataset.columns))
    if absent:
        raise TransformError(
            f"the dataset lacks columns that analyzers read: {', '.join(absent)}",
            hint=f"it has: {', '.join(dataset.columns)}.",
        )
    if engine is None:
        from trueline.engine import default_engine

        engine = default_engine()
    return TransformOutput(graph, find(graph, dataset, engine))


def analyze_and_transform(
    data: pa.Table | Dataset,
    preprocessing_fn: Callable[[Any], Mapping[str, Any]],
    schema: schema_pb2.Schema | None = None,
    engine: Engine | None = None,
) -> tuple[pa.Table, TransformOutput]:
    """Traces, analyses and transforms in one step, without a pipeline.

    Args:
        data: a table, or a dataset.
        preprocessing_fn: the user's function.
        schema: says which columns are always there; without it every column may be missing.
        engine: who runs the passes.

    Returns:
        The transformed table and the analysed graph.
    """
    import pyarrow as pa

    from trueline.schema import raw_features

    dataset = data
    if not isinstance(dataset, Dataset):
        batches = [widen(b) for b in dataset.to_batches()]
        empty = widen(pa.RecordBatch.from_pylist([], schema=dataset.schema))
        dataset = Dataset.from_table(pa.Table.from_batches(batches, empty.schema))
    output = analyze(trace(preprocessing_fn, raw_features(dataset.arrow_schema, schema)), dataset, engine)
    transformed = [output.transform(batch) for batch in dataset.batches()]
    row = "__row__" in dataset.columns
    return pa.Table.from_batches(transformed, output.arrow_schema(row_id=row)), output

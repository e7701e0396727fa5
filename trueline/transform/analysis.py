"""From a traced graph to a `TransformOutput`: runs the analyzers' passes over a dataset."""

from __future__ import annotations

from trueline._core.errors import TransformError
from trueline.engine.base import Dataset, Engine
from trueline.transform.graph import Graph
from trueline.transform.output import TransformOutput
from trueline.transform.phases import find

__all__ = ["analyze"]


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

"""From a traced graph to a `TransformOutput`: runs the analyzers' passes over a dataset, or over one per span."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from trueline._core.errors import SchemaError, TransformError
from trueline._core.values import arrow_type_of, raw_feature_of, widened_type
from trueline.engine.base import Dataset, Engine
from trueline.transform.cache import AnalyzerCache
from trueline.transform.graph import Graph
from trueline.transform.output import TransformOutput
from trueline.transform.phases import Spans, find

__all__ = ["analyze"]


def analyze(
    graph: Graph,
    dataset: Dataset | Sequence[Dataset] | Mapping[str, Dataset | None],
    engine: Engine | None = None,
    cache: AnalyzerCache | None = None,
) -> TransformOutput:
    """Finds the analyzers' constants: one pass over each dataset for each phase.

    Args:
        graph: what `trace` gave.
        dataset: the data to learn from. Several, one per span, give one state each, merged in their order: the result
            has the same bits with and without a cache. By key they can be cached; None instead of a dataset means
            that its states must be in the cache.
        engine: who runs the passes; this machine's threads by default.
        cache: states of datasets that were analysed before. A dataset whose states of a phase it holds is not read in
            that phase. The second and later phases depend on what the first found in all datasets: where a new
            span changes that, all of them are read there, as in TensorFlow Transform.

    Raises:
        TransformError: no dataset at all, one that lacks a column that an analyzer reads, a cache without keys,
            or a dataset that is neither given nor cached.
        EngineError: when a pass fails.
    """
    spans = _spans(dataset, cache)
    read = [i for n in graph.nodes if n.is_analyzer for i in n.inputs]
    needed = graph.raw_names(graph.input_names(read, through_analyzers=True))
    for key, one in spans.items():
        absent = sorted(needed - set(one.columns)) if one is not None else []
        if one is not None and absent:
            raise TransformError(
                f"the dataset{f' {key!r}' if len(spans) > 1 else ''} lacks columns that analyzers read: "
                f"{', '.join(absent)}",
                hint=f"it has: {', '.join(one.columns)}.",
            )
        if one is not None and (problems := _other_types(graph, one, needed)):
            raise TransformError(
                f"the dataset{f' {key!r}' if len(spans) > 1 else ''} has columns of other types than were traced",
                problems=problems,
                hint="trace with the features of this data, or cast the columns beforehand.",
            )
    if engine is None:
        from trueline.engine import default_engine

        engine = default_engine()
    return TransformOutput(graph, find(graph, spans, engine, cache))


def _other_types(graph: Graph, dataset: Dataset, needed: Collection[str]) -> list[str]:
    """The columns that analyzers read and that are of another type than their features."""
    problems = []
    for feature in graph.features:
        if feature.name in needed:
            field = dataset.arrow_schema.field(feature.name)
            try:
                given = raw_feature_of(field.with_type(widened_type(field.type)))
            except SchemaError as error:
                problems.append(error.message)
                continue
            if (given.dtype, given.kind, given.size) != (feature.dtype, feature.kind, feature.size):
                problems.append(f"column {feature.name!r} is {field.type}, it was traced as {arrow_type_of(feature)}")
    return problems


def _spans(data: Dataset | Sequence[Dataset] | Mapping[str, Dataset | None], cache: AnalyzerCache | None) -> Spans:
    """The datasets by key, in order."""
    if isinstance(data, Mapping):
        spans: Spans = {str(key): dataset for key, dataset in data.items()}
    else:
        if cache is not None:
            raise TransformError(
                "a cache needs a key for each dataset", hint="give a mapping of key (a fingerprint, a span) to dataset."
            )
        spans = {str(i): d for i, d in enumerate([data] if isinstance(data, Dataset) else data)}
    if not spans:
        raise TransformError("there is no dataset to analyse", hint="give at least one; it may have no rows.")
    alone = [key for key, dataset in spans.items() if dataset is None]
    if alone and cache is None:
        raise TransformError(f"there is no data for {', '.join(map(repr, alone))}, and no cache")
    return spans

"""preprocessing_fn traced, analysed on one split and applied to all of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from trueline._core import store
from trueline._core.rowid import ROW_COLUMN
from trueline.components.common import SPLIT_PREFIX, code_reference, splits_of
from trueline.components.sample import write_sample
from trueline.components.schema_gen import SCHEMA_FILE
from trueline.components.transform_spans import RawSpan, datasets_by_key, open_spans, splits_in
from trueline.components.transform_statistics import STATISTICS_OUTPUTS, write_transform_statistics
from trueline.pipeline.artifacts import (
    ExampleAnomalies,
    Examples,
    ExampleStatistics,
    Schema,
    TransformCache,
    TransformGraph,
)
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ExecutionContext
from trueline.pipeline.node import Component, In, Out

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.transform import AnalyzerCache, TransformOutput

__all__ = ["Transform", "execute"]


class Transform(Component):
    """Makes features: the one definition that training, evaluation and the server share.

    Analyzers (means, vocabularies, quantiles) see the splits `analyze` alone; every split is then transformed. With the
    graph goes a sample of raw rows (of the newest span), on which the Trainer proves that the exported model equals the
    trained one.

    Analyzers' states of each artifact and split are kept: given an earlier run's ``updated_analyzer_cache``, those of
    known artifacts are not read again in the first pass. ``Resolver(strategy="latest", optional=True,
    analyzer_cache=TransformCache)`` finds it.

    Args:
        examples: raw examples; several artifacts, one per span, are analysed and transformed together.
        schema: says which columns are always there.
        preprocessing_fn: a top-level function from columns to columns, itself or as ``"file.py:name"``; or
        module_file: a file that has a function ``preprocessing_fn``. Exactly one of the two.
        custom_config: JSON values for the function's parameter ``custom_config``, if it has one.
        analyze: the split, or splits, that analyzers see; rows of these are transformed as rows to be trained on.
        transform_splits: the splits to transform; all by default.
        analyzer_cache: states that an earlier run kept.
        disable_analyzer_cache: keep no states, and have no such output.
        disable_statistics: make no statistics of what goes in and what comes out, and have no such outputs.

    Outputs: ``transform_graph``, ``transformed_examples`` and ``updated_analyzer_cache``; of the raw columns that the
    graph reads ``pre_transform_schema`` and ``pre_transform_stats``; of the features ``post_transform_schema``,
    ``post_transform_stats`` and ``post_transform_anomalies`` (their statistics against their inferred schema).
    """

    INPUTS: ClassVar[Mapping[str, In]] = {
        "examples": In(Examples),
        "schema": In(Schema),
        "analyzer_cache": In(TransformCache, optional=True),
    }
    OUTPUTS: ClassVar[Mapping[str, Out]] = {
        "transform_graph": Out(TransformGraph),
        "transformed_examples": Out(Examples),
        "updated_analyzer_cache": Out(TransformCache),
        "pre_transform_schema": Out(Schema),
        "pre_transform_stats": Out(ExampleStatistics),
        "post_transform_schema": Out(Schema),
        "post_transform_stats": Out(ExampleStatistics),
        "post_transform_anomalies": Out(ExampleAnomalies),
    }
    EXECUTOR = "trueline.components.transform:execute"

    def __init__(
        self,
        *,
        examples: Channel | Sequence[Channel],
        schema: Channel,
        preprocessing_fn: str | Callable[..., Any] | None = None,
        module_file: str | None = None,
        custom_config: Mapping[str, Any] | None = None,
        analyze: str | Sequence[str] = "train",
        transform_splits: Sequence[str] | None = None,
        analyzer_cache: Channel | None = None,
        disable_analyzer_cache: bool = False,
        disable_statistics: bool = False,
        node_id: str | None = None,
    ) -> None:
        code, problems = code_reference(preprocessing_fn, module_file, "preprocessing_fn")
        super().__init__(
            node_id=node_id,
            inputs={"examples": examples, "schema": schema, "analyzer_cache": analyzer_cache},
            params={
                "preprocessing_fn": code,
                "custom_config": dict(custom_config) if custom_config is not None else None,
                "analyze": analyze if isinstance(analyze, str) else list(analyze),
                "transform_splits": list(transform_splits) if transform_splits is not None else None,
            },
        )
        unwanted = ["updated_analyzer_cache"] if disable_analyzer_cache else []
        unwanted += STATISTICS_OUTPUTS if disable_statistics else ()
        for key in unwanted:
            del self.declared_outputs[key]
        if unwanted:
            self._wire({"examples": examples, "schema": schema, "analyzer_cache": analyzer_cache})
        if disable_analyzer_cache and analyzer_cache is not None:
            self.note("was given an analyzer_cache and told not to use it; leave out one of the two")
        if not analyze:
            self.note("has no split to analyze; name at least one")
        for problem in problems:
            self.note(problem)


def execute(ctx: ExecutionContext) -> None:
    """Traces, analyses, saves the graph, transforms the splits."""
    from trueline import schema as schemas
    from trueline.transform import analyze, trace

    graph_out, spans, given = ctx.output("transform_graph"), open_spans(ctx), ctx.params["analyze"]
    newest = spans[-1].examples
    schema = schemas.load_schema_text(store.join(ctx.input("schema").uri, SCHEMA_FILE))
    analyzed = splits_in(spans, [given] if isinstance(given, str) else given)
    features, refused = schemas.usable_features(newest.arrow_schema, schema)
    graph = trace(_function(ctx), features, refused=refused)
    cache = _cache(ctx)
    output = analyze(graph, datasets_by_key(spans, analyzed), ctx.engine, cache)
    output.save(graph_out.uri)
    write_sample(newest, splits_of(spans[-1].handle), graph_out.uri)
    schema_out = output.arrow_schema(row_id=ROW_COLUMN in newest.arrow_schema.names)
    splits = splits_in(spans, ctx.params["transform_splits"])
    _materialize(ctx, schema_out, spans, splits, analyzed)
    if STATISTICS_OUTPUTS[0] in ctx.outputs:
        write_transform_statistics(ctx, output, schema, spans, splits)
    steps = [step.output for step in output.host_steps()]
    ctx.report(outputs=len(output.outputs), vocabularies=_vocabulary_sizes(output), host_steps=steps)
    if cache is not None and ctx.inputs.get("analyzer_cache"):
        ctx.report(analyzer_cache={"hits": cache.hits, "misses": cache.misses})


def _cache(ctx: ExecutionContext) -> AnalyzerCache | None:
    """The cache to fill, which takes over what it finds in the earlier ones; None where it is not wanted."""
    if "updated_analyzer_cache" not in ctx.outputs:
        return None
    from trueline.transform import AnalyzerCache

    earlier = [handle.uri for handle in ctx.inputs.get("analyzer_cache", [])]
    return AnalyzerCache(ctx.output("updated_analyzer_cache").uri, earlier)


def _function(ctx: ExecutionContext) -> Callable[..., Any]:
    function = ctx.function("preprocessing_fn")
    if "custom_config" in inspect.signature(function).parameters:
        return partial(function, custom_config=ctx.params["custom_config"] or {})
    return function


def _vocabulary_sizes(output: TransformOutput) -> dict[str, int]:
    return {name: len(vocabulary.tokens) for name, vocabulary in output.vocabularies.items()}


def _materialize(
    ctx: ExecutionContext, schema: pa.Schema, spans: Sequence[RawSpan], splits: Sequence[str], analyzed: Sequence[str]
) -> None:
    """Every block becomes a file of one block, written by the engine; ``examples.json`` joins them in order."""
    from trueline.data.examples import StoredBlock, write_examples_json
    from trueline.engine import FunctionSpec

    out = ctx.output("transformed_examples")
    blocks: dict[str, list[StoredBlock]] = {split: [] for split in splits}
    for split, done in blocks.items():
        for span in spans:
            if split not in span.examples.splits:
                continue
            params = {
                "graph_uri": ctx.output("transform_graph").uri,
                "uri": out.uri,
                "folder": SPLIT_PREFIX + split,
                "first_source": span.first_source,
                "training": split in analyzed,
            }
            job = FunctionSpec("trueline.components.transform_job:write_block", params)
            made = ctx.engine.map_blocks(job, span.dataset(split, len(done)))
            done += [StoredBlock(number, file, 0, rows) for number, (file, rows) in enumerate(made, len(done))]
    sources = [source for span in spans for source in span.examples.sources]
    write_examples_json(out.uri, schema, sources, blocks, {})
    newest = spans[-1].handle.properties
    out.properties.update(span=newest.get("span", 0), version=newest.get("version", 0), split_names=list(splits))

"""preprocessing_fn traced, analysed on one split and applied to all of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from trueline._core import store
from trueline._core.rowid import ROW_COLUMN
from trueline.components.common import SPLIT_PREFIX, code_reference, splits_of, wanted_splits
from trueline.components.sample import write_sample
from trueline.components.schema_gen import SCHEMA_FILE
from trueline.pipeline.artifacts import Examples, Schema, TransformGraph
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ExecutionContext
from trueline.pipeline.node import Component, In, Out

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.data import Examples as ExamplesReader
    from trueline.transform import TransformOutput

__all__ = ["Transform", "execute"]


class Transform(Component):
    """Makes features: the one definition that training, evaluation and the server share.

    Analyzers (means, vocabularies, quantiles) see the split `analyze` alone; every split is then transformed. With the
    graph goes a sample of raw rows, on which the Trainer proves that the exported model equals the trained one.

    Args:
        examples: raw examples.
        schema: says which columns are always there.
        preprocessing_fn: a top-level function from columns to columns, itself or as ``"file.py:name"``; or
        module_file: a file that has a function ``preprocessing_fn``. Exactly one of the two.
        custom_config: JSON values for the function's parameter ``custom_config``, if it has one.
        analyze: the split that analyzers see.
        transform_splits: the splits to transform; all by default.

    Outputs: ``transform_graph`` and ``transformed_examples``.
    """

    INPUTS: ClassVar[Mapping[str, In]] = {"examples": In(Examples), "schema": In(Schema)}
    OUTPUTS: ClassVar[Mapping[str, Out]] = {
        "transform_graph": Out(TransformGraph),
        "transformed_examples": Out(Examples),
    }
    EXECUTOR = "trueline.components.transform:execute"

    def __init__(
        self,
        *,
        examples: Channel,
        schema: Channel,
        preprocessing_fn: str | Callable[..., Any] | None = None,
        module_file: str | None = None,
        custom_config: Mapping[str, Any] | None = None,
        analyze: str = "train",
        transform_splits: Sequence[str] | None = None,
        node_id: str | None = None,
    ) -> None:
        code, problems = code_reference(preprocessing_fn, module_file, "preprocessing_fn")
        super().__init__(
            node_id=node_id,
            inputs={"examples": examples, "schema": schema},
            params={
                "preprocessing_fn": code,
                "custom_config": dict(custom_config) if custom_config is not None else None,
                "analyze": analyze,
                "transform_splits": list(transform_splits) if transform_splits is not None else None,
            },
        )
        for problem in problems:
            self.note(problem)


def execute(ctx: ExecutionContext) -> None:
    """Traces, analyses, saves the graph, transforms the splits."""
    from trueline import schema as schemas
    from trueline.data import Examples as ExamplesReader
    from trueline.transform import analyze, trace

    source, graph_out = ctx.input("examples"), ctx.output("transform_graph")
    schema = schemas.load_schema_text(store.join(ctx.input("schema").uri, SCHEMA_FILE))
    examples = ExamplesReader.open(source.uri)
    (analyzed,) = wanted_splits(source, [ctx.params["analyze"]])
    graph = trace(_function(ctx), schemas.raw_features(examples.arrow_schema, schema))
    output = analyze(graph, examples.dataset(analyzed), ctx.engine)
    output.save(graph_out.uri)
    write_sample(examples, splits_of(source), graph_out.uri)
    splits = ctx.params["transform_splits"]
    schema_out = output.arrow_schema(row_id=ROW_COLUMN in examples.arrow_schema.names)
    _materialize(ctx, schema_out, examples, splits_of(source) if splits is None else wanted_splits(source, splits))
    steps = [step.output for step in output.host_steps()]
    ctx.report(outputs=len(output.outputs), vocabularies=_vocabulary_sizes(output), host_steps=steps)


def _function(ctx: ExecutionContext) -> Callable[..., Any]:
    function = ctx.function("preprocessing_fn")
    if "custom_config" in inspect.signature(function).parameters:
        return partial(function, custom_config=ctx.params["custom_config"] or {})
    return function


def _vocabulary_sizes(output: TransformOutput) -> dict[str, int]:
    return {name: len(vocabulary.tokens) for name, vocabulary in output.vocabularies.items()}


def _materialize(ctx: ExecutionContext, schema: pa.Schema, examples: ExamplesReader, splits: Sequence[str]) -> None:
    """Every block becomes a file of one block, written by the engine; ``examples.json`` joins them in order."""
    from trueline.data.examples import StoredBlock, write_examples_json
    from trueline.engine import FunctionSpec

    out, source = ctx.output("transformed_examples"), ctx.input("examples")
    blocks: dict[str, list[StoredBlock]] = {}
    for split in splits:
        job = FunctionSpec(
            "trueline.components.transform_job:write_block",
            {"graph_uri": ctx.output("transform_graph").uri, "uri": out.uri, "folder": SPLIT_PREFIX + split},
        )
        made = ctx.engine.map_blocks(job, examples.dataset(split))
        blocks[split] = [StoredBlock(number, file, 0, rows) for number, (file, rows) in enumerate(made)]
    write_examples_json(out.uri, schema, examples.sources, blocks, {})
    out.properties.update(
        span=source.properties.get("span", 0), version=source.properties.get("version", 0), split_names=list(splits)
    )

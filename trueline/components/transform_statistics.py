"""Statistics and schemas of what goes into a transform and what comes out, each split by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline.components.common import split_path
from trueline.components.example_validator import ANOMALIES_FILE
from trueline.components.schema_gen import SCHEMA_FILE
from trueline.components.statistics_gen import STATISTICS_FILE

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

    from trueline.components.transform_spans import RawSpan
    from trueline.engine import Dataset
    from trueline.pipeline.context import ExecutionContext
    from trueline.transform import TransformOutput

__all__ = ["STATISTICS_OUTPUTS", "write_transform_statistics"]

STATISTICS_OUTPUTS = (
    "pre_transform_schema",
    "pre_transform_stats",
    "post_transform_schema",
    "post_transform_stats",
    "post_transform_anomalies",
)
"""The outputs that are not there with ``disable_statistics``; TFX's names."""


def write_transform_statistics(
    ctx: ExecutionContext,
    output: TransformOutput,
    schema: schema_pb2.Schema,
    spans: Sequence[RawSpan],
    splits: Sequence[str],
) -> None:
    """Writes the five outputs.

    Args:
        ctx: has the outputs, and ``transformed_examples`` written already.
        output: the analysed graph.
        schema: of the raw examples.
        spans: the raw examples.
        splits: the splits that were transformed.
    """
    from trueline.data import Examples
    from trueline.data_validation import (
        StatsOptions,
        generate_statistics,
        validate_statistics,
        write_anomalies_binary,
        write_statistics,
    )
    from trueline.schema import write_schema_text

    raw = _raw_schema(output, schema)
    write_schema_text(raw, store.join(ctx.output("pre_transform_schema").uri, SCHEMA_FILE))
    write_schema_text(output.output_schema, store.join(ctx.output("post_transform_schema").uri, SCHEMA_FILE))
    before = StatsOptions(schema=raw, feature_allowlist=_columns(output))
    after = StatsOptions(schema=output.output_schema)
    made = Examples.open(ctx.output("transformed_examples").uri)
    found = 0
    for split in splits:
        statistics = generate_statistics(_joined(spans, split), before, ctx.engine)
        write_statistics(statistics, split_path(ctx.output("pre_transform_stats"), split, STATISTICS_FILE))
        statistics = generate_statistics(made.dataset(split), after, ctx.engine)
        write_statistics(statistics, split_path(ctx.output("post_transform_stats"), split, STATISTICS_FILE))
        anomalies = validate_statistics(statistics, output.output_schema)
        found += len(anomalies.anomaly_info)
        write_anomalies_binary(anomalies, split_path(ctx.output("post_transform_anomalies"), split, ANOMALIES_FILE))
    for key in STATISTICS_OUTPUTS:
        if not key.endswith("schema"):
            span = spans[-1].handle.properties.get("span", 0)
            ctx.output(key).properties.update(span=span, split_names=list(splits))
    ctx.report(post_transform_anomalies=found)


def _columns(output: TransformOutput) -> list[str]:
    """The raw columns that the graph reads, by rows or by analyzers."""
    graph = output.traced
    read = graph.raw_names(graph.input_names([i for _, i in graph.outputs], through_analyzers=True))
    return [f.name for f in graph.features if f.name in read]


def _raw_schema(output: TransformOutput, schema: schema_pb2.Schema) -> Any:
    """The schema of the raw examples, without the columns that the graph does not read."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    read, kept = set(_columns(output)), schema_pb2.Schema()
    kept.CopyFrom(schema)
    del kept.feature[:]
    kept.feature.extend(f for f in schema.feature if f.name in read)
    return kept


def _joined(spans: Sequence[RawSpan], split: str) -> Dataset:
    """A split of all spans, its blocks numbered through."""
    from trueline.engine import Dataset, Shard

    blocks: list[Any] = []
    for span in spans:
        if split in span.examples.splits:
            blocks += span.dataset(split, len(blocks)).blocks
    return Dataset((Shard(0, tuple(blocks)),), spans[0].examples.arrow_schema)

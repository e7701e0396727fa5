"""Examples to statistics: one pass a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar

from trueline._core import store
from trueline.components.common import split_path, splits_of
from trueline.pipeline.artifacts import Examples, ExampleStatistics, Schema
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ExecutionContext
from trueline.pipeline.node import Component, In, Out

if TYPE_CHECKING:
    from trueline.data_validation import StatsOptions

__all__ = ["STATISTICS_FILE", "StatisticsGen", "execute", "options_to_json"]

STATISTICS_FILE = "FeatureStats.pb"


class StatisticsGen(Component):
    """Statistics of every column of every split, in tensorflow-metadata's protos.

    Args:
        examples: the rows.
        schema: a schema that says which integers are categories and which bytes are images.
        stats_options: what is computed, see `trueline.data_validation.StatsOptions`; the schema goes in as a channel.
        exclude_splits: splits to leave out.

    Outputs: ``statistics``, one ``Split-<name>/FeatureStats.pb`` a split.
    """

    INPUTS: ClassVar[Mapping[str, In]] = {"examples": In(Examples), "schema": In(Schema, optional=True)}
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"statistics": Out(ExampleStatistics)}
    EXECUTOR = "trueline.components.statistics_gen:execute"

    def __init__(
        self,
        *,
        examples: Channel,
        schema: Channel | None = None,
        stats_options: StatsOptions | None = None,
        exclude_splits: Sequence[str] = (),
        node_id: str | None = None,
    ) -> None:
        super().__init__(
            node_id=node_id,
            inputs={"examples": examples, "schema": schema},
            params={"stats_options": options_to_json(stats_options), "exclude_splits": list(exclude_splits)},
        )
        if stats_options is not None and stats_options.schema is not None:
            self.note("has a schema in its stats_options; give the schema as a channel instead: schema=...")


def options_to_json(options: StatsOptions | None) -> dict[str, Any]:
    """The options that differ from their defaults, without the schema."""
    if options is None:
        return {}
    return {
        f.name: getattr(options, f.name)
        for f in fields(options)
        if f.name != "schema" and getattr(options, f.name) != f.default
    }


def _options(params: Mapping[str, Any], schema_uri: str | None) -> StatsOptions:
    from trueline.data_validation import StatsOptions
    from trueline.schema import load_schema_text

    schema = load_schema_text(store.join(schema_uri, "schema.pbtxt")) if schema_uri else None
    return StatsOptions(**params, schema=schema)


def execute(ctx: ExecutionContext) -> None:
    """One statistics pass a split."""
    from trueline.data import Examples as ExamplesReader
    from trueline.data_validation import generate_statistics, write_statistics

    source, out = ctx.input("examples"), ctx.output("statistics")
    schema = ctx.optional_input("schema")
    options = _options(ctx.params["stats_options"], schema.uri if schema else None)
    examples = ExamplesReader.open(source.uri)
    splits = splits_of(source, ctx.params["exclude_splits"])
    features = 0
    for split in splits:
        statistics = generate_statistics(examples.dataset(split), options, ctx.engine)
        features = max(features, *(len(d.features) for d in statistics.datasets), 0)
        write_statistics(statistics, split_path(out, split, STATISTICS_FILE))
    out.properties.update(span=source.properties.get("span", 0), split_names=splits)
    ctx.report(features=features, rows={split: examples.num_rows(split) for split in splits})

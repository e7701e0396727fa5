"""Examples to statistics: one pass a split."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from trueline._core import store
from trueline._core.errors import TruelineError
from trueline.components.common import split_path, splits_of
from trueline.pipeline.artifacts import Examples, ExampleStatistics, Schema
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ExecutionContext
from trueline.pipeline.node import Component, In, Out

if TYPE_CHECKING:
    from trueline.data_validation import StatsOptions

__all__ = ["STATISTICS_FILE", "StatisticsGen", "execute"]

STATISTICS_FILE = "FeatureStats.pb"


class StatisticsGen(Component):
    """Statistics of every column of every split, in tensorflow-metadata's protos.

    Args:
        examples: the rows.
        schema: a schema that says which integers are categories, which bytes are images, which features are sparse.
        stats_options: what is computed: weights, slices, label, semantic domains, custom accumulators; see
            `trueline.data_validation.StatsOptions`. The schema goes in as a channel.
        exclude_splits: splits to leave out.
        sample_rate_by_split: for single splits the share of rows to look at, instead of the options' ``sample_rate``.

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
        sample_rate_by_split: Mapping[str, float] | None = None,
        node_id: str | None = None,
    ) -> None:
        described, problems = _described(stats_options)
        rates = dict(sample_rate_by_split or {})
        params = {"stats_options": described, "exclude_splits": list(exclude_splits), "sample_rate_by_split": rates}
        super().__init__(node_id=node_id, inputs={"examples": examples, "schema": schema}, params=params)
        problems += [
            f"samples split {n!r} at {r}; give a share above 0 and up to 1" for n, r in rates.items() if not 0 < r <= 1
        ]
        for problem in problems:
            self.note(problem)


def _described(options: StatsOptions | None) -> tuple[dict[str, Any], list[str]]:
    """The options as JSON, and what keeps them from being so."""
    if options is None:
        return {}, []
    problems = []
    if options.schema is not None:
        problems.append("has a schema in its stats_options; give the schema as a channel instead: schema=...")
        options = replace(options, schema=None)
    try:
        found: dict[str, Any] = json.loads(options.to_json())
    except TruelineError as error:
        return {}, [*problems, f"cannot keep its stats_options: {error.message}"]
    return found, problems


def _options(params: Mapping[str, Any], schema_uri: str | None) -> StatsOptions:
    from trueline.data_validation import StatsOptions
    from trueline.schema import load_schema_text

    options = StatsOptions.from_json(json.dumps(params)) if params else StatsOptions()
    if schema_uri is None:
        return options
    return replace(options, schema=load_schema_text(store.join(schema_uri, "schema.pbtxt")))


def execute(ctx: ExecutionContext) -> None:
    """One statistics pass a split."""
    from trueline.components.common import wanted_splits
    from trueline.data import Examples as ExamplesReader
    from trueline.data_validation import generate_statistics, write_statistics

    source, out = ctx.input("examples"), ctx.output("statistics")
    schema = ctx.optional_input("schema")
    options = _options(ctx.params["stats_options"], schema.uri if schema else None)
    examples = ExamplesReader.open(source.uri)
    splits = splits_of(source, ctx.params["exclude_splits"])
    rates = ctx.params["sample_rate_by_split"]
    wanted_splits(source, list(rates))
    features = 0
    for split in splits:
        own = replace(options, sample_rate=rates[split]) if split in rates else options
        statistics = generate_statistics(examples.dataset(split), own, ctx.engine)
        features = max(features, *(len(d.features) for d in statistics.datasets), 0)
        write_statistics(statistics, split_path(out, split, STATISTICS_FILE))
    out.properties.update(span=source.properties.get("span", 0), split_names=splits)
    if rates:
        out.properties["sample_rate_by_split"] = json.dumps(rates, sort_keys=True)
    ctx.report(features=features, rows={split: examples.num_rows(split) for split in splits})

"""What a statistics pass is made of: the default statistics, generators, the user's accumulators; slices and a sample.

All of them are one accumulator, so all of them together read the data once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline._core.rowid import ROW_COLUMN
from trueline._core.values import HIDDEN_PREFIX
from trueline.data_validation.attach import new_statistics
from trueline.data_validation.generators import generator_specs
from trueline.data_validation.given import check_named
from trueline.data_validation.merging import custom_part, merge_parts
from trueline.data_validation.options import StatsOptions
from trueline.data_validation.sampling import sampled_spec
from trueline.data_validation.sliced import sliced_spec
from trueline.data_validation.slicing import all_slicers
from trueline.engine.base import AccumulatorSpec
from trueline.engine.product import combine

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["StatisticsPass", "plan_pass"]

_CORE, _GENERATOR, _CUSTOM = "0core", "1generator", "2custom"


@dataclass(frozen=True)
class StatisticsPass:
    """A pass as data.

    Attributes:
        spec: the accumulator.
        columns: the columns that it reads, in the order of the data.
        sliced: whether its result is one for each slice.
        names: part -> the accumulator's name, for messages.
    """

    spec: AccumulatorSpec[Any]
    columns: tuple[str, ...]
    sliced: bool
    names: Mapping[str, str]

    def result(self, found: Mapping[str, Any]) -> statistics_pb2.DatasetFeatureStatisticsList:
        """The statistics from the accumulator's result: one dataset, or one a slice."""

        result = new_statistics()
        for key, parts in found.items() if self.sliced else [("", found)]:
            ordered = (
                custom_part(part, self.names[name]) if name.startswith(_CUSTOM) else part
                for name, part in sorted(parts.items())
            )
            dataset = merge_parts(ordered)
            dataset.name = key
            result.datasets.append(dataset)
        return result


def plan_pass(arrow_schema: pa.Schema, options: StatsOptions) -> StatisticsPass:
    """The pass over these columns that options ask for.

    Raises:
        SchemaError: for columns whose type has no statistics, and for unknown names of the allowlist, of the label
            and of features with a weight of their own.
        ConfigError: for slices, weights and accumulators that name columns which are not there.
    """
    parts, columns = _parts(arrow_schema, options)
    check_named(_visible(arrow_schema), options)
    slicers = all_slicers(options)
    spec: AccumulatorSpec[Any] = combine(parts)
    if slicers:
        from trueline.data_validation.grouping import check_slicers

        check_slicers(arrow_schema, slicers)
        spec = sliced_spec(spec, slicers, options.max_slices)
        for slicer in slicers:
            columns.update(_visible(arrow_schema) if slicer.columns is None else slicer.columns)
    if options.sample_rate is not None:
        spec = sampled_spec(spec, options.sample_rate)
        columns.update({ROW_COLUMN} & set(arrow_schema.names))
    ordered = tuple(name for name in arrow_schema.names if name in columns)
    return StatisticsPass(spec, ordered, bool(slicers), {name: part.name for name, part in parts.items()})


def _visible(arrow_schema: pa.Schema) -> list[str]:
    return [name for name in arrow_schema.names if not name.startswith(HIDDEN_PREFIX)]


def _parts(arrow_schema: pa.Schema, options: StatsOptions) -> tuple[dict[str, AccumulatorSpec[Any]], set[str]]:
    """The accumulators by part, in the order in which what they find is merged; and the columns that they read."""
    from trueline.data_validation.statistics import statistics_columns, statistics_spec

    parts: dict[str, AccumulatorSpec[Any]] = {}
    columns: set[str] = set()
    if options.add_default_generators:
        parts[_CORE] = statistics_spec(arrow_schema, options)
        columns.update(statistics_columns(arrow_schema, options))
    else:
        parts[_CORE] = _row_count(arrow_schema, options.weight_feature)
        columns.update([] if options.weight_feature is None else [options.weight_feature])
    for name, (spec, own) in sorted(generator_specs(arrow_schema, options).items()):
        parts[f"{_GENERATOR}/{name}"] = spec
        columns.update(own)
    seen = list(options.feature_allowlist or _visible(arrow_schema))
    for number, generator in enumerate(options.generators or ()):
        wanted = seen if generator.columns is None else generator.columns
        _check_columns(wanted, arrow_schema, generator.name)
        parts[f"{_CUSTOM}/{number:06}"] = generator.spec()
        columns.update(wanted)
    return parts, columns


def _row_count(arrow_schema: pa.Schema, weight: str | None) -> AccumulatorSpec[Any]:
    from trueline.data_validation.weights import weight_problems

    problems = [] if weight is None else weight_problems(arrow_schema, [weight])
    if problems:
        raise ConfigError("these rows cannot be weighed", problems=problems)
    return AccumulatorSpec("trueline.data_validation.counting:RowCount", {} if weight is None else {"weight": weight})


def _check_columns(columns: Iterable[str], arrow_schema: pa.Schema, name: str) -> None:
    unknown = [column for column in columns if column not in arrow_schema.names]
    if unknown:
        raise ConfigError(
            f"the accumulator {name} reads columns that the data lack",
            problems=[f"{column!r}: {did_you_mean(column, _visible(arrow_schema))}" for column in unknown],
        )

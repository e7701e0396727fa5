"""Which features a dataset's columns hold: structs opened, lists counted, each feature given its type and kind.

A plan is JSON, so that workers need no schema: it is a parameter of the accumulator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from trueline._core.errors import SchemaError, did_you_mean
from trueline._core.values import HIDDEN_PREFIX, WIDENED_FROM, widened_type
from trueline.data_validation.options import StatsOptions
from trueline.data_validation.weights import weight_problems
from trueline.engine.base import AccumulatorSpec
from trueline.schema.index import SchemaIndex
from trueline.schema.paths import FeaturePath

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FeaturePlan", "basic_spec", "plan_features"]

# The contract's types (see `widened_type`) -> the type of the statistics.
_TYPES = {
    "bool": "INT",
    "int64": "INT",
    "timestamp[us]": "INT",
    "double": "FLOAT",
    "string": "STRING",
    "binary": "STRING",
}

# What `FeaturePlan.source` says -> the predicate of `pyarrow.types`.
_SOURCES = {
    "bool": "is_boolean",
    "timestamp": "is_timestamp",
    "date": "is_date",
    "time": "is_time",
    "duration": "is_duration",
}


@dataclass(frozen=True)
class FeaturePlan:
    """One feature of the statistics.

    Attributes:
        path: column name and names of struct fields.
        type: ``INT``, ``FLOAT``, ``STRING``, ``BYTES`` or ``STRUCT`` of tensorflow-metadata.
        kind: which part of `trueline.data_validation.accumulator.PARTS` it carries.
        levels: how many lists lie around a value, 0 for a plain column.
        source: ``bool``, ``timestamp``, ``date``, ``time`` or ``duration`` where the Arrow type says more than `type`,
            else ``""``. All four are counted in microseconds: since 1970, for a time since midnight.
        weight: the column that weighs its rows, or ``""``.
        histograms: whether its histograms and quantiles are given out.
        long_strings: whether strings of more than 1024 bytes are counted one by one.
    """

    path: tuple[str, ...]
    type: str
    kind: str
    levels: int
    source: str = ""
    weight: str = ""
    histograms: bool = True
    long_strings: bool = False

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` is its inverse."""
        return {**asdict(self), "path": list(self.path)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> FeaturePlan:
        """The plan that `to_json` described."""
        return cls(**{**data, "path": tuple(data["path"])})


def basic_spec(arrow_schema: pa.Schema, options: StatsOptions) -> tuple[AccumulatorSpec[Any], tuple[str, ...]]:
    """The accumulator of the statistics of every feature, and the columns that it reads, weights included.

    `finish` gives a `DatasetFeatureStatistics`. Plain text columns are asked for as dictionaries.

    Raises:
        SchemaError: as `plan_features`, and for weight columns that are unknown or no numbers.
    """
    plans = plan_features(arrow_schema, options)
    weight = options.weight_feature or ""
    weights = [name for name in dict.fromkeys([weight, *(plan.weight for plan in plans)]) if name]
    if problems := weight_problems(arrow_schema, weights):
        raise SchemaError("these columns cannot be weights", problems=problems)
    params = {
        "features": [plan.to_json() for plan in plans],
        "limits": options.numbers(),
        "weight": weight,
        "weighted_frequency_threshold": float(options.weighted_frequency_threshold),
    }
    text = tuple(p.path[0] for p in plans if p.type == "STRING" and p.levels == 0 and len(p.path) == 1)
    columns = tuple(dict.fromkeys([*(plan.path[0] for plan in plans), *weights]))
    return AccumulatorSpec("trueline.data_validation.accumulator:StatisticsAccumulator", params, text), columns


def plan_features(arrow_schema: pa.Schema, options: StatsOptions) -> tuple[FeaturePlan, ...]:
    """The features of Arrow columns, structs before their fields; hidden columns are left out.

    Raises:
        SchemaError: listing every column whose type has no statistics, or every unknown name of the allowlist.
    """
    names = [name for name in arrow_schema.names if not name.startswith(HIDDEN_PREFIX)]
    if options.feature_allowlist is not None:
        unknown = [name for name in options.feature_allowlist if name not in names]
        if unknown:
            raise SchemaError(
                "the allowlist names columns that the data lack",
                problems=[f"{name!r}: {did_you_mean(name, names)}" for name in unknown],
            )
        names = list(options.feature_allowlist)
    found: list[FeaturePlan] = []
    problems: list[str] = []
    known = {} if options.schema is None else SchemaIndex(options.schema).features
    for name in names:
        try:
            field = arrow_schema.field(name)
            found += _plans((name,), widened_type(field.type), options, _source(field), known)
        except SchemaError as error:
            problems.append(f"{name!r}: {error.message}")
    if problems:
        raise SchemaError("these columns have no statistics", problems=problems)
    return tuple(found)


def _plans(
    path: tuple[str, ...],
    arrow_type: pa.DataType,
    options: StatsOptions,
    source: str,
    known: Mapping[FeaturePath, Any],
) -> Iterator[FeaturePlan]:
    import pyarrow.types as t

    levels = 0
    weight, histograms = options.weight_of(path) or "", options.histograms(path)
    while t.is_list(arrow_type) or t.is_fixed_size_list(arrow_type):
        arrow_type, levels = arrow_type.value_type, levels + 1
    if t.is_struct(arrow_type):
        yield FeaturePlan(path, "STRUCT", "struct", levels, "", weight, histograms)
        for field in arrow_type:
            yield from _plans((*path, field.name), widened_type(field.type), options, _source(field), known)
        return
    kind, part, long_strings = _with_schema(_TYPES[str(arrow_type)], known.get(FeaturePath(path)))
    yield FeaturePlan(path, kind, part, levels, source, weight, histograms, long_strings)


def _source(field: pa.Field) -> str:
    """What the values were before widening: the field's own type, or the one that its metadata remembers."""
    import pyarrow.types as t

    kind = field.type
    while t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        kind = kind.value_type
    if WIDENED_FROM in (field.metadata or {}):
        return str(field.metadata[WIDENED_FROM].decode())
    for name, matches in _SOURCES.items():
        if getattr(t, matches)(kind):
            return name
    return ""


def _with_schema(kind: str, feature: Any) -> tuple[str, str, bool]:
    """Type, kind of part, and whether long strings count one by one: a schema says what is categorical or an image."""
    domain = feature.WhichOneof("domain_info") if feature is not None else None
    if kind == "STRING" and domain == "image_domain":
        return "BYTES", "bytes", False
    if kind == "STRING":
        called = feature.string_domain.is_categorical if domain == "string_domain" else 0
        said = "" if domain != "string_domain" else feature.string_domain.Categorical.Name(called)
        return "STRING", "text" if said == "CATEGORICAL_NO" else "string", said == "CATEGORICAL_YES"
    if kind == "INT":
        categorical = domain in ("bool_domain", "natural_language_domain") or (
            domain == "int_domain" and feature.int_domain.is_categorical
        )
    else:
        categorical = domain == "float_domain" and feature.float_domain.is_categorical
    return kind, "string" if categorical else "numeric", False

"""Checks of `StatsOptions`: all problems at once, and the values in one form."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, TruelineError
from trueline.schema.paths import FeaturePath

if TYPE_CHECKING:
    from trueline.data_validation.options import StatsOptions

__all__ = ["normalized"]


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_real(value: Any) -> bool:
    return (_is_int(value) or isinstance(value, float)) and math.isfinite(value)


_AT_LEAST = {
    "num_top_values": 1,
    "frequency_threshold": 1,
    "num_rank_histogram_buckets": 1,
    "num_values_histogram_buckets": 2,
    "num_histogram_buckets": 1,
    "num_quantiles_histogram_buckets": 1,
    "experimental_result_partitions": 1,
    "experimental_num_feature_partitions": 1,
    "max_slices": 1,
    "lift_min_count": 0,
    "max_distinct": 16,
    "max_distinct_bytes": 1024,
}
_AT_LEAST_OR_NONE = {"desired_batch_size": 1, "lift_top_k": 1, "lift_bottom_k": 1, "max_quantile_points": 16}
_BOOLS = (
    "infer_type_from_schema",
    "enable_semantic_domain_stats",
    "add_default_generators",
    "experimental_filter_read_paths",
    "mutual_information",
    "count_empty_values",
    "leakage",
)
_NAMES_OR_NONE = ("label_feature", "weight_feature")
_LISTS_OF_TEXT = ("feature_allowlist",)
_Check = tuple[Callable[[Any], bool], str]
_SHARE: _Check = (lambda v: v is None or (_is_real(v) and 0 < v <= 1), "it must be above 0 and at most 1")
_CHECKS: dict[str, _Check] = {
    "sample_rate": _SHARE,
    "semantic_domain_stats_sample_rate": _SHARE,
    "leakage_threshold": (lambda v: _is_real(v) and 0 < v <= 1, "it must be above 0 and at most 1"),
    "epsilon": (lambda v: _is_real(v) and 1e-5 <= v <= 1, "it must be from 1e-5 to 1"),
    "weighted_frequency_threshold": (lambda v: _is_real(v) and v >= 0, "it must be a number of at least 0"),
    "vocab_paths": (
        lambda v: v is None or (isinstance(v, Mapping) and all(isinstance(x, str) for item in v.items() for x in item)),
        "it must be a dict of vocabulary name -> file",
    ),
    "cross_features": (
        lambda v: isinstance(v, bool) or _is_texts(v),
        "it must be True, False or a list of column names",
    ),
    "lift_boundaries": (
        lambda v: v is None or (_is_list(v) and len(v) > 0 and all(map(_is_real, v)) and list(v) == sorted(set(v))),
        "it must be a list of ascending numbers",
    ),
}


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_texts(value: Any) -> bool:
    return _is_list(value) and all(isinstance(x, str) for x in value)


def normalized(options: StatsOptions) -> dict[str, Any]:
    """The values that take another form than they were given in.

    Raises:
        ConfigError: naming every option that is wrong.
    """
    problems = [*_simple_problems(options), *_schema_problems(options)]
    found: dict[str, Any] = {}
    for name, convert in _CONVERSIONS.items():
        try:
            found.update(convert(options))
        except TruelineError as error:
            text = "; ".join([error.message, *error.problems])
            problems.append(f"{name}: {text}" + (f" ({error.hint})" if error.hint else ""))
    if problems:
        raise ConfigError("these options of StatsOptions cannot be used", problems=problems)
    return found


def _simple_problems(options: StatsOptions) -> Iterator[str]:
    for name, least in _AT_LEAST.items():
        value = getattr(options, name)
        if not _is_int(value) or value < least:
            yield f"{name} is {value!r}, it must be an integer of at least {least}"
    for name, least in _AT_LEAST_OR_NONE.items():
        value = getattr(options, name)
        if value is not None and (not _is_int(value) or value < least):
            yield f"{name} is {value!r}, it must be None or an integer of at least {least}"
    for name in _BOOLS:
        if not isinstance(getattr(options, name), bool):
            yield f"{name} is {getattr(options, name)!r}, it must be True or False"
    for name in _NAMES_OR_NONE:
        value = getattr(options, name)
        if value is not None and (not isinstance(value, str) or not value):
            yield f"{name} is {value!r}, it must be the name of a column"
    for name in _LISTS_OF_TEXT:
        value = getattr(options, name)
        if isinstance(value, str):
            yield f"{name} is a string, it must be a list of column names"
        elif value is not None and not _is_texts(value):
            yield f"{name} is {value!r}, it must be a list of column names"
        elif value is not None and len(set(value)) < len(value):
            yield f"{name} names a column twice: {list(value)}"
    for name, (holds, text) in _CHECKS.items():
        if not holds(getattr(options, name)):
            yield f"{name} is {getattr(options, name)!r}, {text}"


def _schema_problems(options: StatsOptions) -> Iterator[str]:
    if options.schema is not None:
        from tensorflow_metadata.proto.v0 import schema_pb2

        if not isinstance(options.schema, schema_pb2.Schema):
            yield f"schema is a {type(options.schema).__name__}, it must be a Schema proto"
    elif options.infer_type_from_schema is True:
        yield "infer_type_from_schema is set, but there is no schema"
    for name in ("mutual_information", "leakage"):
        if getattr(options, name) is True and options.label_feature is None:
            yield f"{name} is set, but there is no label_feature"


def _generators(options: StatsOptions) -> dict[str, Any]:
    from trueline.data_validation.custom import generator_of

    if options.generators is None:
        return {}
    if not _is_list(options.generators):
        raise ConfigError(f"it is a {type(options.generators).__name__}, it must be a list")
    return {"generators": tuple(generator_of(g) for g in options.generators)}


def _slice_functions(options: StatsOptions) -> dict[str, Any]:
    from trueline.data_validation.slicing import slicer_of

    first, second = options.slice_functions, options.experimental_slice_functions
    if first is not None and second is not None:
        raise ConfigError("it is given twice, also as experimental_slice_functions")
    given = second if first is None else first
    if given is None:
        return {}
    if not _is_list(given):
        raise ConfigError(f"it is a {type(given).__name__}, it must be a list")
    return {"slice_functions": tuple(slicer_of(f) for f in given), "experimental_slice_functions": None}


def _slicing_config(options: StatsOptions) -> dict[str, Any]:
    from trueline.data_validation.slicing_config import parse_slicing_config

    if options.slicing_config is None:
        return {}
    return {"slicing_config": parse_slicing_config(options.slicing_config)}


def _slices(options: StatsOptions) -> dict[str, Any]:
    from trueline.data_validation.slicing import expression_slicer

    if not _is_list(options.slices):
        raise ConfigError(f"it is a {type(options.slices).__name__}, it must be a list")
    slicers = [expression_slicer(given) for given in options.slices]
    names = [slicer.name for slicer in slicers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"two slices have the name {twice[0]!r}")
    return {"slices": tuple((slicer.name, slicer.expression) for slicer in slicers)}


def _sketch(options: StatsOptions) -> dict[str, Any]:
    first, second = options.use_sketch_based_topk_uniques, options.experimental_use_sketch_based_topk_uniques
    if any(v is not None and not isinstance(v, bool) for v in (first, second)):
        raise ConfigError("it must be True, False or None")
    if first is not None and second is not None and first != second:
        raise ConfigError("it is given twice, also as experimental_use_sketch_based_topk_uniques, with another value")
    return {
        "use_sketch_based_topk_uniques": second if first is None else first,
        "experimental_use_sketch_based_topk_uniques": None,
    }


def _overrides(options: StatsOptions) -> dict[str, Any]:
    given = options.per_feature_weight_override
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(column, str) for column in given.values()):
        raise ConfigError("it must be a dict of feature -> the column that weighs it")
    return {"per_feature_weight_override": {FeaturePath.of(path): column for path, column in given.items()}}


def _per_feature(options: StatsOptions) -> dict[str, Any]:
    from trueline.data_validation.options import PerFeatureStatsConfig

    given = options.per_feature_stats_config
    if given is not None and not isinstance(given, PerFeatureStatsConfig):
        raise ConfigError(f"it is a {type(given).__name__}, it must be a PerFeatureStatsConfig")
    return {}


def _tuples(options: StatsOptions) -> dict[str, Any]:
    names = ("feature_allowlist", "lift_boundaries", "cross_features")
    return {name: tuple(getattr(options, name)) for name in names if _is_list(getattr(options, name))}


_CONVERSIONS: dict[str, Callable[[StatsOptions], dict[str, Any]]] = {
    "generators": _generators,
    "slice_functions": _slice_functions,
    "slicing_config": _slicing_config,
    "slices": _slices,
    "use_sketch_based_topk_uniques": _sketch,
    "per_feature_weight_override": _overrides,
    "per_feature_stats_config": _per_feature,
    "lists": _tuples,
}

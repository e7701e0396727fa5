"""Running upstream's golden cases of the default statistics, of whole passes and of their pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from conformance import Unsupported, _columns
from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

import trueline.data_validation as dv
from trueline._core.errors import TruelineError
from trueline.data_validation.histograms import fill_between, fill_standard_histogram
from trueline.data_validation.numeric import Numbers
from trueline.data_validation.plan import FeaturePlan
from trueline.data_validation.quantiles import QuantileSummary
from trueline.engine import Block, Dataset, LocalEngine, Shard
from trueline.schema.paths import FeaturePath

GENERATORS = ("BasicStatsGenerator", "TopKUniquesStatsGenerator", "TopKUniquesSketchStatsGenerator")
PASSES = ("generate_statistics_in_memory", "generate_statistics_beam")
FUNCTIONS = (
    "quantiles_util.find_median",
    "quantiles_util.generate_equi_width_histogram",
    "quantiles_util.generate_quantiles_histogram",
    "quantiles_util.rebin_quantiles",
)
# How upstream's runner or one of its classes works, not what comes out.
_NO_MEANING = frozenset(
    {"desired_batch_size", "epsilon", "num_misragries_buckets", "num_kmv_buckets", "length_counter_sampling_rate"}
)
_SHOWN_AS_CUSTOM = {
    "topk_sketch_rank_histogram": lambda stats: stats.rank_histogram,
    "weighted_topk_sketch_rank_histogram": lambda stats: stats.weighted_string_stats.rank_histogram,
    "uniques_sketch_num_uniques": lambda stats: stats.unique,
}

Found = dict[str, dict[tuple[str, ...], Any]]


def case_passes(case: dict[str, Any]) -> bool:
    """Whether every figure that the case expects is found, at the case's tolerance."""
    if case["op"] in FUNCTIONS:
        return _function_passes(case)
    try:
        datasets = _run(case)
    except (Unsupported, TruelineError, pa.ArrowException):
        return False
    found: Found = {name: {_path(f): f for f in dataset.features} for name, dataset in datasets.items()}
    as_custom = bool((case.get("options") or {}).get("store_output_in_custom_stats"))
    for name, wanted in _expected(case):
        if isinstance(wanted, statistics_pb2.CrossFeatureStatistics):
            if not any(_within(wanted, cross) for cross in datasets[name].cross_features):
                return False
            continue
        feature = found.get(name, {}).get(_path(wanted))
        if feature is None or not (_custom_as_fields(wanted, feature) if as_custom else _agrees(wanted, feature)):
            return False
    return True


def _path(feature: Any) -> tuple[str, ...]:
    return tuple(feature.path.step) or (feature.name,)


def _expected(case: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Dataset name and what it must hold."""
    expected = case["expected"]
    for item in expected.get("features", []):
        yield "", text_format.Parse(item["pbtxt"], statistics_pb2.FeatureNameStatistics())
    for item in expected.get("datasets", []):
        parsed = text_format.Parse(item["pbtxt"], statistics_pb2.DatasetFeatureStatistics())
        yield from ((item["slice_key"] or "", feature) for feature in parsed.features)
    if "statistics" in expected:
        parsed = text_format.Parse(expected["statistics"], statistics_pb2.DatasetFeatureStatisticsList())
        for dataset in parsed.datasets:
            yield from ((dataset.name, feature) for feature in (*dataset.features, *dataset.cross_features))


def _options(case: dict[str, Any]) -> dict[str, Any]:
    asked = {k: v for k, v in (case.get("options") or {}).items() if v is not None and k not in _NO_MEANING}
    asked.pop("store_output_in_custom_stats", None)
    if weights := asked.pop("example_weight_map", None):
        asked["weight_feature"] = weights["weight_feature"]
        overrides = {FeaturePath.of(o["path"]): o["column"] for o in weights["per_feature_override"]}
        asked["per_feature_weight_override"] = overrides or None
    if config := asked.pop("feature_config", None):
        config = config["per_feature_stats_config"]
        paths = [item["path"] for item in config["histogram_paths"]]
        asked["per_feature_stats_config"] = dv.PerFeatureStatsConfig(paths, config["histogram_mode"].upper())
    if "schema" in asked:
        asked["schema"] = text_format.Parse(asked["schema"]["pbtxt"], schema_pb2.Schema())
    if "slicing_config" in asked:
        asked["slicing_config"] = asked["slicing_config"]["pbtxt"]
    if functions := asked.pop("experimental_slice_functions", None):
        asked["experimental_slice_functions"] = [
            dv.get_feature_value_slicer(dict(function["feature_value_slicer"])) for function in functions
        ]
    if generators := asked.pop("generators", None):
        if [g["generator"] for g in generators] != ["CrossFeatureStatsGenerator"]:
            raise Unsupported("generators")
        asked["cross_features"] = True
    return asked


def _run(case: dict[str, Any]) -> dict[str, Any]:
    """The datasets of the answer by name; batches that belong to a slice are a dataset of their own."""
    options = dv.StatsOptions(**_options(case))
    by_slice: dict[str, list[dict[str, Any]]] = {}
    for batch in case["batches"]:
        by_slice.setdefault(batch.get("slice_key") or "", []).append(batch)
    datasets = {}
    for key, batches in (by_slice or {"": []}).items():
        found = dv.generate_statistics(_dataset(batches), options, LocalEngine(1))
        datasets.update({dataset.name or key: dataset for dataset in found.datasets})
    return datasets


def _dataset(batches: list[dict[str, Any]]) -> Dataset:
    """Each batch a block; a column that a batch lacks is null there."""
    tables = [pa.table(_columns(batch)) if batch["columns"] else None for batch in batches]
    schemas = [table.schema for table in tables if table is not None]
    schema = pa.unify_schemas(schemas, promote_options="permissive") if schemas else pa.schema([])
    blocks = []
    for i, (batch, table) in enumerate(zip(batches, tables, strict=True)):
        columns = {
            f.name: table.column(f.name).cast(f.type)
            if table is not None and f.name in table.schema.names
            else pa.nulls(batch["num_rows"], f.type)
            for f in schema
        }
        blocks.append(Block(i, "", 0, batch["num_rows"], pa.table(columns, schema=schema)))
    return Dataset((Shard(0, tuple(blocks)),), schema)


# --- comparing ---


def _agrees(wanted: Any, found: Any) -> bool:
    custom = {stat.name: stat for stat in found.custom_stats}
    return _within(wanted, found) and all(
        stat.name in custom and _custom_within(stat, custom[stat.name]) for stat in wanted.custom_stats
    )


def _custom_within(wanted: Any, found: Any) -> bool:
    if wanted.name.endswith("value_list_length_standard"):  # upstream: interpolated from very few quantiles
        one, two = wanted.histogram.buckets, found.histogram.buckets
        return _edges_of(one) == _edges_of(two) and math.isclose(_total(one), _total(two), rel_tol=1e-4)
    return _within(wanted, found)


def _edges_of(buckets: Any) -> list[tuple[float, float]]:
    return [(round(b.low_value, 6), round(b.high_value, 6)) for b in buckets]


def _total(buckets: Any) -> float:
    return sum(b.sample_count for b in buckets)


def _custom_as_fields(wanted: Any, found: Any) -> bool:
    """Whether string statistics hold what upstream's generator can put into custom statistics instead."""
    for stat in wanted.custom_stats:
        value = _SHOWN_AS_CUSTOM[stat.name](found.string_stats)
        if not (value == stat.num if stat.WhichOneof("val") == "num" else _within(stat.rank_histogram, value)):
            return False
    return True


def _within(wanted: Any, found: Any) -> bool:
    """Whether all that is set in `wanted` is in `found`, and `found` sets nothing more where it is compared."""
    if isinstance(wanted, statistics_pb2.Histogram) and wanted.type == statistics_pb2.Histogram.STANDARD:
        return _close_histogram(wanted, found)
    for field, value in wanted.ListFields():
        if field.name in ("path", "path_x", "path_y", "custom_stats", "name"):
            continue
        if not _same(field, value, getattr(found, field.name)):
            return False
    extra = {f.name for f, _ in found.ListFields()} - {f.name for f, _ in wanted.ListFields()}
    return not (isinstance(wanted, statistics_pb2.CommonStatistics) and extra)


def _same(field: FieldDescriptor, value: Any, other: Any) -> bool:
    if field.message_type is not None:
        if not hasattr(value, "ListFields"):
            return len(value) == len(other) and all(_within(a, b) for a, b in zip(value, other, strict=True))
        return _within(value, other)
    if isinstance(value, float):
        return value == other or math.isclose(value, other, rel_tol=1e-4) or (math.isnan(value) and math.isnan(other))
    return bool(value == other)


def _close_histogram(wanted: Any, found: Any) -> bool:
    """Equal bounds; counts as near as upstream's interpolation from 1000 quantiles is to the truth."""
    total = _total(wanted.buckets)
    return (
        wanted.num_nan == found.num_nan
        and len(wanted.buckets) == len(found.buckets)
        and all(
            math.isclose(a.low_value, b.low_value, rel_tol=1e-4, abs_tol=1e-6)
            and math.isclose(a.high_value, b.high_value, rel_tol=1e-4, abs_tol=1e-6)
            and abs(a.sample_count - b.sample_count) <= 0.01 * total + 1e-6
            for a, b in zip(wanted.buckets, found.buckets, strict=True)
        )
    )


# --- pure functions ---


def _reals(values: list[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([float(v.replace("Infinity", "inf")) if isinstance(v, str) else float(v) for v in values])


def _summary(args: dict[str, Any]) -> QuantileSummary:
    """The summary whose points are the given quantiles, each with the weight that it adds."""
    values, counts = _reals(args["quantiles"]), _reals(args["cumulative_counts"])
    summary = QuantileSummary(10_000, values, np.diff(counts, prepend=0.0), 0.0)
    summary._join_equal()
    return summary


def _function_passes(case: dict[str, Any]) -> bool:
    args, op = case["args"], case["op"].partition(".")[2]
    if op == "find_median":
        numbers = _reals(args["quantiles"])
        return (
            float(QuantileSummary.of_sorted(numbers, 16).quantiles(2, numbers[0], numbers[-1])[1]) == case["expected"]
        )
    if op not in ("generate_quantiles_histogram", "generate_equi_width_histogram"):
        return False
    wanted, found = text_format.Parse(case["expected"]["pbtxt"], statistics_pb2.Histogram()), statistics_pb2.Histogram()
    if op == "generate_quantiles_histogram":
        fill_between(found, _summary(args), _reals(args["quantiles"]))
        return bool(wanted.type == found.type) and _within(wanted, found)
    fill_standard_histogram(found, _numbers(args), int(args["num_buckets"]))
    return len(wanted.buckets) == len(found.buckets) and all(map(_within, wanted.buckets, found.buckets))


def _numbers(args: dict[str, Any]) -> Numbers:
    """Numbers of which these are the quantiles."""
    numbers = Numbers({"max_quantile_points": 10_000}, FeaturePlan(("x",), "FLOAT", "numeric", 0))
    summary = _summary(args)
    finite = np.isfinite(summary.values)
    numbers.low, numbers.high = _reals([args["finite_min"], args["finite_max"]])
    numbers.summary = QuantileSummary(10_000, summary.values[finite], summary.weights[finite], 0.0)
    numbers.moments.count = float(numbers.summary.count) if finite.any() else 0.0
    numbers.negative_infinite = summary.weights[summary.values == -np.inf].sum()
    numbers.positive_infinite = float(args["num_pos_inf"])  # type: ignore[assignment]
    return numbers

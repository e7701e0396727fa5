"""Running upstream's golden cases: parsing their inputs, calling this room, comparing with what is expected."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

import trueline.data_validation as dv
from trueline._core.errors import TruelineError
from trueline.engine import Block, Dataset, LocalEngine, Shard

STATISTICS = (
    "statistics",
    "previous_statistics",
    "serving_statistics",
    "previous_span_statistics",
    "previous_version_statistics",
)


class Unsupported(Exception):
    """The case asks for something that this room does not offer."""


def cases(path: Path) -> Iterator[dict[str, Any]]:
    """One case a line."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _parsed(text: Any, message: Any) -> Any:
    """A message; whatever is no text is passed on as it is, to be refused."""
    return text_format.Parse(text, message) if isinstance(text, str) else text


def run_validation(case: dict[str, Any]) -> Any:
    """What this room answers to a case of validation.jsonl; errors of its own are answers."""
    op, options = case["op"], dict(case.get("options") or {})
    found = {
        name: _parsed(case[name], statistics_pb2.DatasetFeatureStatisticsList()) for name in STATISTICS if name in case
    }
    schema = _parsed(case["schema"], schema_pb2.Schema()) if "schema" in case else None
    if "previous_span_statistics" in found:
        found["previous_statistics"] = found.pop("previous_span_statistics")
    asked = dict(options.pop("validation_options", {}))
    if asked.pop("new_features_are_warnings", False):
        options["severity_overrides"] = {"SCHEMA_NEW_COLUMN": "WARNING"}
    if asked or "stats_options" in options or op in ("validate_instance", "validate_corresponding_slices"):
        raise Unsupported(op)
    try:
        if op == "infer_schema":
            return dv.infer_schema(found["statistics"], **options)
        if op == "update_schema":
            return dv.update_schema(schema, found["statistics"], **options)
        return dv.validate_statistics(schema=schema, environment=case.get("environment"), **found, **options)
    except TruelineError as error:
        return error


def validation_passes(case: dict[str, Any]) -> bool:
    """Whether the answer has the expected schema, or types, paths, severities and measurements of anomalies."""
    try:
        got = run_validation(case)
    except Unsupported:
        return False
    if "expected_error" in case or isinstance(got, TruelineError):
        return "expected_error" in case and isinstance(got, TruelineError)
    expected = case["expected"]
    if "schema" in expected:
        return bool(got == text_format.Parse(expected["schema"], schema_pb2.Schema()))
    return _essence(got) == _essence(text_format.Parse(expected["anomalies"], anomalies_pb2.Anomalies()))


def _essence(found: anomalies_pb2.Anomalies) -> Any:
    name = anomalies_pb2.AnomalyInfo.Type.Name
    features = {
        path: (sorted(name(r.type) for r in info.reason), info.severity, list(info.path.step))
        for path, info in found.anomaly_info.items()
    }
    measured = sorted(
        (
            tuple(info.path.step),
            *(
                tuple((m.type, round(m.value, 5), m.threshold) for m in side)
                for side in (info.drift_measurements, info.skew_measurements)
            ),
        )
        for info in found.drift_skew_info
    )
    return features, sorted(name(r.type) for r in found.dataset_anomaly_info.reason), found.data_missing, measured


# --- statistics ---

OPTIONS = frozenset(
    {
        "num_top_values",
        "frequency_threshold",
        "num_rank_histogram_buckets",
        "num_values_histogram_buckets",
        "num_histogram_buckets",
        "num_quantiles_histogram_buckets",
        "feature_allowlist",
        "schema",
    }
)
IGNORED = frozenset(
    {
        "epsilon",
        "desired_batch_size",
        "num_misragries_buckets",
        "num_kmv_buckets",
        "use_sketch_based_topk_uniques",
        "enable_semantic_domain_stats",
        "weighted_frequency_threshold",
        "semantic_domain_stats_sample_rate",
    }
)
GENERATORS = frozenset({"BasicStatsGenerator", "TopKUniquesStatsGenerator", "TopKUniquesSketchStatsGenerator"})


def statistics_pass(case: dict[str, Any]) -> bool:
    """Whether every figure that the case expects is found, at the case's tolerance."""
    try:
        if "expected_error" in case:
            return False
        got = _run_statistics(case)
    except (Unsupported, TruelineError, pa.ArrowException):
        return False
    for wanted in _expected_features(case):
        found = got.get(_path(wanted))
        if found is None or not _within(wanted, found):
            return False
    return True


def _path(feature: Any) -> tuple[str, ...]:
    return tuple(feature.path.step) or (feature.name,)


def _expected_features(case: dict[str, Any]) -> Iterator[Any]:
    expected = case["expected"]
    for item in expected.get("features", []):
        yield text_format.Parse(item["pbtxt"], statistics_pb2.FeatureNameStatistics())
    for item in expected.get("datasets", []):
        if item["slice_key"] is not None:
            raise Unsupported("slices")
        yield from text_format.Parse(item["pbtxt"], statistics_pb2.DatasetFeatureStatistics()).features
    if "statistics" in expected:
        parsed = text_format.Parse(expected["statistics"], statistics_pb2.DatasetFeatureStatisticsList())
        if len(parsed.datasets) != 1:
            raise Unsupported("slices")
        yield from parsed.datasets[0].features
    if not expected.keys() & {"features", "datasets", "statistics"} or expected.get("cross_features"):
        raise Unsupported("cross features")


def _run_statistics(case: dict[str, Any]) -> dict[tuple[str, ...], Any]:
    if case.get("generator", "BasicStatsGenerator") not in GENERATORS:
        raise Unsupported("generator")
    if not case["op"].startswith("generate_statistics") and "generator" not in case:
        raise Unsupported(case["op"])
    asked = {k: v for k, v in (case.get("options") or {}).items() if v is not None and k not in IGNORED}
    if asked.get("example_weight_map", {}).get("weight_feature") is None:
        asked.pop("example_weight_map", None)
    if asked.keys() - OPTIONS or any("slice_key" in b and b["slice_key"] for b in case["batches"]):
        raise Unsupported(str(asked.keys() - OPTIONS))
    if "schema" in asked:
        asked["schema"] = text_format.Parse(asked["schema"]["pbtxt"], schema_pb2.Schema())
    tables = [pa.table(_columns(b), schema=None) if b["columns"] else None for b in case["batches"]]
    schemas = [t.schema for t in tables if t is not None]
    schema = pa.unify_schemas(schemas, promote_options="permissive") if schemas else pa.schema([])
    blocks = []
    for i, (batch, table) in enumerate(zip(case["batches"], tables, strict=True)):
        columns = {
            f.name: table.column(f.name).cast(f.type)
            if table is not None and f.name in table.schema.names
            else pa.nulls(batch["num_rows"], f.type)
            for f in schema
        }
        blocks.append(Block(i, "", 0, batch["num_rows"], pa.table(columns, schema=schema)))
    dataset = Dataset((Shard(0, tuple(blocks)),), schema)
    found = dv.generate_statistics(dataset, dv.StatsOptions(**asked), LocalEngine(1)).datasets[0]
    return {_path(feature): feature for feature in found.features}


def _columns(batch: dict[str, Any]) -> dict[str, pa.Array]:
    return {c["name"]: pa.array([_value(v) for v in c["values"]], _arrow_type(c["type"])) for c in batch["columns"]}


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return [_value(v) for v in value]
    if isinstance(value, dict):
        if value.keys() == {"b64"}:
            return base64.b64decode(value["b64"])
        return {name: _value(v) for name, v in value.items()}
    if isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity"):
        return float(value.replace("Infinity", "inf"))
    return value


def _arrow_type(text: str) -> pa.DataType:
    if match := re.fullmatch(r"(?:large_)?list<(.*)>", text):
        return pa.list_(_arrow_type(match[1]))
    if match := re.fullmatch(r"struct<(.*)>", text):
        return pa.struct([pa.field(name, _arrow_type(kind)) for name, kind in _fields(match[1])])
    leaves = {"utf8": pa.string(), "large_utf8": pa.string(), "binary": pa.binary(), "large_binary": pa.binary()}
    return leaves.get(text) or getattr(pa, text if text != "bool" else "bool_")()


def _fields(text: str) -> Iterator[tuple[str, str]]:
    depth, start = 0, 0
    for i, char in enumerate([*text, ","]):
        depth += (char == "<") - (char == ">")
        if char == "," and depth == 0:
            name, _, kind = text[start:i].partition(":")
            yield json.loads(name), kind
            start = i + 1


def _within(wanted: Any, found: Any) -> bool:
    """Whether all that is set in `wanted` is in `found`, and `found` sets nothing more where it is compared."""
    if isinstance(wanted, statistics_pb2.Histogram) and wanted.type == statistics_pb2.Histogram.STANDARD:
        return _close_histogram(wanted, found)
    for field, value in wanted.ListFields():
        if field.name in ("path", "custom_stats", "name"):
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
    total = sum(b.sample_count for b in wanted.buckets)
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

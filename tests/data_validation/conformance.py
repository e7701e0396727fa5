"""Running upstream's golden cases: parsing their inputs, calling this room, comparing with what is expected."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

import trueline.data_validation as dv
from trueline._core.errors import TruelineError

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
    if "features_needed" in asked:
        options["features_needed"] = [tuple(needed["path"]) for needed in asked.pop("features_needed")]
    options |= asked
    try:
        if op == "infer_schema":
            return dv.infer_schema(found["statistics"], **options)
        if op == "update_schema":
            return dv.update_schema(schema, found["statistics"], **options)
        if op == "validate_instance":
            return _run_instance(case, schema, options.pop("stats_options", None))
        if op == "validate_corresponding_slices":
            return dv.validate_corresponding_slices(schema=schema, environment=case.get("environment"), **found)
        return dv.validate_statistics(schema=schema, environment=case.get("environment"), **found, **options)
    except TruelineError as error:
        return error


def _run_instance(case: dict[str, Any], schema: Any, options: Any) -> Any:
    asked: Any = {} if isinstance(options, dict) and "invalid_type" in options else dv.StatsOptions(schema=schema)
    batch = pa.RecordBatch.from_pydict(_columns(case["instance"]))
    return dv.validate_instance(batch, asked, case.get("environment"))


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


# --- Arrow columns of cases ---


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

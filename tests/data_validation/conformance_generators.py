"""Running upstream's golden cases of the generators beside the basic ones: one accumulator, states merged."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from conformance import _columns, _value
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from trueline.data_validation.generators.base import features_spec, parts_spec
from trueline.data_validation.generators.cross import crossed_pairs
from trueline.data_validation.generators.lengths import composite_plan
from trueline.data_validation.generators.pairs import binned
from trueline.data_validation.generators.tokens import domain_options
from trueline.engine.base import AccumulatorSpec
from trueline.schema.features import find_feature, walk_features

Spec = AccumulatorSpec[Any]
_FEATURE_PARTS = {
    "EmptyValueCounterGenerator": "empties:EmptyValues",
    "ImageStatsGenerator": "images:ImageGuess",
    "NLDomainInferringStatsGenerator": "texts:NaturalLanguageGuess",
    "TimeStatsGenerator": "times:TimeGuess",
}
_RENAMED = {"is_image_ratio_threshold": "match_ratio"}


def generator_cases(path: Path, generator: str) -> Iterator[dict[str, Any]]:
    """The cases of one generator."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            case = json.loads(line)
            if generator in (case.get("generator"), case["op"]):
                yield case


def case_passes(case: dict[str, Any]) -> bool:
    """Whether the accumulator, a state for each batch and merged from left and from right, gives what is expected."""
    spec = _spec(case)
    if spec is None:
        return not any(item["pbtxt"] for item in case["expected"]["features"])
    return all(_agrees(case, run(spec, case["batches"], rightward)) for rightward in (True, False))


def run(spec: Spec, batches: list[dict[str, Any]], rightward: bool = True) -> Any:
    """The result over batches, each through the bytes of its state."""
    states = []
    for batch in batches:
        accumulator = spec.new()
        accumulator.update(_record_batch(batch))
        states.append(accumulator.state())
    merged = [spec.load(state) for state in states] or [spec.new()]
    while len(merged) > 1:
        if rightward:
            merged[0].merge(merged.pop(1))
        else:
            last = merged.pop()
            merged[-1].merge(last)
    return spec.load(merged[0].state()).finish()


def lift_passes(case: dict[str, Any]) -> bool:
    """Whether lift gives the expected messages of each slice, in any order."""
    spec = lift_spec(case)
    by_slice: dict[Any, list[Any]] = {}
    for batch in case["batches"]:
        by_slice.setdefault(batch["slice_key"], []).append(batch)
    for key, batches in by_slice.items():
        wanted = [_pieces(item["pbtxt"]) for item in case["expected"]["datasets"] if item["slice_key"] == key]
        got = run(spec, batches)
        found = sorted(m.SerializeToString(deterministic=True) for m in _messages(got))
        expected = [m for piece in wanted for m in piece]
        if len(found) != len(expected):
            return False
        for message in expected:
            if not any(same_proto(message, other) for other in _messages(got)):
                return False
    return True


def _pieces(text: str) -> list[Any]:
    return _messages(text_format.Parse(text, statistics_pb2.DatasetFeatureStatistics()))


def _messages(dataset: Any) -> list[Any]:
    return [*dataset.features, *dataset.cross_features]


def lift_spec(case: dict[str, Any]) -> Spec:
    options = case["options"]
    y = tuple(options["y_path"]["path"])
    schema = schema_of(options)
    paths = [tuple(item["path"]) for item in options.get("x_paths") or []]
    if schema is not None:
        paths = [p.steps for p, f in walk_features(schema) if _categorical(f) and p.steps != y]
    weights = options.get("example_weight_map") or {}
    default = weights.get("weight_feature")
    override = {tuple(item["path"]): item["column"] for item in weights.get("per_feature_override", [])}
    names = ("y_boundaries", "min_x_count", "top_k_per_y", "bottom_k_per_y", "output_custom_stats")
    params = {name: options[name] for name in names if options.get(name) is not None}
    params.update(y_path=list(y), x_paths=[list(p) for p in paths], y_weight=override.get(y, default))
    params["x_weights"] = [override.get(p, default) for p in paths]
    return AccumulatorSpec("trueline.data_validation.generators.lift:Lift", params)


def _categorical(feature: Any) -> bool:
    domain = feature.WhichOneof("domain_info")
    text = feature.type == schema_pb2.BYTES
    return text or domain == "bool_domain" or (domain == "int_domain" and feature.int_domain.is_categorical)


def cross_passes(case: dict[str, Any]) -> bool:
    """Whether covariance and correlation are as expected; all pairs of columns are asked where none are named."""
    names = {c["name"] for b in case["batches"] for c in b["columns"]}
    pairs = case["options"].get("feature_crosses") or crossed_pairs(sorted(names))
    spec = Spec("trueline.data_validation.generators.cross:CrossMoments", {"pairs": pairs})
    expected = [
        text_format.Parse(item["pbtxt"], statistics_pb2.CrossFeatureStatistics())
        for item in case["expected"].get("cross_features", [])
    ]
    for rightward in (True, False):
        found = list(run(spec, case["batches"], rightward).cross_features)
        if len(found) != len(expected) or not all(map(same_proto, expected, found)):
            return False
    return True


def language_passes(case: dict[str, Any], folder: Path) -> bool:
    """Whether the natural-language statistics are as expected; vocabularies become files in a folder."""
    options = case["options"]
    paths = {}
    for name, tokens in (options.get("vocabularies") or {}).items():
        paths[name] = str(folder / f"{name}.txt")
        Path(paths[name]).write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    schema = schema_of(options)
    domain = find_feature(schema, case["feature_path"]).natural_language_domain if schema is not None else None
    rules = domain_options(domain, paths) if domain is not None else {}
    buckets = {name: value for name, value in options.items() if name.startswith("num_")}
    feature = {"path": case["feature_path"], "options": {"rules": rules, **buckets}}
    plan = parts_spec("language:LanguageStatistics", [feature])
    batches = [
        {**batch, "columns": [{**c, "name": case["feature_path"][0]} for c in batch["columns"]]}
        for batch in case["batches"]
    ]
    return all(_agrees(case, run(plan[0], batches, rightward), _unpacked) for rightward in (True, False))


def _unpacked(message: Any) -> Any:
    found = statistics_pb2.NaturalLanguageStatistics()
    assert [stat.name for stat in message.custom_stats] == ["nl_statistics"]
    assert message.custom_stats[0].any.Unpack(found)
    return found


def _record_batch(batch: dict[str, Any]) -> pa.RecordBatch:
    columns = _columns(batch)
    if not columns:
        return pa.RecordBatch.from_struct_array(pa.array([{}] * batch["num_rows"], pa.struct([])))
    return pa.RecordBatch.from_pydict(columns)


def bins_pass(case: dict[str, Any]) -> bool:
    """Whether the bins of a numeric label are as expected."""
    given = case["args"]["array"]
    values = pa.array([_value(v) for v in given["values"]], getattr(pa, given["type"])())
    found = binned(values, np.array(case["args"]["boundaries"]))
    return [part.tolist() for part in found] == case["expected"]


def schema_of(options: dict[str, Any]) -> Any:
    """The schema of a case, or None."""
    given = options.get("schema")
    return text_format.Parse(given["pbtxt"], schema_pb2.Schema()) if given else None


def _spec(case: dict[str, Any]) -> Spec | None:
    generator, options = case["generator"], dict(case["options"])
    if generator in _FEATURE_PARTS:
        options = {_RENAMED.get(name, name): value for name, value in options.items()}
        plan = features_spec(_FEATURE_PARTS[generator], [case["feature_path"]], options)
    else:
        columns = list(dict.fromkeys(c["name"] for b in case["batches"] for c in b["columns"]))
        plan = composite_plan(schema_of(options), columns)
    return plan[0] if plan is not None else None


def _agrees(case: dict[str, Any], got: Any, view: Callable[[Any], Any] = lambda message: message) -> bool:
    """Whether the features that are expected are found, and no others."""
    wanted = {
        tuple(item["path"]): text_format.Parse(item["pbtxt"], statistics_pb2.FeatureNameStatistics())
        for item in case["expected"]["features"]
    }
    found = {tuple(feature.path.step): feature for feature in got.features}
    for path, message in wanted.items():
        other = found.pop(path, statistics_pb2.FeatureNameStatistics())
        message.ClearField("path")
        other.ClearField("path")
        if not same_proto(view(message), view(other)):
            return False
    return not found


def same_proto(one: Any, two: Any) -> bool:
    """Whether two messages are equal, numbers within the cases' tolerance of 1e-4."""
    mine, other = one.ListFields(), two.ListFields()
    return [f.name for f, _ in mine] == [f.name for f, _ in other] and all(
        _same(a, b) for (_, a), (_, b) in zip(mine, other, strict=True)
    )


def _same(one: Any, two: Any) -> bool:
    if hasattr(one, "ListFields"):
        return same_proto(one, two)
    if isinstance(one, float):
        return math.isclose(one, two, rel_tol=1e-4) or one == two
    if isinstance(one, str | bytes | int):
        return bool(one == two)
    return len(one) == len(two) and all(map(_same, one, two))

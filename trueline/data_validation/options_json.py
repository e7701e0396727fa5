"""`StatsOptions` as JSON, with the keys of TensorFlow Data Validation where it has them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from trueline._core.errors import ConfigError, TruelineError, did_you_mean
from trueline.data_validation.options import PerFeatureStatsConfig, StatsOptions
from trueline.schema.paths import FeaturePath

__all__ = ["options_from_json", "options_to_json"]

_TYPE = "TYPE_NAME"
_WHERE = "StatsOptions"


def _proto_text(message: Any) -> str:
    from google.protobuf import json_format

    return str(json_format.MessageToJson(message))


def _schema(text: str) -> Any:
    from google.protobuf import json_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    return json_format.Parse(text, schema_pb2.Schema())


def _slicing_config(text: str) -> Any:
    from google.protobuf import json_format

    from trueline.data_validation.slicing_config import slicing_config_class

    return json_format.Parse(text, slicing_config_class()())


def _path(key: str) -> FeaturePath:
    """A path from its JSON: a list of steps, or a plain name."""
    steps = json.loads(key) if key.startswith("[") else [key]
    if not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
        raise ValueError(f"{key!r} is no feature path")
    return FeaturePath(tuple(steps))


def _slicer(data: Any) -> Any:
    from trueline.data_validation.slicing import slicer_from_json

    return slicer_from_json(data)


def _to_pairs(overrides: Mapping[FeaturePath, str]) -> dict[str, str]:
    return {json.dumps(list(path.steps)): column for path, column in overrides.items()}


# Option -> its key in JSON, how it is written, how it is read.
_SPECIAL: dict[str, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "schema": ("schema_json", _proto_text, _schema),
    "slicing_config": ("slicing_config_json", _proto_text, _slicing_config),
    "per_feature_weight_override": (
        "per_feature_weight_override_json",
        _to_pairs,
        lambda data: {_path(key): column for key, column in data.items()},
    ),
    "generators": ("generators", lambda found: [g.to_json() for g in found], list),
    "slice_functions": (
        "slice_functions",
        lambda found: [s.to_json() for s in found],
        lambda data: [_slicer(d) for d in data],
    ),
    "per_feature_stats_config": (
        "per_feature_stats_config",
        lambda config: {"paths": [list(p.steps) for p in config.paths], "mode": config.mode},
        lambda data: PerFeatureStatsConfig(data["paths"], data["mode"]),
    ),
}
_BY_KEY = {key: name for name, (key, _, _) in _SPECIAL.items()}
_NAMES = frozenset(field.name for field in fields(StatsOptions))


def options_to_json(options: StatsOptions) -> str:
    """Canonical JSON of options."""
    found: dict[str, Any] = {_TYPE: "StatsOptions"}
    for name in sorted(_NAMES):
        value = getattr(options, name)
        if name in _SPECIAL:
            key, write, _ = _SPECIAL[name]
            if value is not None:
                found[key] = write(value)
        else:
            found[name] = value
    return json.dumps(found, sort_keys=True, allow_nan=False)


def options_from_json(text: str) -> StatsOptions:
    """The options that `options_to_json` wrote; upstream's keys with a leading ``_`` are read too.

    Raises:
        ConfigError: for text that is no JSON object, unknown options, and values that are wrong.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"the text is no JSON: {error}", where=_WHERE) from error
    if not isinstance(data, dict) or data.pop(_TYPE, "StatsOptions") != "StatsOptions":
        raise ConfigError("the JSON describes no StatsOptions", where=_WHERE)
    found: dict[str, Any] = {}
    problems: list[str] = []
    for key, value in data.items():
        name = _BY_KEY.get(key) or key.removeprefix("_")
        if name not in _NAMES:
            problems.append(f"{key!r} is no option: {did_you_mean(name, sorted(_NAMES))}")
        elif value is not None:
            try:
                found[name] = _SPECIAL[name][2](value) if name in _SPECIAL else value
            except TruelineError as error:
                problems.append(f"{key}: {error.message}")
            except Exception as error:  # the JSON comes from outside: whatever a reader trips on is its fault
                problems.append(f"{key} cannot be read: {error}")
    if problems:
        raise ConfigError("these options cannot be used", where=_WHERE, problems=problems)
    return StatsOptions(**found)

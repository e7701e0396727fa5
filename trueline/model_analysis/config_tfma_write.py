"""`EvalConfig` -> TFMA's text proto. What is ours alone is refused, all of it at once."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from trueline._core.errors import ConfigError
from trueline.model_analysis.config import EvalConfig
from trueline.model_analysis.config_fields import MESSAGES, Tree
from trueline.model_analysis.config_proto_json import read_value
from trueline.model_analysis.config_text_write import write_text

__all__ = ["config_to_text"]

# Written even where they hold their default: without them the message would say less than was meant.
_KEPT = frozenset(
    {
        ("CrossSlicingSpec", "baseline_spec"),
        ("PerSliceMetricThreshold", "threshold"),
        ("CrossSliceMetricThreshold", "threshold"),
    }
)


def config_to_text(config: EvalConfig) -> str:
    """The configuration as TFMA's text proto.

    Raises:
        ConfigError: listing everything that has no place there.
    """
    problems: list[str] = []
    tree = _tree(config, "EvalConfig", "", problems)
    if problems:
        raise ConfigError(
            "the evaluation config says what TFMA's proto cannot",
            problems=problems,
            hint="leave these out, or keep the config as JSON with to_json().",
        )
    return write_text(tree, "EvalConfig")


def _tree(record: Any, message: str, path: str, problems: list[str]) -> Tree:
    """The fields of a dataclass that do not hold their default, as `write_text` takes them."""
    fields = MESSAGES[message]
    tree: Tree = {}
    for field in dataclasses.fields(record):
        item = getattr(record, field.name)
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        place = f"{path}.{field.name}" if path else field.name
        if (message, field.name) == ("GenericChangeThreshold", "test"):
            if item != "value":  # TFMA knows this one, which is not our default
                problems.append(f"{place} is {item!r}, the proto knows 'value' alone")
        elif item is None or (item == default and (message, field.name) not in _KEPT):
            continue
        elif field.name not in fields:
            problems.append(f"{place} = {_short(item)} has no place in the proto")
        else:
            tree[field.name] = _field(item, message, field.name, place, problems)
    return {name: tree[name] for name in fields if name in tree}


def _field(item: Any, message: str, name: str, path: str, problems: list[str]) -> Any:
    field = MESSAGES[message][name]
    if (message, name) == ("MetricConfig", "config"):
        return _options_text(item, path, problems)
    if field.kind in ("RepeatedInt32Value", "RepeatedStringValue"):
        return read_value({"values": list(item)}, field.kind, path, problems)
    if field.key is not None:
        kind = field.key
        return {
            read_value(k, kind, path, problems): _value(v, field.kind, f"{path}[{k!r}]", problems)
            for k, v in item.items()
        }
    if field.many:
        return [_value(v, field.kind, f"{path}[{i}]", problems) for i, v in enumerate(item)]
    return _value(item, field.kind, path, problems)


def _value(item: Any, kind: str, path: str, problems: list[str]) -> Any:
    if kind in ("PerSliceMetricThresholds", "CrossSliceMetricThresholds"):
        inner = MESSAGES[kind]["thresholds"].kind
        return {"thresholds": [_tree(v, inner, f"{path}[{i}]", problems) for i, v in enumerate(item)]}
    if dataclasses.is_dataclass(item):
        return _tree(item, kind, path, problems)
    return read_value(item, kind, path, problems)


def _options_text(options: Any, path: str, problems: list[str]) -> str:
    """A metric's options as JSON text."""
    try:
        text = json.dumps(dict(options), ensure_ascii=False, allow_nan=False, sort_keys=True)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        problems.append(f"{path} cannot be written as JSON: {error}")
        return ""
    return text


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

"""The configuration of custom validations: as dataclasses, mappings or proto text, checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline.schema.paths import FeaturePath

__all__ = [
    "CustomValidation",
    "CustomValidationConfig",
    "FeaturePairValidation",
    "FeatureValidation",
    "read_custom_config",
]

_SEVERITIES = ("ERROR", "WARNING")


@dataclass(frozen=True)
class CustomValidation:
    """One expression that must be true.

    Attributes:
        expression: over the statistics of a feature, see `validation_names`:
            ``num_stats.mean < 100 and common_stats.num_missing == 0``.
        severity: ``ERROR`` or ``WARNING``.
        description: what it means, in the anomaly.
        in_environment: the only environments that it is for; none for all.
    """

    expression: str
    severity: str = "ERROR"
    description: str = ""
    in_environment: tuple[str, ...] = ()


@dataclass(frozen=True)
class FeatureValidation:
    """Validations of one feature.

    Attributes:
        feature_path: the feature: a column's name or a sequence of steps.
        validations: what must be true of it.
        dataset_name: name of the slice; empty for the whole.
    """

    feature_path: FeaturePath | str | Sequence[str]
    validations: tuple[CustomValidation, ...]
    dataset_name: str = ""


@dataclass(frozen=True)
class FeaturePairValidation:
    """Validations of a feature against one of the earlier data.

    Attributes:
        feature_test_path: the feature; ``feature_test.`` in the expressions.
        feature_base_path: the feature of the earlier data; ``feature_base.`` in the expressions.
        validations: what must be true of both.
        dataset_name, base_dataset_name: names of the slices; empty for the whole.
    """

    feature_test_path: FeaturePath | str | Sequence[str]
    feature_base_path: FeaturePath | str | Sequence[str]
    validations: tuple[CustomValidation, ...]
    dataset_name: str = ""
    base_dataset_name: str = ""


@dataclass(frozen=True)
class CustomValidationConfig:
    """What must be true of statistics beside the schema.

    Attributes:
        feature_validations: of single features.
        feature_pair_validations: of pairs of features.
    """

    feature_validations: tuple[FeatureValidation, ...] = ()
    feature_pair_validations: tuple[FeaturePairValidation, ...] = ()


def read_custom_config(config: CustomValidationConfig | Mapping[str, Any] | str | Any) -> CustomValidationConfig:
    """A configuration from dataclasses, a mapping of the same shape, proto text, or such a message.

    Raises:
        ConfigError: listing everything that does not belong there. SQL is not run: ``sql_expression`` is refused.
    """
    if isinstance(config, CustomValidationConfig):
        config = {f.name: getattr(config, f.name) for f in fields(config)}
    if hasattr(config, "DESCRIPTOR"):
        config = str(config)
    if isinstance(config, str):
        config = _from_text(config)
    problems: list[str] = []
    found = _build(CustomValidationConfig, config, "config", problems)
    if problems:
        raise ConfigError("the custom validations cannot be used", problems=problems)
    assert isinstance(found, CustomValidationConfig)
    return found


_LISTS: dict[str, type] = {
    "feature_validations": FeatureValidation,
    "feature_pair_validations": FeaturePairValidation,
    "validations": CustomValidation,
}


def _build(kind: type, given: Any, where: str, problems: list[str]) -> Any:
    """A dataclass of this kind from one or from a mapping; None if something is missing."""
    if isinstance(given, kind):
        given = {f.name: getattr(given, f.name) for f in fields(kind)}
    if not isinstance(given, Mapping):
        problems.append(f"{where}: a {kind.__name__} or a mapping is needed, got {type(given).__name__}")
        return None
    names = [f.name for f in fields(kind)]
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key == "sql_expression":
            problems.append(f"{where}: sql_expression is SQL, which is not run: {_translation(str(value))}")
        elif key not in names:
            problems.append(f"{where}: no key {key!r}: {did_you_mean(str(key), names)}")
        else:
            values[key] = _value(key, value, f"{where}.{key}", problems)
    required = [n for n in names if n in ("expression", "feature_path", "feature_test_path", "feature_base_path")]
    absent = [n for n in required if not given.get(n) and not (n == "expression" and "sql_expression" in given)]
    problems += [f"{where}: {name} is missing" for name in absent]
    if any(name not in values for name in required) or ("validations" in names and "validations" not in values):
        if "validations" in names and "validations" not in given:
            problems.append(f"{where}: validations is missing")
        return None
    return kind(**values)


def _value(key: str, value: Any, where: str, problems: list[str]) -> Any:
    if key in _LISTS:
        if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
            problems.append(f"{where}: a list is needed, got {type(value).__name__}")
            return ()
        built = [_build(_LISTS[key], item, f"{where}[{i}]", problems) for i, item in enumerate(value)]
        return tuple(item for item in built if item is not None)
    if key.endswith("_path"):
        return _path(value, where, problems)
    if key == "in_environment":
        return (value,) if isinstance(value, str) else tuple(value)
    if not isinstance(value, str):
        problems.append(f"{where}: text is needed, got {type(value).__name__}")
        return ""
    if key == "severity" and value not in _SEVERITIES:
        problems.append(f"{where}: no severity {value!r}: {did_you_mean(value, _SEVERITIES)}")
    return value


def _path(value: Any, where: str, problems: list[str]) -> FeaturePath:
    steps = value.get("step", ()) if isinstance(value, Mapping) else value
    if not isinstance(steps, FeaturePath | str) and not all(isinstance(s, str) for s in steps):
        problems.append(f"{where}: a column's name or a sequence of steps is needed, got {value!r}")
        return FeaturePath(())
    return FeaturePath.of(steps)


def _translation(sql: str) -> str:
    """A hint with the SQL in this library's words, where plain replacement is enough."""
    from trueline._core.errors import ExprError
    from trueline._core.expr import parse
    from trueline.data_validation.custom_validation_names import from_sql

    words = from_sql(sql)
    try:
        parse(words, dotted=True)
    except ExprError:
        return "write an `expression` in Python's syntax, for example expression: 'num_stats.mean < 100'"
    return f"write expression: {words!r}"


@cache
def _message_class() -> Any:
    """The message that proto text is read into: the shape of TensorFlow Data Validation's."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="trueline/custom_validation.proto", package="trueline.custom")
    kinds = descriptor_pb2.FieldDescriptorProto
    severity = file.enum_type.add(name="Severity")
    for number, name in enumerate(("UNKNOWN", "WARNING", "ERROR")):
        severity.value.add(name=name, number=number)

    def message(name: str, **of: str) -> None:
        found = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(of.items(), start=1):
            repeated = kind.startswith("*")
            added = found.field.add(name=field, number=number)
            added.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            kind = kind.removeprefix("*")
            added.type = {"text": kinds.TYPE_STRING, "Severity": kinds.TYPE_ENUM}.get(kind, kinds.TYPE_MESSAGE)
            if kind != "text":
                added.type_name = f".trueline.custom.{kind}"

    message("Path", step="*text")
    message(
        "Validation",
        expression="text",
        sql_expression="text",
        severity="Severity",
        description="text",
        in_environment="*text",
    )
    message("FeatureValidation", dataset_name="text", feature_path="Path", validations="*Validation")
    message(
        "FeaturePairValidation",
        dataset_name="text",
        base_dataset_name="text",
        feature_test_path="Path",
        feature_base_path="Path",
        validations="*Validation",
    )
    message(
        "CustomValidationConfig",
        feature_validations="*FeatureValidation",
        feature_pair_validations="*FeaturePairValidation",
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("trueline.custom.CustomValidationConfig"))


def _from_text(text: str) -> Any:
    from google.protobuf import json_format, text_format

    try:
        message = text_format.Parse(text, _message_class()())
    except text_format.ParseError as error:
        raise ConfigError(f"the custom validations do not parse as proto text: {error}") from error
    return json_format.MessageToDict(message, preserving_proto_field_name=True)

"""TensorFlow Serving's file of models, ``model_config_list { config { ... } }`` in protobuf's text format.

Read without protobuf, as strictly as TensorFlow Serving does: a name and an absolute base path, each name once, and a
``model_platform`` in each model. ``tensorflow`` is accepted because every such file says so; it means nothing here.
"""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath, PureWindowsPath
from types import MappingProxyType

from trueline._core.errors import ConfigError, did_you_mean
from trueline._core.proto_text import Field, Message, Types, place_in, read_text
from trueline.serving.config import (
    AllVersions,
    Latest,
    ModelConfig,
    RequestLogging,
    ServerConfig,
    Specific,
    VersionPolicy,
)

__all__ = ["PLATFORMS", "read_model_config_list"]

PLATFORMS = ("tensorflow", "onnx", "trueline")
_TYPES = Types(
    messages=MappingProxyType(
        {
            "ModelServerConfig": {"model_config_list": Field("ModelConfigList")},
            "ModelConfigList": {"config": Field("ModelConfig", many=True)},
            "ModelConfig": {
                "name": Field("string"),
                "base_path": Field("string"),
                "model_type": Field("ModelType"),
                "model_platform": Field("string"),
                "model_version_policy": Field("ServableVersionPolicy"),
                "version_labels": Field("int64", key="string"),
                "logging_config": Field("LoggingConfig"),
            },
            "ServableVersionPolicy": {
                "latest": Field("Latest", oneof="policy_choice"),
                "all": Field("All", oneof="policy_choice"),
                "specific": Field("Specific", oneof="policy_choice"),
            },
            "Latest": {"num_versions": Field("uint32")},
            "All": {},
            "Specific": {"versions": Field("int64", many=True)},
            "LoggingConfig": {
                "log_collector_config": Field("LogCollectorConfig"),
                "sampling_config": Field("SamplingConfig"),
            },
            "LogCollectorConfig": {"type": Field("string"), "filename_prefix": Field("string")},
            "SamplingConfig": {"sampling_rate": Field("double")},
        }
    ),
    enums=MappingProxyType({"ModelType": {"MODEL_TYPE_UNSPECIFIED": 0, "TENSORFLOW": 1, "OTHER": 2}}),
)
_WRITTEN = {
    "name": "name",
    "base": "base_path",
    "policy": "model_version_policy",
    "labels": "version_labels",
    "logging": "logging_config",
}


def read_model_config_list(text: str, where: str | None = None) -> ServerConfig:
    """The models of a ``ModelServerConfig`` in text format.

    Args:
        text: the file's contents; or what protobuf's `text_format` makes of a message.
        where: the file's name, for errors.

    Raises:
        ConfigError: all problems at once, each with line and column.
    """
    found: list[tuple[int, str]] = []
    try:
        tree = read_text(text, "ModelServerConfig", _TYPES)
    except ConfigError as error:
        raise ConfigError(error.message, where=where, problems=error.problems) from None
    listed: Message = tree.get("model_config_list") or Message()
    plain = text.removeprefix("\ufeff")
    places = listed.places.get("config", [])
    models = []
    for block, at in zip(listed.get("config", []), places, strict=True):
        model, wrong = _model(block)
        models.append(model)
        found += [(block.places.get(name, [at])[0], f"model {model.name!r}: {problem}") for name, problem in wrong]
    twice = {name for name, count in Counter(m.name for m in models).items() if name and count > 1}
    for model, block in zip(models, listed.get("config", []), strict=True):
        if model.name in twice:
            found.append((block.places["name"][0], f"the name {model.name!r} is given twice"))
    if not models:
        found.append((0, "expected model_config_list { config { ... } } with at least one model"))
    if found:
        problems = [f"{place_in(plain, at)}: {why}" for at, why in sorted(found)]
        raise ConfigError("the models to serve are wrong", where=where, problems=problems)
    return ServerConfig(tuple(models))


def _model(block: Message) -> tuple[ModelConfig, list[tuple[str, str]]]:
    """One model, and what is wrong with it by the field's name in the text."""
    logging = block.get("logging_config")
    model = ModelConfig(
        name=block.get("name", ""),
        base=block.get("base_path", ""),
        policy=_policy(block.get("model_version_policy", Message())),
        labels=dict(block.get("version_labels", {})),
        logging=None if logging is None else _logging(logging),
    )
    found = [(_WRITTEN.get(field, field), problem) for field, problem in model.checked()]
    if model.base and not _absolute(model.base):
        found.append(("base_path", f"expected an absolute path or a URL, got {model.base!r}"))
    platform = block.get("model_platform", "")
    if not platform and block.get("model_type") != "TENSORFLOW":
        found.append(("model_platform", f"model_platform is missing; expected one of {', '.join(PLATFORMS)}"))
    elif platform and platform not in PLATFORMS:
        found.append(("model_platform", f"unknown platform {platform!r}. {did_you_mean(platform, PLATFORMS)}"))
    return model, found


def _absolute(base: str) -> bool:
    return ":" in base.partition("/")[0] or PurePosixPath(base).is_absolute() or PureWindowsPath(base).is_absolute()


def _policy(tree: Message) -> VersionPolicy:
    if "all" in tree:
        return AllVersions()
    if "specific" in tree:
        return Specific(tuple(tree["specific"].get("versions", ())))
    return Latest(tree.get("latest", {}).get("num_versions", 0) or 1)  # 0 is protobuf's "not given"


def _logging(tree: Message) -> RequestLogging:
    rate = tree.get("sampling_config", {}).get("sampling_rate", 0.0)
    return RequestLogging(rate, tree.get("log_collector_config", {}).get("filename_prefix", ""))

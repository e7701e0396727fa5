"""A file of models: TensorFlow Serving's text format, or the same as TOML or JSON by the file's ending.

[[models]]
name = "taxi"
base = "taxi"                        # beside the file; a URL such as s3://bucket/taxi; or pipeline:churn@champion
policy = "latest"                    # latest with num_versions, all, or specific with versions
num_versions = 2
labels = { stable = 3, canary = 4 }
resource_preserving = false
batching = { max_batch_rows = 64, allowed_batch_sizes = [16, 64] }
logging = { sampling_rate = 0.01 }
traffic = { split = { stable = 95, canary = 5 }, shadow = { to = "4", fraction = 0.1 } }
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path as FilePath
from typing import Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline._core.proto_text import MAX_TEXT, place_in
from trueline.serving.config import (
    AllVersions,
    BatchSettings,
    Latest,
    ModelConfig,
    RequestLogging,
    ServerConfig,
    Specific,
    VersionPolicy,
)
from trueline.serving.config_places import Path, json_places, nearest, toml_places
from trueline.serving.config_text import read_model_config_list
from trueline.serving.traffic import Shadow, Traffic

__all__ = ["read_config_file", "read_models"]

_FORMAT = 1
_AT = re.compile(r"^(?P<why>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$", re.DOTALL)
_MODEL = ("name", "base", "source", "policy", "num_versions", "versions", "labels", "resource_preserving", "batching",
          "logging", "traffic")  # fmt: skip
_WRITTEN = {"policy": ("num_versions", "versions", "policy"), "base": ("base", "source")}


def read_config_file(file: str) -> ServerConfig:
    """The models that a file names; what is written relative is relative to the file.

    Raises:
        ConfigError: a file that cannot be read, or all problems of it at once, each with line and column.
    """
    path = FilePath(file)
    try:
        if path.stat().st_size > MAX_TEXT:
            raise ConfigError(f"the file has more than {MAX_TEXT} bytes", where=file)
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"the file cannot be read: {error.strerror}", where=file) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the file is no UTF-8 text: {error}", where=file) from error
    kind = path.suffix.lower()
    if kind not in (".toml", ".json"):
        return read_model_config_list(text, file)
    return read_models(text, kind[1:], where=file, folder=str(path.absolute().parent))


def read_models(text: str, kind: str, *, where: str | None = None, folder: str = "") -> ServerConfig:
    """The models of a TOML or JSON text.

    Args:
        text: the text.
        kind: ``toml`` or ``json``.
        where: the file's name, for errors.
        folder: what relative base paths are relative to; "": they stay as they are.

    Raises:
        ConfigError: all problems at once, each with line and column.
    """
    text = text.removeprefix("\ufeff")
    try:
        data, places = _toml(text) if kind == "toml" else _json(text)
    except RecursionError:
        raise ConfigError("the values are nested too deeply", where=where) from None
    except ConfigError as error:
        raise ConfigError(error.message, where=where, problems=error.problems) from None
    reader = _Reader(folder)
    config = reader.models(data)
    if reader.found or config is None:
        placed = sorted((nearest(places, at), why) for at, why in reader.found)
        problems = [f"{place_in(text, at)}: {why}" for at, why in placed]
        raise ConfigError("the models to serve are wrong", where=where, problems=problems)
    return config


def _toml(text: str) -> tuple[Any, dict[Path, int]]:
    plain = text.replace("\r\n", "\n")
    try:
        return tomllib.loads(plain), toml_places(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT.match(str(error))
        lines = plain.split("\n")
        line, column = (len(lines), len(lines[-1]) + 1) if found is None or found["line"] is None else (
            int(found["line"]), int(found["column"]))  # fmt: skip
        why = str(error) if found is None else found["why"]
        raise ConfigError("this is no TOML", problems=[f"line {line}, column {column}: {why}"]) from None


def _json(text: str) -> tuple[Any, dict[Path, int]]:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise ConfigError("this is no JSON", problems=[problem]) from None
    except ValueError as error:  # a number of too many digits
        raise ConfigError("this is no JSON", problems=[str(error)]) from None
    places, twice = json_places(text)
    if twice:
        problems = [f"{place_in(text, places[path])}: the key {_shown(path)} stands twice" for path in twice]
        raise ConfigError("this is no plain JSON", problems=problems)
    return data, places


class _Reader:
    """Collects problems by path while it reads."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.found: list[tuple[Path, str]] = []

    def problem(self, at: Path, why: str) -> None:
        self.found.append((at, why))

    def models(self, data: Any) -> ServerConfig | None:
        top = self.table((), data, ("format", "models"))
        if top.get("format", _FORMAT) != _FORMAT:
            self.problem(("format",), f"format: expected {_FORMAT}, got {top['format']!r}")
        listed = top.get("models", [])
        if not isinstance(listed, list) or not listed:
            self.problem(("models",), "models: expected a list of at least one model, [[models]] in TOML")
            return None
        models = [self.model(("models", i), block) for i, block in enumerate(listed)]
        counts = Counter(model.name for model in models if model.name)
        for i, model in enumerate(models):
            if counts[name := model.name] > 1:
                self.problem(("models", i, "name"), f"the name {name!r} is given twice")
        return None if self.found else ServerConfig(tuple(models))

    def table(self, at: Path, data: Any, known: tuple[str, ...]) -> Mapping[str, Any]:
        """A table without unknown keys."""
        if not isinstance(data, dict):
            self.problem(at, f"{_shown(at)}: expected a table, got {data!r:.60}")
            return {}
        for key in data:
            if key not in known:
                self.problem((*at, key), f"{_shown((*at, key))}: no such key. {did_you_mean(key, known)}")
        return {key: value for key, value in data.items() if key in known}

    def value(self, at: Path, table: Mapping[str, Any], key: str, kind: str, default: Any) -> Any:
        """A value of a kind, or the default where it is absent or, which is noted, of another kind."""
        if key not in table:
            return default
        value = table[key]
        if _KINDS[kind](value):
            return value
        self.problem((*at, key), f"{_shown((*at, key))}: expected {kind}, got {value!r:.60}")
        return default

    def model(self, at: Path, data: Any) -> ModelConfig:
        table = self.table(at, data, _MODEL)
        before = len(self.found)
        base, source = (self.value(at, table, key, "text", "") for key in ("base", "source"))
        if base and source:
            self.problem((*at, "source"), f"{_shown(at)}: 'base' and 'source' exclude each other")
        model = ModelConfig(
            name=self.value(at, table, "name", "text", ""),
            base=self._placed(base or source),
            policy=self.policy(at, table),
            labels=self.value(at, table, "labels", "a table of whole numbers", {}),
            resource_preserving=self.value(at, table, "resource_preserving", "true or false", False),
            batching=self.batching(at, table),
            logging=self.logging(at, table),
            traffic=self.traffic(at, table),
        )
        told = {path[len(at)] for path, _ in self.found[before:] if len(path) > len(at)}
        for field, problem in model.checked() if isinstance(data, dict) else ():
            key = next((k for k in _WRITTEN.get(field, (field,)) if k in table), field)
            if key not in told:
                self.problem((*at, key), f"{_shown(at)}: {problem}")
        return model

    def _placed(self, base: str) -> str:
        if not base or not self._folder or ":" in base.partition("/")[0]:
            return base
        return os.path.join(self._folder, base)

    def policy(self, at: Path, table: Mapping[str, Any]) -> VersionPolicy:
        versions = self.value(at, table, "versions", "a list of whole numbers", None)
        number = self.value(at, table, "num_versions", "a whole number", None)
        name = self.value(at, table, "policy", "text", "latest" if versions is None else "specific")
        if name not in ("latest", "all", "specific"):
            told = did_you_mean(name, ("latest", "all", "specific"))
            self.problem((*at, "policy"), f"{_shown(at)}: unknown policy {name!r}. {told}")
        if name != "specific" and versions is not None:
            self.problem((*at, "versions"), f"{_shown(at)}: 'versions' goes with the policy specific alone")
        if name != "latest" and number is not None:
            self.problem((*at, "num_versions"), f"{_shown(at)}: 'num_versions' goes with the policy latest alone")
        if name == "specific":
            return Specific(tuple(versions or ()))
        return AllVersions() if name == "all" else Latest(1 if number is None else number)

    def batching(self, at: Path, table: Mapping[str, Any]) -> BatchSettings | None:
        if "batching" not in table:
            return None
        inner = (*at, "batching")
        known = {f.name: f.default for f in fields(BatchSettings)}
        given = self.table(inner, table["batching"], tuple(known))
        read = {}
        for key, default in known.items():
            kind = "true or false" if default is False else "a whole number"
            kind = "a list of whole numbers" if key == "allowed_batch_sizes" else kind
            read[key] = self.value(inner, given, key, kind, default)
        read["allowed_batch_sizes"] = tuple(read["allowed_batch_sizes"])
        if read["allowed_batch_sizes"] and "max_batch_rows" not in given:
            read["max_batch_rows"] = read["allowed_batch_sizes"][-1]
        return BatchSettings(**read)

    def logging(self, at: Path, table: Mapping[str, Any]) -> RequestLogging | None:
        if "logging" not in table:
            return None
        inner = (*at, "logging")
        given = self.table(inner, table["logging"], ("sampling_rate", "filename_prefix"))
        rate = self.value(inner, given, "sampling_rate", "a number", 0.0)
        return RequestLogging(float(rate), self.value(inner, given, "filename_prefix", "text", ""))

    def traffic(self, at: Path, table: Mapping[str, Any]) -> Traffic | None:
        if "traffic" not in table:
            return None
        inner = (*at, "traffic")
        given = self.table(inner, table["traffic"], ("split", "key_feature", "shadow"))
        split = self.value(inner, given, "split", "a table of numbers", {})
        shadow = None
        if "shadow" in given:
            below = (*inner, "shadow")
            copied = self.table(below, given["shadow"], ("to", "fraction"))
            fraction = self.value(below, copied, "fraction", "a number", 1.0)
            shadow = Shadow(self.value(below, copied, "to", "text", ""), float(fraction))
        return Traffic(split, self.value(inner, given, "key_feature", "text", ""), shadow)


def _shown(path: Path) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the file"


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_KINDS: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "true or false": lambda value: isinstance(value, bool),
    "a whole number": _whole,
    "a number": lambda value: _whole(value) or isinstance(value, float),
    "a list of whole numbers": lambda value: isinstance(value, list) and all(map(_whole, value)),
    "a table of numbers": lambda value: (
        isinstance(value, dict) and all(_whole(v) or isinstance(v, float) for v in value.values())
    ),
    "a table of whole numbers": lambda value: isinstance(value, dict) and all(map(_whole, value.values())),
}

"""Frozen dataclasses <-> JSON, driven by their type hints, with every problem of a text reported at once."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from trueline._core.errors import ConfigError, did_you_mean

__all__ = ["decode", "encode", "freeze", "parse_json"]

T = TypeVar("T")
_SCALARS: dict[type, tuple[type, ...]] = {str: (str,), bool: (bool,), int: (int,), float: (int, float)}


def freeze(record: Any) -> None:
    """Turns the list fields of a frozen dataclass into tuples; called from ``__post_init__``.

    Raises:
        ConfigError: a text stands where a list of texts belongs: its letters would be taken for them.
    """
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, str) and str(field.type).startswith("tuple"):
            raise ConfigError(
                f"{type(record).__name__}.{field.name} is the text {value!r}, a list is expected",
                hint=f"write {field.name}=[{value!r}].",
            )
        if isinstance(value, list):
            object.__setattr__(record, field.name, tuple(value))


def encode(value: Any) -> Any:
    """JSON value of a dataclass; fields that hold their default are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        out = {}
        for field in dataclasses.fields(value):
            item = getattr(value, field.name)
            default = field.default
            if field.default_factory is not dataclasses.MISSING:
                default = field.default_factory()
            if item != default:
                out[field.name] = encode(item)
        return out
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(v) for v in value]
    return value


def parse_json(text: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ConfigError: no JSON, no object, a name twice in one object, or nested too deeply.
    """
    try:
        data = json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise ConfigError("the evaluation config is no JSON that can be read: it is nested too deeply") from None
    except ValueError as error:
        raise ConfigError(f"the evaluation config is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"the evaluation config must be a JSON object, not {type(data).__name__}")
    return data


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} stands twice in one object")
    return made


def decode(cls: type[T], data: Any, ready: Mapping[str, Any] | None = None) -> T:
    """The dataclass that `encode` described.

    Args:
        cls: the dataclass.
        data: JSON values.
        ready: fields of it that were read before, in forms of their own; `data` does not have them.

    Raises:
        ConfigError: listing every unknown field and every value of a wrong type, each with its path.
    """
    problems: list[str] = []
    value = _record(cls, data, "", problems, ready)
    if problems:
        raise ConfigError(f"this is no {cls.__name__}", problems=problems)
    result: T = value
    return result


def _decode(hint: Any, data: Any, path: str, problems: list[str]) -> Any:
    if hint is Any:
        return data
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _record(hint, data, path, problems)
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        options = [a for a in args if a is not type(None)]
        if data is None and len(options) < len(args):
            return None
        return _decode(options[0], data, path, problems)
    if origin is tuple:
        if not isinstance(data, (list, tuple)):
            problems.append(f"{path or 'top'}: a list is expected, not {type(data).__name__}")
            return ()
        return tuple(_decode(args[0], item, f"{path}[{i}]", problems) for i, item in enumerate(data))
    if origin in (Mapping, dict):
        if not isinstance(data, Mapping):
            problems.append(f"{path or 'top'}: an object is expected, not {type(data).__name__}")
            return {}
        return {_key(args[0], k, path, problems): _decode(args[1], v, f"{path}.{k}", problems) for k, v in data.items()}
    allowed = _SCALARS[hint]
    if isinstance(data, allowed) and (hint is bool or not isinstance(data, bool)):
        with contextlib.suppress(OverflowError):  # a whole number beyond every float
            return hint(data)
    problems.append(f"{path or 'top'}: {hint.__name__} is expected, not {_short(data)}")
    return hint()


def _key(hint: Any, key: Any, path: str, problems: list[str]) -> Any:
    """A key of an object, which JSON can only write as a text."""
    if hint is not int:
        return str(key)
    if re.fullmatch(r"-?\d{1,18}", str(key), re.ASCII):
        return int(key)
    problems.append(f"{path}: a whole number is expected for the name {_short(key)}")
    return 0


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


@cache
def _hints(cls: Any) -> dict[str, Any]:
    """The fields' types; a verdict holds one record type ten thousand times."""
    return get_type_hints(cls)


def _record(cls: Any, data: Any, path: str, problems: list[str], ready: Mapping[str, Any] | None = None) -> Any:
    if not isinstance(data, Mapping):
        problems.append(f"{path or 'top'}: an object is expected, not {type(data).__name__}")
        return None
    hints = _hints(cls)
    names = [f.name for f in dataclasses.fields(cls)]
    before = len(problems)
    values = dict(ready or {})
    for name, item in data.items():
        place = f"{path}.{name}" if path else str(name)
        if name in names:
            values[name] = _decode(hints[name], item, place, problems)
        else:
            problems.append(f"{place}: there is no such field. {did_you_mean(str(name), names)}")
    required = [
        f.name
        for f in dataclasses.fields(cls)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING and f.name not in values
    ]
    problems.extend(f"{path or 'top'}: field {name!r} is missing" for name in required)
    return cls(**values) if len(problems) == before else None

"""Parameters of a node: JSON values, with user functions carried by reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from trueline.pipeline.channel import Channel
from trueline.pipeline.placeholders import MARK, Placeholder
from trueline.pipeline.user_function import UserFunction

__all__ = ["check_params", "decode_params", "encode_params", "functions_in"]

_MARK = "__function__"


def check_params(params: Mapping[str, Any], note: Callable[[str], None]) -> dict[str, Any]:
    """The parameters with tuples as lists; what is no JSON value is noted by its path."""
    return {str(name): _checked(value, str(name), note) for name, value in params.items()}


def _checked(value: Any, path: str, note: Callable[[str], None]) -> Any:
    if value is None or isinstance(value, bool | int | str | UserFunction):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            note(f"parameter {path!r} is {value!r}, which JSON cannot hold")
        return value
    if isinstance(value, list | tuple):
        return [_checked(item, f"{path}[{i}]", note) for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                note(f"parameter {path!r} has the key {key!r}; keys must be text")
        return {str(key): _checked(item, f"{path}.{key}", note) for key, item in value.items()}
    if isinstance(value, Placeholder):
        return value
    if isinstance(value, Channel):
        return value.value
    hint = "; pass UserFunction.of(it)" if callable(value) else ""
    note(f"parameter {path!r} is a {type(value).__name__}, which is no JSON value{hint}")
    return None


def encode_params(value: Any) -> Any:
    """The parameters as JSON; a `UserFunction` becomes ``{"__function__": {...}}``, a placeholder
    ``{"__placeholder__": {"op": ..., "args": [...]}}``."""
    if isinstance(value, UserFunction):
        return {_MARK: value.to_json()}
    if isinstance(value, Placeholder):
        return {MARK: {"op": value.op, "args": [_encode_arg(arg) for arg in value.args]}}
    if isinstance(value, list | tuple):
        return [encode_params(item) for item in value]
    if isinstance(value, Mapping):
        return {key: encode_params(item) for key, item in value.items()}
    return value


def _encode_arg(arg: Any) -> Any:
    """What a placeholder works on: a channel as ``[node, output, loop whose item it is]``, a loop as its id."""
    if isinstance(arg, Channel):
        return [arg.producer.node_id, arg.key, arg.item_of.node_id if arg.item_of is not None else None]
    node_id = getattr(arg, "node_id", None)
    if node_id is not None:
        return node_id
    return encode_params(arg)


def decode_params(value: Any) -> Any:
    """The inverse of `encode_params`."""
    if isinstance(value, list):
        return [decode_params(item) for item in value]
    if isinstance(value, Mapping):
        if set(value) == {_MARK}:
            return UserFunction.from_json(value[_MARK])
        return {key: decode_params(item) for key, item in value.items()}
    return value


def functions_in(value: Any, path: str = "") -> dict[str, UserFunction]:
    """Every user function in (decoded) parameters, by its path."""
    if isinstance(value, UserFunction):
        return {path: value}
    found: dict[str, UserFunction] = {}
    if isinstance(value, Mapping):
        for key, item in value.items():
            found.update(functions_in(item, f"{path}.{key}" if path else key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            found.update(functions_in(item, f"{path}[{i}]"))
    return found

"""What a placeholder comes to: a table of operations over what a scope knows.

The launcher evaluates with the run's artifacts and parameters. What only the executor's own process may know (secrets,
a container's own inputs and outputs) stays as it is until there.
"""

from __future__ import annotations

import base64
import json
import math
import operator
import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from trueline._core import store
from trueline._core.errors import ArtifactError, ConfigError, did_you_mean
from trueline.pipeline.context import ArtifactHandle
from trueline.pipeline.placeholders import MARK

__all__ = ["ExecutorScope", "Scope", "evaluate"]

DEFERRED = frozenset({"secret", "input", "output", "exec_property"})
"""Operations that the executor's process alone carries out."""


class Scope(Protocol):
    """What is known where a placeholder is evaluated; each operation without arguments of its own kind asks it."""

    def leaf(self, op: str, args: list[Any]) -> Any:
        """The value of ``artifacts``, ``parameter``, ``item``, ``run``, ``status``, ``env`` or a deferred operation.

        Raises:
            ArtifactError, ConfigError: it has none.
        """


_LEAVES = frozenset({"artifacts", "parameter", "item", "run", "status", "env", *DEFERRED})


def evaluate(value: Any, scope: Scope, *, deferred: bool = False) -> Any:
    """Encoded parameters with every placeholder replaced by what it comes to.

    Args:
        value: JSON, as `trueline.pipeline.params.encode_params` makes it.
        scope: what is known here.
        deferred: whether operations of the executor's process are carried out too; else their placeholders stay.

    Raises:
        ArtifactError: an artifact that holds no value, or has no such property.
        ConfigError: an operation that its operands do not allow.
    """
    if isinstance(value, Mapping):
        tree = value.get(MARK)
        if isinstance(tree, Mapping) and len(value) == 1:
            if not deferred and _is_deferred(tree):
                return {MARK: _reduced(tree, scope)}
            return _plain(_computed(tree, scope))
        return {key: evaluate(item, scope, deferred=deferred) for key, item in value.items()}
    return [evaluate(item, scope, deferred=deferred) for item in value] if isinstance(value, list) else value


def _is_deferred(tree: Any) -> bool:
    if isinstance(tree, Mapping):
        inner = tree.get(MARK, tree)
        if isinstance(inner, Mapping) and inner.get("op") in DEFERRED:
            return True
        return any(_is_deferred(item) for item in tree.values())
    return isinstance(tree, list) and any(_is_deferred(item) for item in tree)


def _reduced(tree: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """An expression for the executor's process in which everything else stands computed."""
    if tree["op"] in DEFERRED:
        return dict(tree)
    return {"op": tree["op"], "args": [evaluate(arg, scope) for arg in tree["args"]]}


def _plain(value: Any) -> Any:
    """What goes into parameters: an artifact itself goes as its folder."""
    if isinstance(value, ArtifactHandle):
        return value.uri
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _computed(tree: Mapping[str, Any], scope: Scope) -> Any:
    op, args = str(tree["op"]), list(tree["args"])
    if op in _LEAVES:
        return scope.leaf(op, args)
    if op in ("and", "or"):
        left = _truth(_arg(args[0], scope), op)
        return left if left is (op == "or") else _truth(_arg(args[1], scope), op)
    if op not in _OPS:
        raise ConfigError(f"there is no operation {op!r} of placeholders", hint=did_you_mean(op, _OPS))
    values = [_arg(arg, scope) for arg in args]
    try:
        return _OPS[op](*values)
    except (TypeError, ValueError, OverflowError) as error:
        # What a secret is a part of is not shown.
        shown = ", ".join(repr(_plain(v))[:60] for v in values) if not _is_deferred(args) else "..."
        raise ConfigError(f"the placeholder {op}({shown}) cannot be computed: {error}") from (
            None if shown == "..." else error
        )


def _arg(arg: Any, scope: Scope) -> Any:
    if isinstance(arg, Mapping) and set(arg) == {MARK}:
        return _computed(arg[MARK], scope)
    return evaluate(arg, scope, deferred=True)


def _truth(value: Any, op: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{op} joins conditions, but {value!r} is neither true nor false")
    return value


def _index(value: Any, key: Any) -> Any:
    try:
        return value[key]
    except (IndexError, KeyError) as error:
        if isinstance(value, list):
            raise ArtifactError(f"there are {len(value)} items, and none at {key!r}") from error
        raise ArtifactError(f"there is no {key!r}", hint=did_you_mean(str(key), map(str, value))) from error


def _property(handle: Any, name: str) -> Any:
    properties = _handle(handle).properties
    if name not in properties:
        raise ArtifactError(
            f"the {handle.type} has no property {name!r}", where=handle.uri, hint=did_you_mean(name, properties)
        )
    return properties[name]


def _handle(value: Any) -> ArtifactHandle:
    if not isinstance(value, ArtifactHandle):
        raise TypeError(f"{value!r} is no artifact")
    return value


def _ordered(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A comparison that refuses what has no place in an order, so that no condition is true or false by accident."""

    def compared(left: Any, right: Any) -> Any:
        if any(isinstance(value, float) and math.isnan(value) for value in (left, right)):
            raise ValueError("NaN is neither less nor more than anything")
        return compare(left, right)

    return compared


def _dict(*parts: Any) -> dict[str, Any]:
    return {str(key): value for key, value in zip(parts[::2], parts[1::2], strict=True)}


_OPS: Mapping[str, Callable[..., Any]] = {
    "index": _index,
    "value": lambda handle: _handle(handle).value,
    "uri": lambda handle: _handle(handle).uri,
    "split_uri": lambda handle, split: store.join(_handle(handle).uri, f"Split-{split}"),
    "property": _property,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": _ordered(operator.lt),
    "le": _ordered(operator.le),
    "gt": _ordered(operator.gt),
    "ge": _ordered(operator.ge),
    "not": lambda value: not _truth(value, "not"),
    "add": operator.add,
    "join": lambda separator, *items: str(separator).join(str(_plain(item)) for item in items),
    "list": lambda *items: list(items),
    "dict": _dict,
    "json": lambda value: json.dumps(_plain(value), sort_keys=True),
    "b64": lambda value: base64.b64encode(str(_plain(value)).encode()).decode("ascii"),
}


class ExecutorScope:
    """What the executor's own process knows; `secrets` are the texts that it read and that nobody else may see."""

    def __init__(
        self,
        inputs: Mapping[str, list[ArtifactHandle]],
        outputs: Mapping[str, ArtifactHandle],
        params: Mapping[str, Any],
    ) -> None:
        self._inputs, self._outputs, self._params = inputs, outputs, params
        self.secrets: set[str] = set()

    def leaf(self, op: str, args: list[Any]) -> Any:
        """See `Scope`."""
        name = str(args[0]) if args else ""
        if op == "secret":
            text = os.environ.get(name)
            if text is None:
                raise ConfigError(
                    f"the environment variable {name} is not set", hint=f"a node asks for Secret({name!r})."
                )
            if text:
                self.secrets.add(text)
            return text
        known: Mapping[str, Any] = {"input": self._inputs, "output": self._outputs}.get(op, self._params)
        if name not in known:
            raise ConfigError(f"there is no {op} {name!r}", hint=did_you_mean(name, known))
        found = known[name]
        return found[0] if op == "input" and len(found) == 1 else found

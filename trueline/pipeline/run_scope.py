"""What a node's placeholders are evaluated with while a run is under way."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from trueline._core.errors import ArtifactError, ConfigError
from trueline.pipeline.compile import CompiledNode
from trueline.pipeline.context import ArtifactHandle
from trueline.pipeline.evaluate import evaluate
from trueline.pipeline.handles import handle_of, verified_fingerprint
from trueline.pipeline.passes import pass_id
from trueline.pipeline.resolve import item_of, loop_groups, produced
from trueline.pipeline.run_context import RunContext

__all__ = ["RunScope", "check_conditions", "counted", "loop_items", "with_values"]


class RunScope:
    """The scope of one pass of one node; `artifacts` are all that its placeholders read, by (node, output)."""

    def __init__(self, run: RunContext, node: CompiledNode) -> None:
        self._run, self._node = run, node
        self.artifacts: dict[tuple[str, str], list[ArtifactHandle]] = {}

    def leaf(self, op: str, args: list[Any]) -> Any:
        """See `trueline.pipeline.evaluate.Scope`."""
        if op == "artifacts":
            return self._artifacts(*args[0])
        if op == "parameter":
            return self._run.runtime[args[0]]
        if op == "item":
            return self._item(str(args[0]))
        if op == "status":
            return dict(self._run.status())
        if op == "env":
            return self._environment(str(args[0]))
        return {
            "run_id": self._run.run_id,
            "pipeline": self._run.plan.name,
            "root": self._run.plan.root,
            "node_id": self._node.id,
        }[args[0]]

    def _artifacts(self, producer: str, key: str, loop: str | None) -> list[ArtifactHandle]:
        if loop is not None:
            found = item_of(self._run, self._node, loop, producer, key)
        else:
            found = produced(self._run, self._node, producer, key)
        handles = []
        for artifact in found:
            handle = handle_of(artifact)
            handle.fingerprint = verified_fingerprint(artifact)
            handles.append(handle)
        if not handles:
            raise ArtifactError(f"{producer}.{key} holds no artifact", where=f"node {self._node.id}")
        self.artifacts[producer, key] = handles
        return handles

    def _item(self, loop: str) -> Any:
        depth = self._node.loops.index(loop)
        around = pass_id(loop, self._node.index[:depth])
        items = self._run.done[around].found["values"]
        return items[self._node.index[depth]]

    def _environment(self, name: str) -> str:
        try:
            return os.environ[name]
        except KeyError:
            raise ConfigError(f"the environment variable {name} is not set", where=f"node {self._node.id}") from None


def with_values(run: RunContext, node: CompiledNode) -> tuple[CompiledNode, RunScope]:
    """The node with its parameters and environment as they are in this run (secrets stay names), and the scope that
    says what they were read from."""
    scope = RunScope(run, node)
    settings = dict(node.settings)
    if "environment" in settings:
        settings["environment"] = evaluate(dict(settings["environment"]), scope)
    return replace(node, params=evaluate(node.params, scope), settings=settings), scope


def check_conditions(run: RunContext, node: CompiledNode) -> str | None:
    """None where all conditions are true, else a sentence with the one that is not.

    Raises:
        ArtifactError, ConfigError: a condition that cannot be computed, or is neither true nor false.
    """
    for number, condition in enumerate(node.conditions, 1):
        value = evaluate(condition, RunScope(run, node))
        if not isinstance(value, bool):
            raise ConfigError(f"a condition came to {value!r}; true or false is needed", where=f"node {node.id}")
        if not value:
            which = f" ({number} of {len(node.conditions)})" if len(node.conditions) > 1 else ""
            return f"its condition{which} is false: {written(condition)}"
    return None


def counted(run: RunContext, node: CompiledNode) -> dict[str, Any]:
    """What a loop finds: the number of its ``items``, and of a loop over values these ``values``.

    Raises:
        ArtifactError, ConfigError: the items are no list, or not there, or not as many in each channel.
    """
    values = loop_items(run, node)
    return {"items": loop_groups(run, node)} if values is None else {"items": len(values), "values": values}


def loop_items(run: RunContext, node: CompiledNode) -> list[Any] | None:
    """The items of a loop over values; None for a loop over artifacts.

    Raises:
        ConfigError: they are no list.
    """
    if "items" not in node.params:
        return None
    items = evaluate(node.params["items"], RunScope(run, node))
    if not isinstance(items, list):
        raise ConfigError(f"the items came to {items!r}; a list is needed", where=f"node {node.id}")
    return items


_SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and": "&", "or": "|", "add": "+"}


def written(value: Any) -> str:
    """An encoded placeholder as a person writes it."""
    tree = value.get("__placeholder__") if isinstance(value, dict) else None
    if tree is None:
        return repr(value)
    op, args = tree["op"], tree["args"]
    if op in _SIGNS:
        return f"{written(args[0])} {_SIGNS[op]} {written(args[1])}"
    if op == "artifacts":
        return f"{args[0][0]}.{args[0][1]}"
    if op == "index" and args[1] == 0:
        return written(args[0])
    if op in ("value", "uri"):
        return f"{written(args[0])}.{op}"
    if op == "property":
        return f"{written(args[0])}.{args[1]}"
    if op == "not":
        return f"not {written(args[0])}"
    if op in ("parameter", "item", "run"):
        return str(args[0])
    return f"{op}({', '.join(written(arg) for arg in args)})"

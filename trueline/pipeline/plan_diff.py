"""What of a pipeline changed since its last run: two compiled pipelines, compared node by node."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trueline._core.errors import MetadataError
from trueline.metadata.runs import RunStore
from trueline.metadata.store import MetadataStore
from trueline.pipeline.compile import CompiledPipeline

__all__ = ["PlanDiff", "compare_plans", "since_last_run"]

_QUIET = frozenset({"location", "id"})
"""A node's line in the file moves with every line above it."""
_SHORT = 60


@dataclass(frozen=True)
class PlanDiff:
    """Nodes that came, went and changed since a run; of each changed one, a line a difference. The pipeline's own
    settings stand under its name. False where nothing changed."""

    run_id: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def since_last_run(plan: CompiledPipeline) -> PlanDiff | None:
    """The differences from the plan of the pipeline's newest run; None where it never ran.

    Of a partial run the nodes that took part are known alone.
    """
    try:
        store = MetadataStore(plan.metadata, create=False, readonly=True)
    except MetadataError as error:
        if error.message != "there is no metadata database":
            raise
        return None
    try:
        newest = RunStore(store).runs(plan.name, limit=1)
        return compare_plans(newest[0].plan, plan, newest[0].run_id) if newest else None
    finally:
        store.close()


def compare_plans(before: str, after: CompiledPipeline, run_id: str) -> PlanDiff:
    """The differences between a recorded plan's JSON and a compiled pipeline.

    Raises:
        ConfigError: the recorded plan cannot be read by this version.
    """
    old = json.loads(CompiledPipeline.from_json(before).to_json())
    new = json.loads(after.to_json())
    olds, news = ({node["id"]: node for node in data.pop("nodes")} for data in (old, new))
    changed: dict[str, tuple[str, ...]] = {}
    own = tuple(_differences(old, new, ""))
    if own:
        changed[after.name] = own
    for name, node in news.items():
        if name in olds:
            lines = tuple(_differences(_loud(olds[name]), _loud(node), ""))
            if lines:
                changed[name] = lines
    return PlanDiff(
        run_id,
        tuple(name for name in news if name not in olds),
        tuple(name for name in olds if name not in news),
        changed,
    )


def _loud(node: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key not in _QUIET}


def _differences(old: Any, new: Any, path: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            place = f"{path}.{key}" if path else str(key)
            if key not in new:
                yield f"{place}: gone (was {_short(old[key])})"
            elif key not in old:
                yield f"{place}: new, {_short(new[key])}"
            else:
                yield from _differences(old[key], new[key], place)
    elif old != new:
        yield f"{path}: {_short(old)} -> {_short(new)}"


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 3]}..."

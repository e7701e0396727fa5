"""Writing run state inside a transaction of the caller."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from trueline.metadata.own_tables import cache_entry, process, run_node

__all__ = ["add_cache_entry", "change_cache_entry", "close_execution", "open_execution", "write_node"]


def write_node(
    connection: sa.Connection, run_id: str, node_id: str, *, only_of: int | None = None, **values: Any
) -> None:
    """`RunStore.set_node` inside a transaction of the caller; `only_of`: where the row is that execution's still."""
    if "found" in values:
        values["found"] = json.dumps(values["found"] or {}, sort_keys=True)
    if "usage" in values:
        values["usage"] = json.dumps(dict(values["usage"]), sort_keys=True) if values["usage"] else None
    same = (run_node.c.run_id == run_id) & (run_node.c.node_id == node_id)
    if only_of is not None:
        same &= run_node.c.execution_id == only_of
    connection.execute(run_node.update().where(same).values(**values))


def open_execution(
    connection: sa.Connection, execution_id: int, run_id: str, node_id: str, uris: Sequence[str]
) -> None:
    """Notes where an execution is about to write, so that an interrupted one can be cleaned away."""
    values = {"execution_id": execution_id, "run_id": run_id, "node_id": node_id, "output_uris": json.dumps(list(uris))}
    connection.execute(process.insert().values(**values))


def close_execution(connection: sa.Connection, execution_id: int) -> bool:
    """The execution has ended: nothing half-written is left of it. False where somebody else ended it before."""
    return connection.execute(process.delete().where(process.c.execution_id == execution_id)).rowcount == 1


def add_cache_entry(
    connection: sa.Connection, execution_id: int, pipeline: str, node_id: str, key: str, parts: Mapping[str, Any]
) -> None:
    """Remembers what an execution's cache key was made of."""
    values = {"execution_id": execution_id, "pipeline": pipeline, "node_id": node_id, "cache_key": key}
    connection.execute(cache_entry.insert().values(**values, parts=json.dumps(parts, sort_keys=True)))


def change_cache_entry(connection: sa.Connection, execution_id: int, key: str, parts: Mapping[str, Any]) -> None:
    """Gives an execution another cache key."""
    same = cache_entry.c.execution_id == execution_id
    values = {"cache_key": key, "parts": json.dumps(parts, sort_keys=True)}
    connection.execute(cache_entry.update().where(same).values(**values))

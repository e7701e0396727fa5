"""Filters as conditions of a query over nodes: which parts stand alone, and which share their joins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from trueline.metadata.filters_scope import BASE, Owner, Scope, owner_of
from trueline.metadata.filters_sql import Compiler
from trueline.metadata.filters_tree import Call, Filter, Node, names_in
from trueline.metadata.node_rows import NodeKind

__all__ = ["conditions"]


def conditions(filter_: Filter, kind: NodeKind[Any], dialect: str) -> list[sa.ColumnElement[bool]]:
    """A filter as conditions on a query over the kind's table joined with `Type`.

    Args:
        filter_: parsed by `parse_text` or `parse_where`.
        kind: the kind of node.
        dialect: SQLAlchemy's name of the database: sqlite, postgresql, mysql or mariadb.

    Raises:
        MetadataError: INVALID_ARGUMENT: an unknown name or word, or types that do not fit, with the place.
    """
    if filter_.root is None:
        return []
    dialect = "mysql" if dialect == "mariadb" else dialect
    found = []
    for owners, parts in _components(filter_, kind, _conjuncts(filter_.root)):
        with_base = BASE in owners or any(_asks_apart(filter_, owners, part, kind) for part in parts)
        compiler = Compiler(Scope(filter_, kind, owners, with_base), dialect)
        predicates = [compiler.part(part) for part in parts]
        found.append(compiler.scope.condition(sa.and_(*predicates)))
    return found


def _conjuncts(node: Node) -> list[Node]:
    if isinstance(node, Call) and node.op == "and":
        return [part for arg in node.args for part in _conjuncts(arg)]
    return [node]


def _asks_apart(filter_: Filter, owners: Sequence[Owner], part: Node, kind: NodeKind[Any]) -> bool:
    """Whether a property of the part is not among its joins, and is sought by the node's id."""
    asked = (owner_of(filter_, kind, name) for name in names_in(part))
    return any(owner is not None and owner not in owners for owner in asked)


def _components(
    filter_: Filter, kind: NodeKind[Any], parts: Sequence[Node]
) -> list[tuple[tuple[Owner, ...], list[Node]]]:
    """Parts on the node's own attributes stand alone; those with joins share one query, whose order the database plans:
    it begins with the rarest, where separate queries would each list all that they match."""
    alone, joined, owners = list[Node](), list[Node](), dict[Owner, None]()
    for part in parts:
        asked = _owners(filter_, kind, part)
        if all(owner == BASE for owner in asked):
            alone.append(part)
            continue
        joined.append(part)
        owners.update(dict.fromkeys(asked))
    groups: list[tuple[tuple[Owner, ...], list[Node]]] = [((BASE,), [part]) for part in alone]
    return [*groups, (tuple(owners), joined)] if joined else groups


def _owners(filter_: Filter, kind: NodeKind[Any], part: Node) -> list[Owner]:
    """The joins of a part, and BASE where it names attributes of the node itself.

    In Python's form a node without the property stays in view, unless the part is one test that it cannot pass.
    """
    names = list(names_in(part))
    asked = [owner for name in names if (owner := owner_of(filter_, kind, name)) is not None]
    if not filter_.python:
        return asked
    alone = len(names) == 1 and _strict(part)
    return [owner for owner in asked if len(owner) < 2 or alone]


def _strict(part: Node) -> bool:
    """Whether the part is unknown as soon as its one name is."""
    if not isinstance(part, Call):
        return True
    if part.op in ("and", "or", "not", "COALESCE", "IFNULL") or part.op.startswith("is_"):
        return False
    return all(_strict(arg) for arg in part.args)

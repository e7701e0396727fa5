"""How lists of nodes are filtered, ordered and cut: `ListOptions`, with ML Metadata's names, and the query itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

import sqlalchemy as sa

from trueline._core.errors import MetadataError
from trueline.metadata.filters import conditions
from trueline.metadata.filters_python import parse_where
from trueline.metadata.filters_text import parse_text
from trueline.metadata.node_rows import NodeKind, chunks, read_nodes
from trueline.metadata.records import Artifact, Context, Execution
from trueline.metadata.tables import type_

__all__ = ["ListOptions", "OrderByField", "filter_conditions", "filtering", "list_nodes", "node_ids"]

N = TypeVar("N", Artifact, Execution, Context)


class OrderByField(Enum):
    """What a list is ordered by; nodes that are equal in it are ordered by id, in the same direction."""

    CREATE_TIME = "create_time_since_epoch"
    UPDATE_TIME = "last_update_time_since_epoch"
    ID = "id"


@dataclass(frozen=True)
class ListOptions:
    """Options of `get_artifacts` and its kin.

    Attributes:
        limit: at most so many nodes; None for all.
        order_by: the field to order by; None for the id.
        is_asc: ascending, or descending.
        filter_query: a condition in ML Metadata's filter text.
        where: a condition in Python's syntax; with both, both must hold.
        after: the last node of the page before: the list goes on behind it. A page is full, or the last one.
    """

    limit: int | None = None
    order_by: OrderByField | None = None
    is_asc: bool = True
    filter_query: str | None = None
    where: str | None = None
    after: Artifact | Execution | Context | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise MetadataError(
                f"a list's limit is at least 1, not {self.limit}", hint="leave it out for all.", code="INVALID_ARGUMENT"
            )


def filter_conditions(
    connection: sa.Connection, kind: NodeKind[Any], *, filter_query: str | None = None, where: str | None = None
) -> list[sa.ColumnElement[bool]]:
    """Both languages' filters as conditions on the kind's table joined with `Type`.

    Raises:
        MetadataError: INVALID_ARGUMENT, with the place in the text.
    """
    parsed = [parse_text(filter_query)] if filter_query else []
    parsed += [parse_where(where)] if where else []
    return [condition for one in parsed for condition in conditions(one, kind, connection.dialect.name)]


@contextmanager
def filtering(text: str | None) -> Iterator[None]:
    """What the database itself refuses in a filter, such as a number that runs over, is the filter's error.

    Raises:
        MetadataError: INVALID_ARGUMENT.
    """
    try:
        yield
    except (sa.exc.DataError, sa.exc.OperationalError, sa.exc.ProgrammingError, sa.exc.InternalError) as error:
        if not text or error.connection_invalidated or "locked" in str(error.orig):
            raise
        said = str(error.orig).splitlines()[0]
        where = f"filter {text[:80]!r}"
        raise MetadataError(
            f"the database cannot run this filter: {said}", where=where, code="INVALID_ARGUMENT"
        ) from error


def node_ids(
    connection: sa.Connection,
    kind: NodeKind[Any],
    wanted: list[sa.ColumnElement[bool]],
    options: ListOptions | None = None,
) -> list[int]:
    """Ids of the nodes that meet all conditions, in the order of the options.

    Raises:
        MetadataError: INVALID_ARGUMENT: a filter that does not parse, or that the database cannot run.
    """
    options = options or ListOptions()
    table = kind.table
    by = table.c[(options.order_by or OrderByField.ID).value]
    filters = filter_conditions(connection, kind, filter_query=options.filter_query, where=options.where)
    query = sa.select(table.c.id).join(type_, type_.c.id == table.c.type_id).where(*wanted, *filters)
    if options.after is not None:
        query = query.where(_behind(by, table.c.id, options))
    order = [by, table.c.id] if by is not table.c.id else [by]
    query = query.order_by(*(column if options.is_asc else column.desc() for column in order)).limit(options.limit)
    with filtering(options.filter_query or options.where):
        return list(connection.execute(query).scalars())


def _behind(by: sa.ColumnElement[int], key: sa.ColumnElement[int], options: ListOptions) -> sa.ColumnElement[bool]:
    """Behind the last node of the page before, in the order of the list: no node twice, none left out."""
    last = options.after
    assert last is not None
    if last.id is None:
        raise MetadataError("a list goes on behind a stored node, this one has no id", code="INVALID_ARGUMENT")
    values = {"create_time_since_epoch": last.created, "last_update_time_since_epoch": last.updated, "id": last.id}
    value = values[(options.order_by or OrderByField.ID).value]
    beyond, next_id = (by > value, key > last.id) if options.is_asc else (by < value, key < last.id)
    return sa.or_(beyond, sa.and_(by == value, next_id))


def list_nodes(
    connection: sa.Connection,
    kind: NodeKind[N],
    wanted: list[sa.ColumnElement[bool]],
    options: ListOptions | None = None,
) -> list[N]:
    """Nodes that meet all conditions, in the order of the options."""
    ids = node_ids(connection, kind, wanted, options)
    found: dict[int | None, N] = {}
    for part in chunks(ids):
        found.update((node.id, node) for node in read_nodes(connection, kind, kind.table.c.id.in_(part)))
    return [found[key] for key in ids if key in found]

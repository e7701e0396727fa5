"""Names of a filter as columns: which tables it needs, joined how.

As in ML Metadata every neighbour alias and every property is one inner join, so that conditions on one alias speak of
the same neighbour.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import sqlalchemy as sa

from trueline._core.errors import did_you_mean
from trueline.metadata.filters_fields import (
    ALIAS,
    NEIGHBOURS,
    PYTHON_NAMES,
    VALUE_COLUMNS,
    Attribute,
    Neighbour,
    ValueType,
    attributes,
)
from trueline.metadata.filters_tree import Filter, Name
from trueline.metadata.node_rows import NodeKind
from trueline.metadata.tables import type_

__all__ = ["BASE", "Owner", "Scope", "Typed", "owner_of"]

Owner = tuple[str, ...]
"""What a name belongs to: the node itself, an alias of a neighbour, or a property."""
BASE: Owner = ()
_PROPERTIES = ("properties", "custom_properties")


@dataclass(frozen=True)
class Typed:
    """An expression with its type.

    Attributes:
        sql: the expression; of a property of unknown type the row's key.
        kind: its type; ANY for a property whose type is not said.
        states: the words of an enumeration's column.
        row: of such a property, its row.
        found: makes a value of that row one of the node's, unknown where there is no such row.
    """

    sql: sa.ColumnElement[Any]
    kind: ValueType
    states: type[IntEnum] | None = None
    row: sa.FromClause | None = None
    found: Callable[[sa.ColumnElement[Any]], sa.ColumnElement[Any]] = lambda sql: sql


def owner_of(filter_: Filter, kind: NodeKind[Any], name: Name) -> Owner | None:
    """What a name belongs to; None for a single word that is no attribute (an enumeration's, or an error)."""
    first, *rest = name.parts
    if first in _PROPERTIES:
        if len(rest) == 2 or (len(rest) == 1 and filter_.python):
            return (first, rest[0])
        key = rest[0] if rest else "p"
        shape = f"{first}['{key}']" if filter_.python else f"{first}.{key}.int_value"
        raise filter_.error(name.at, f"a property is written as {shape}", f"there is: {', '.join(VALUE_COLUMNS)}.")
    if not rest:
        return BASE if _attribute(filter_, attributes(kind.kind), first) else None
    if re.fullmatch(ALIAS, first) and len(rest) == 1 and _neighbour(kind, first) is not None:
        return (first,)
    known = [f"{neighbour}_a.name" for neighbour in NEIGHBOURS[kind.kind]]
    written = ".".join(name.parts)
    raise filter_.error(name.at, f"{kind.word}s have no {written!r} in a filter", did_you_mean(written, known))


def _neighbour(kind: NodeKind[Any], alias: str) -> Neighbour | None:
    match = re.fullmatch(ALIAS, alias)
    return NEIGHBOURS[kind.kind].get(match[1]) if match else None


def _attribute(filter_: Filter, known: dict[str, Attribute], word: str) -> Attribute | None:
    """Names of columns are read in any case, as ZetaSQL reads them; the Python form knows the records' fields too."""
    if not filter_.python:
        return known.get(word.lower())
    return known.get(word) or known.get(PYTHON_NAMES.get(word, ""))


class Scope:
    """The tables of one part of a filter.

    Args:
        filter_: for its text, its language and its errors.
        kind: the kind of node that is looked for.
        owners: the joins of this part.
        outside: whether the part may use the columns of the surrounding query, which is so without joins.
    """

    def __init__(self, filter_: Filter, kind: NodeKind[Any], owners: Sequence[Owner], with_base: bool) -> None:
        self.filter = filter_
        self.kind = kind
        self.joins: list[sa.ColumnElement[bool]] = []
        self.rows: dict[Owner, sa.FromClause] = {}
        joined = [owner for owner in owners if owner != BASE]
        self.inside = bool(joined)
        self.base: sa.FromClause = kind.table.alias() if self.inside else kind.table
        self.types: dict[Owner, sa.ColumnElement[Any]] = {} if self.inside else {BASE: type_.c.name}
        ids: list[sa.ColumnElement[int]] = [self.base.c.id] if with_base or not self.inside else []
        ids += [self._joined(owner) for owner in joined]
        self.anchor = ids[0]
        self.joins += [other == self.anchor for other in ids[1:]]

    def _joined(self, owner: Owner) -> sa.ColumnElement[int]:
        """Joins a neighbour or property; the column that holds the node's id."""
        if owner[0] in _PROPERTIES:
            row = self.kind.properties.alias()
            self.joins += _is_property(row, owner)
            self.rows[owner] = row
            return row.c[self.kind.id_column]
        neighbour = _neighbour(self.kind, owner[0])
        assert neighbour is not None
        link = neighbour.link.alias()
        self.rows[owner] = link
        if neighbour.table is not None:
            self.rows[owner] = neighbour.table.alias()
            self.joins.append(self.rows[owner].c.id == link.c[neighbour.other])
        return link.c[neighbour.mine]

    def condition(self, predicate: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        """The predicate as a condition of the surrounding query."""
        if not self.inside:
            return predicate
        return self.kind.table.c.id.in_(sa.select(self.anchor).where(*self.joins, predicate))

    def typed(self, name: Name) -> Typed:
        """The column that a name stands for.

        Raises:
            MetadataError: there is no such column, with its place in the filter.
        """
        owner = owner_of(self.filter, self.kind, name)
        if owner is None:
            known = list(attributes(self.kind.kind))
            word = name.parts[0]
            raise self.filter.error(
                name.at, f"{self.kind.word}s have no attribute {word!r}", did_you_mean(word.lower(), known)
            )
        if owner and owner[0] in _PROPERTIES:
            return self._property(owner, name)
        known_here, row = attributes(self.kind.kind), self.base
        if owner != BASE:
            neighbour = _neighbour(self.kind, owner[0])
            assert neighbour is not None
            known_here, row = neighbour.attributes, self.rows[owner]
        attribute = _attribute(self.filter, known_here, name.parts[-1])
        if attribute is None:
            raise self.filter.error(
                name.at, f"{owner[0]} has no attribute {name.parts[-1]!r}", did_you_mean(name.parts[-1], known_here)
            )
        if attribute.column == "type" and attribute.states is None:
            return Typed(self._type_name(owner, row), ValueType.STRING)
        return Typed(row.c[attribute.column], attribute.value, attribute.states)

    def _type_name(self, owner: Owner, row: sa.FromClause) -> sa.ColumnElement[Any]:
        if owner not in self.types:
            table = type_.alias()
            self.joins.append(table.c.id == row.c.type_id)
            self.types[owner] = table.c.name
        return self.types[owner]

    def _property(self, owner: Owner, name: Name) -> Typed:
        column = name.parts[2] if len(name.parts) == 3 else None
        if column is not None and column not in VALUE_COLUMNS:
            raise self.filter.error(name.at, f"a property has no {column!r}", did_you_mean(column, VALUE_COLUMNS))
        row, found = (self.rows[owner], _same) if owner in self.rows else self._sought(owner)
        if column is None:
            return Typed(row.c.name, ValueType.ANY, row=row, found=found)
        return Typed(found(row.c[column]), VALUE_COLUMNS[column], row=row, found=found)

    def _sought(self, owner: Owner) -> tuple[sa.FromClause, Callable[[sa.ColumnElement[Any]], sa.ColumnElement[Any]]]:
        """A property by a subquery of its own, so that a node without it stays in view."""
        row = self.kind.properties.alias()
        here = row.c[self.kind.id_column] == self.base.c.id

        def found(sql: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
            query = sa.select(sql).where(here, *_is_property(row, owner))
            return query.correlate_except(row).scalar_subquery()

        return row, found


def _same(sql: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sql


def _is_property(row: sa.FromClause, owner: Owner) -> list[sa.ColumnElement[bool]]:
    return [row.c.name == owner[1], row.c.is_custom_property == (owner[0] == "custom_properties")]

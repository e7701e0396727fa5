"""Reading and writing types, inside a transaction of the caller."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from trueline._core.errors import MetadataError, did_you_mean
from trueline.metadata.records import PropertyType, TypeKind, TypeSpec
from trueline.metadata.tables import parent_type, type_, type_property

__all__ = ["ensure_type", "find_type", "list_types", "load_type"]


def find_type(connection: sa.Connection, kind: TypeKind, name: str, version: str | None = None) -> TypeSpec | None:
    """The type of that identity, or None."""
    same_version = type_.c.version.is_(None) if version is None else type_.c.version == version
    found = _specs(connection, type_.c.name == name, type_.c.type_kind == int(kind), same_version)
    return found[0] if found else None


def load_type(connection: sa.Connection, type_id: int) -> TypeSpec:
    """The type of that id.

    Raises:
        MetadataError: when there is none.
    """
    found = _specs(connection, type_.c.id == type_id)
    if not found:
        raise MetadataError(f"there is no type with id {type_id}", code="NOT_FOUND")
    return found[0]


def list_types(connection: sa.Connection, kind: TypeKind) -> list[TypeSpec]:
    """All types of a kind but ML Metadata's own base types, by id."""
    return _specs(connection, type_.c.type_kind == int(kind), ~type_.c.name.startswith("mlmd."))


def _specs(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[TypeSpec]:
    """Types that meet all conditions, by id; two queries, however many they are."""
    base = type_.alias()
    query = (
        sa.select(type_, base.c.name.label("base_name"))
        .outerjoin(parent_type, parent_type.c.type_id == type_.c.id)
        .outerjoin(base, base.c.id == parent_type.c.parent_type_id)
        .where(*conditions)
        .order_by(type_.c.id)
    )
    rows = connection.execute(query).mappings().all()
    listed = [row["id"] for row in rows]
    declared: dict[int, dict[str, PropertyType]] = {key: {} for key in listed}
    of_types = sa.select(type_property).where(type_property.c.type_id.in_(listed)).order_by(type_property.c.name)
    for row in connection.execute(of_types).mappings() if listed else ():
        declared[row["type_id"]][str(row["name"])] = PropertyType(row["data_type"] or 0)
    return [
        TypeSpec(
            name=row["name"],
            kind=TypeKind(row["type_kind"]),
            properties=dict(sorted(declared[row["id"]].items())),
            base=row["base_name"],
            version=row["version"],
            description=row["description"],
            id=row["id"],
        )
        for row in rows
    ]


def ensure_type(connection: sa.Connection, spec: TypeSpec) -> TypeSpec:
    """The stored type, created or widened by new properties; omitted properties stay (the union is kept).

    Raises:
        MetadataError: a property changes its type, or the base type changes.
    """
    stored = find_type(connection, spec.kind, spec.name, spec.version)
    if stored is None:
        result = connection.execute(
            type_.insert().values(
                name=spec.name, version=spec.version, type_kind=int(spec.kind), description=spec.description
            )
        )
        assert result.inserted_primary_key is not None
        type_id = int(result.inserted_primary_key[0])
        known: Mapping[str, PropertyType] = {}
        base = None
    else:
        assert stored.id is not None
        type_id, known, base = stored.id, stored.properties, stored.base
    _add_properties(connection, type_id, spec, known)
    if spec.base is not None and base is None:
        connection.execute(
            parent_type.insert().values(type_id=type_id, parent_type_id=_base_id(connection, spec.base, spec.kind))
        )
    elif spec.base is not None and base != spec.base:
        problem = f"type {spec.name!r} has the base type {base}; it cannot become {spec.base}"
        raise MetadataError(problem, code="UNIMPLEMENTED")
    return load_type(connection, type_id)


def _add_properties(connection: sa.Connection, type_id: int, spec: TypeSpec, known: Mapping[str, PropertyType]) -> None:
    problems = [
        f"property {name!r} is stored as {known[name].name} and cannot become {declared.name}"
        for name, declared in spec.properties.items()
        if name in known and known[name] is not declared
    ]
    if problems:
        raise MetadataError(
            f"type {spec.name!r} exists with other properties",
            problems=problems,
            hint="give the property another name, or the type another version.",
            code="ALREADY_EXISTS",
        )
    rows = [
        {"type_id": type_id, "name": name, "data_type": int(declared)}
        for name, declared in spec.properties.items()
        if name not in known
    ]
    if rows:
        connection.execute(type_property.insert(), rows)


def _base_id(connection: sa.Connection, base: str, kind: TypeKind) -> int:
    query = sa.select(type_.c.name, type_.c.id).where(type_.c.type_kind == int(kind), type_.c.name.startswith("mlmd."))
    known = {str(row[0]): int(row[1]) for row in connection.execute(query)}
    if base not in known:
        raise MetadataError(f"there is no base type {base!r}", hint=did_you_mean(base, known), code="INVALID_ARGUMENT")
    return known[base]

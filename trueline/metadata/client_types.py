"""The store's methods on types, with the names and the rules of ML Metadata's client."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import sqlalchemy as sa

from trueline._core.errors import MetadataError, did_you_mean
from trueline.metadata.database import Database
from trueline.metadata.records import PropertyType, TypeKind, TypeSpec
from trueline.metadata.types import ensure_type, find_type, list_types

__all__ = ["TypeClient", "types_by_id"]


class TypeClient:
    """Types of artifacts, executions and contexts. (name, version) identify a type among those of its kind."""

    database: Database

    def put_artifact_type(self, spec: TypeSpec, *, can_add_fields: bool = False, can_omit_fields: bool = False) -> int:
        """Creates a type, or checks a stored one against it; returns its id.

        Args:
            spec: the type; an empty version is none.
            can_add_fields: properties that the stored type lacks are added to it.
            can_omit_fields: the stored type may have properties that this one lacks; it keeps them.

        Raises:
            MetadataError: ALREADY_EXISTS: a property changes its type, or is new or left out without leave;
                INVALID_ARGUMENT: no name, a property of unknown type, or a type of another kind.
        """
        return self._put_type(TypeKind.ARTIFACT, spec, can_add_fields, can_omit_fields)

    def put_execution_type(self, spec: TypeSpec, *, can_add_fields: bool = False, can_omit_fields: bool = False) -> int:
        """The same as `put_artifact_type` for executions."""
        return self._put_type(TypeKind.EXECUTION, spec, can_add_fields, can_omit_fields)

    def put_context_type(self, spec: TypeSpec, *, can_add_fields: bool = False, can_omit_fields: bool = False) -> int:
        """The same as `put_artifact_type` for contexts."""
        return self._put_type(TypeKind.CONTEXT, spec, can_add_fields, can_omit_fields)

    def get_artifact_type(self, name: str, version: str | None = None) -> TypeSpec:
        """The type of that name and version.

        Raises:
            MetadataError: NOT_FOUND.
        """
        return self._get_type(TypeKind.ARTIFACT, name, version)

    def get_execution_type(self, name: str, version: str | None = None) -> TypeSpec:
        """The same as `get_artifact_type` for executions."""
        return self._get_type(TypeKind.EXECUTION, name, version)

    def get_context_type(self, name: str, version: str | None = None) -> TypeSpec:
        """The same as `get_artifact_type` for contexts."""
        return self._get_type(TypeKind.CONTEXT, name, version)

    def get_artifact_types(self) -> list[TypeSpec]:
        """All types of artifacts by id, without ML Metadata's base types."""
        return self._list_types(TypeKind.ARTIFACT)

    def get_execution_types(self) -> list[TypeSpec]:
        """All types of executions by id, without ML Metadata's base types."""
        return self._list_types(TypeKind.EXECUTION)

    def get_context_types(self) -> list[TypeSpec]:
        """All types of contexts by id."""
        return self._list_types(TypeKind.CONTEXT)

    def get_artifact_types_by_id(self, type_ids: Iterable[int]) -> list[TypeSpec]:
        """Types of those ids, by id; unknown ids are left out."""
        return self._types_by_id(TypeKind.ARTIFACT, type_ids)

    def get_execution_types_by_id(self, type_ids: Iterable[int]) -> list[TypeSpec]:
        """Types of those ids, by id; unknown ids are left out."""
        return self._types_by_id(TypeKind.EXECUTION, type_ids)

    def get_context_types_by_id(self, type_ids: Iterable[int]) -> list[TypeSpec]:
        """Types of those ids, by id; unknown ids are left out."""
        return self._types_by_id(TypeKind.CONTEXT, type_ids)

    def _put_type(self, kind: TypeKind, spec: TypeSpec, can_add: bool, can_omit: bool) -> int:
        spec = replace(spec, version=spec.version or None)
        _check(kind, spec)

        def work(connection: sa.Connection) -> int:
            stored = find_type(connection, kind, spec.name, spec.version)
            if stored is not None:
                _check_fields(stored, spec, can_add, can_omit)
            made = ensure_type(connection, spec)
            assert made.id is not None
            return made.id

        return self.database.write(work)

    def _get_type(self, kind: TypeKind, name: str, version: str | None) -> TypeSpec:
        with self.database.read() as connection:
            found = find_type(connection, kind, name, version or None)
            if found is not None:
                return found
            known = [spec.name for spec in list_types(connection, kind)]
        of_version = f" of version {version!r}" if version else ""
        raise MetadataError(
            f"there is no {kind.name.lower()} type {name!r}{of_version}",
            hint=did_you_mean(name, known),
            code="NOT_FOUND",
        )

    def _list_types(self, kind: TypeKind) -> list[TypeSpec]:
        with self.database.read() as connection:
            return list_types(connection, kind)

    def _types_by_id(self, kind: TypeKind, type_ids: Iterable[int]) -> list[TypeSpec]:
        with self.database.read() as connection:
            return types_by_id(connection, kind, type_ids)


def types_by_id(connection: sa.Connection, kind: TypeKind, type_ids: Iterable[int]) -> list[TypeSpec]:
    """Types of a kind with those ids, by id; unknown ids are left out."""
    wanted = set(type_ids)
    return [spec for spec in list_types(connection, kind) if spec.id in wanted] if wanted else []


def _check(kind: TypeKind, spec: TypeSpec) -> None:
    problems = [] if spec.name else ["a type needs a name"]
    if spec.kind is not kind:
        problems.append(f"this is a type of {spec.kind.name.lower()}s, not of {kind.name.lower()}s")
    unknown = [name for name, declared in spec.properties.items() if declared is PropertyType.UNKNOWN]
    problems += [f"property {name!r} has no known type" for name in unknown]
    if problems:
        raise MetadataError(f"type {spec.name!r} cannot be stored", problems=problems, code="INVALID_ARGUMENT")


def _check_fields(stored: TypeSpec, spec: TypeSpec, can_add: bool, can_omit: bool) -> None:
    added, omitted = set(spec.properties) - set(stored.properties), set(stored.properties) - set(spec.properties)
    problems = [] if can_add else [f"property {name!r} is new" for name in sorted(added)]
    problems += [] if can_omit else [f"property {name!r} is left out" for name in sorted(omitted)]
    if problems:
        raise MetadataError(
            f"type {spec.name!r} exists with other properties",
            problems=problems,
            hint="can_add_fields and can_omit_fields let it; stored properties are kept.",
            code="ALREADY_EXISTS",
        )

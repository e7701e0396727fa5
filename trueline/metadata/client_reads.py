"""The store's reading methods with the names of ML Metadata's client.

Ids that do not exist are left out, and what comes back is in the order of ids unless the options say otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from trueline._core.errors import MetadataError
from trueline.metadata import tables as t
from trueline.metadata.client_types import types_by_id
from trueline.metadata.database import Database
from trueline.metadata.edges import read_events
from trueline.metadata.list_options import ListOptions, OrderByField, list_nodes
from trueline.metadata.node_rows import ARTIFACTS, CONTEXTS, EXECUTIONS, NodeKind, chunks, read_nodes
from trueline.metadata.records import Artifact, Context, Event, Execution, TypeKind, TypeSpec

__all__ = ["ReadClient"]

N = TypeVar("N", Artifact, Execution, Context)


class ReadClient:
    """Artifacts, executions, contexts and events by what one knows of them."""

    database: Database

    # -- artifacts --------------------------------------------------------------------------------------------------

    def get_artifacts(self, list_options: ListOptions | None = None) -> list[Artifact]:
        """Artifacts, all of them or those that the options choose.

        Raises:
            MetadataError: INVALID_ARGUMENT: a filter that does not parse, with the place in it.
        """
        return self._listed(ARTIFACTS, list_options)

    def get_artifacts_by_id(self, artifact_ids: Iterable[int]) -> list[Artifact]:
        """Artifacts of those ids, by id; unknown ids are left out."""
        return self._by_values(ARTIFACTS, t.artifact.c.id, artifact_ids)

    def get_artifacts_by_type(self, type_name: str, type_version: str | None = None) -> list[Artifact]:
        """Artifacts of a type; none if there is no such type."""
        return self._listed(ARTIFACTS, None, *_of_type(type_name, type_version))

    def get_artifact_by_type_and_name(
        self, type_name: str, artifact_name: str, type_version: str | None = None
    ) -> Artifact | None:
        """The artifact of that type and name, or None."""
        found = self._listed(ARTIFACTS, None, *_of_type(type_name, type_version), t.artifact.c.name == artifact_name)
        return found[0] if found else None

    def get_artifacts_by_uri(self, uri: str) -> list[Artifact]:
        """Artifacts of exactly that URI."""
        return self._listed(ARTIFACTS, None, t.artifact.c.uri == uri)

    def get_artifacts_by_external_ids(self, external_ids: Iterable[str]) -> list[Artifact]:
        """Artifacts of those external ids.

        Raises:
            MetadataError: NOT_FOUND: there is none of them; INVALID_ARGUMENT: an empty id.
        """
        return self._by_external_ids(ARTIFACTS, external_ids)

    def get_artifacts_by_context(self, context_id: int, list_options: ListOptions | None = None) -> list[Artifact]:
        """Artifacts in a context."""
        inside = sa.select(t.attribution.c.artifact_id).where(t.attribution.c.context_id == context_id)
        return self._listed(ARTIFACTS, list_options, t.artifact.c.id.in_(inside))

    def get_artifacts_and_types_by_artifact_ids(
        self, artifact_ids: Iterable[int]
    ) -> tuple[list[Artifact], list[TypeSpec]]:
        """Artifacts of those ids, and the types that they have."""
        found = self.get_artifacts_by_id(artifact_ids)
        with self.database.read() as connection:
            wanted = {artifact.type_id for artifact in found if artifact.type_id is not None}
            return found, types_by_id(connection, TypeKind.ARTIFACT, wanted)

    # -- executions -------------------------------------------------------------------------------------------------

    def get_executions(self, list_options: ListOptions | None = None) -> list[Execution]:
        """Executions, all of them or those that the options choose; errors as `get_artifacts`."""
        return self._listed(EXECUTIONS, list_options)

    def get_executions_by_id(self, execution_ids: Iterable[int]) -> list[Execution]:
        """Executions of those ids, by id; unknown ids are left out."""
        return self._by_values(EXECUTIONS, t.execution.c.id, execution_ids)

    def get_executions_by_type(self, type_name: str, type_version: str | None = None) -> list[Execution]:
        """Executions of a type; none if there is no such type."""
        return self._listed(EXECUTIONS, None, *_of_type(type_name, type_version))

    def get_execution_by_type_and_name(
        self, type_name: str, execution_name: str, type_version: str | None = None
    ) -> Execution | None:
        """The execution of that type and name, or None."""
        found = self._listed(EXECUTIONS, None, *_of_type(type_name, type_version), t.execution.c.name == execution_name)
        return found[0] if found else None

    def get_executions_by_external_ids(self, external_ids: Iterable[str]) -> list[Execution]:
        """Executions of those external ids; errors as `get_artifacts_by_external_ids`."""
        return self._by_external_ids(EXECUTIONS, external_ids)

    def get_executions_by_context(self, context_id: int, list_options: ListOptions | None = None) -> list[Execution]:
        """Executions in a context; without options the newest first."""
        options = list_options or ListOptions(order_by=OrderByField.CREATE_TIME, is_asc=False)
        inside = sa.select(t.association.c.execution_id).where(t.association.c.context_id == context_id)
        return self._listed(EXECUTIONS, options, t.execution.c.id.in_(inside))

    # -- contexts ---------------------------------------------------------------------------------------------------

    def get_contexts(self, list_options: ListOptions | None = None) -> list[Context]:
        """Contexts, all of them or those that the options choose; errors as `get_artifacts`."""
        return self._listed(CONTEXTS, list_options)

    def get_contexts_by_id(self, context_ids: Iterable[int]) -> list[Context]:
        """Contexts of those ids, by id; unknown ids are left out."""
        return self._by_values(CONTEXTS, t.context.c.id, context_ids)

    def get_contexts_by_type(self, type_name: str, type_version: str | None = None) -> list[Context]:
        """Contexts of a type; none if there is no such type."""
        return self._listed(CONTEXTS, None, *_of_type(type_name, type_version))

    def get_context_by_type_and_name(
        self, type_name: str, context_name: str, type_version: str | None = None
    ) -> Context | None:
        """The context of that type and name, or None."""
        found = self._listed(CONTEXTS, None, *_of_type(type_name, type_version), t.context.c.name == context_name)
        return found[0] if found else None

    def get_contexts_by_external_ids(self, external_ids: Iterable[str]) -> list[Context]:
        """Contexts of those external ids; errors as `get_artifacts_by_external_ids`."""
        return self._by_external_ids(CONTEXTS, external_ids)

    def get_contexts_by_artifact(self, artifact_id: int) -> list[Context]:
        """Contexts that an artifact lies in."""
        return self._contexts_of(t.attribution, "context_id", "artifact_id", artifact_id)

    def get_contexts_by_execution(self, execution_id: int) -> list[Context]:
        """Contexts that an execution lies in."""
        return self._contexts_of(t.association, "context_id", "execution_id", execution_id)

    def get_parent_contexts_by_context(self, context_id: int) -> list[Context]:
        """Contexts right above one."""
        return self._contexts_of(t.parent_context, "parent_context_id", "context_id", context_id)

    def get_children_contexts_by_context(self, context_id: int) -> list[Context]:
        """Contexts right below one."""
        return self._contexts_of(t.parent_context, "context_id", "parent_context_id", context_id)

    # -- events -----------------------------------------------------------------------------------------------------

    def get_events_by_artifact_ids(self, artifact_ids: Iterable[int]) -> list[Event]:
        """Events of artifacts, by the events' ids."""
        with self.database.read() as connection:
            return read_events(connection, artifact_ids=artifact_ids)

    def get_events_by_execution_ids(self, execution_ids: Iterable[int]) -> list[Event]:
        """Events of executions, by the events' ids."""
        with self.database.read() as connection:
            return read_events(connection, execution_ids=execution_ids)

    # -- shared -----------------------------------------------------------------------------------------------------

    def _listed(self, kind: NodeKind[N], options: ListOptions | None, *wanted: sa.ColumnElement[bool]) -> list[N]:
        with self.database.read() as connection:
            if options is None:
                return read_nodes(connection, kind, *wanted)
            return list_nodes(connection, kind, list(wanted), options)

    def _by_values(self, kind: NodeKind[N], column: sa.ColumnElement[Any], values: Iterable[Any]) -> list[N]:
        with self.database.read() as connection:
            parts = [read_nodes(connection, kind, column.in_(part)) for part in chunks(dict.fromkeys(values))]
        return sorted((node for part in parts for node in part), key=lambda node: node.id or 0)

    def _by_external_ids(self, kind: NodeKind[N], external_ids: Iterable[str]) -> list[N]:
        wanted: Sequence[str] = list(dict.fromkeys(external_ids))
        if "" in wanted:
            raise MetadataError("an external id is never empty", code="INVALID_ARGUMENT")
        found = self._by_values(kind, kind.table.c.external_id, wanted)
        if wanted and not found:
            listed = ", ".join(wanted[:5]) + (", ..." if len(wanted) > 5 else "")
            raise MetadataError(f"there is no {kind.word} with the external id {listed}", code="NOT_FOUND")
        return found

    def _contexts_of(self, links: sa.Table, wanted: str, column: str, node_id: int) -> list[Context]:
        inside = sa.select(links.c[wanted]).where(links.c[column] == node_id)
        return self._listed(CONTEXTS, None, t.context.c.id.in_(inside))


def _of_type(name: str, version: str | None) -> list[sa.ColumnElement[bool]]:
    same = t.type_.c.version == version if version else t.type_.c.version.is_(None)
    return [t.type_.c.name == name, same]

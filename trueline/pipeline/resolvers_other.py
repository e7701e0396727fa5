"""Artifacts of another metadata database: they are noted here under their origin, their files stay where they are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from trueline._core.errors import ArtifactError
from trueline.metadata import tables as t
from trueline.metadata.node_rows import ARTIFACTS, read_nodes
from trueline.metadata.records import Artifact, ArtifactState
from trueline.metadata.store import MetadataStore
from trueline.pipeline.compile import TypeRecord

__all__ = ["adopted_artifacts"]

_EXTERNAL = "is_external"


def adopted_artifacts(
    here: MetadataStore, there: MetadataStore, found: Mapping[str, list[Artifact]], types: Mapping[str, TypeRecord]
) -> dict[str, list[Artifact]]:
    """The artifacts as this database knows them: noted before under the same origin, or noted now.

    They count as external: this pipeline did not make their files and never removes them.

    Raises:
        ArtifactError: one has no place that can be read from here.
    """
    return {
        key: [_adopted(here, there, artifact, types.get(artifact.type)) for artifact in artifacts]
        for key, artifacts in found.items()
    }


def _adopted(here: MetadataStore, there: MetadataStore, artifact: Artifact, record: TypeRecord | None) -> Artifact:
    if not artifact.uri:
        raise ArtifactError(f"artifact {artifact.id} has no URI", where=there.database.place)
    origin = hashlib.sha256(f"{there.database.place}#{artifact.id}".encode()).hexdigest()
    wanted = _copy(artifact, record, f"trueline-{origin[:40]}")
    with here.database.read() as connection:
        known = read_nodes(connection, ARTIFACTS, t.artifact.c.external_id == wanted.external_id)
    for stored in known:
        if _same(stored, wanted):
            return stored
        wanted = replace(wanted, id=stored.id)
    (artifact_id,) = here.put_artifacts([wanted])
    return replace(wanted, id=artifact_id)


def _same(stored: Artifact, wanted: Artifact) -> bool:
    pairs = (
        (dict(stored.properties), dict(wanted.properties)),
        (dict(stored.custom_properties), dict(wanted.custom_properties)),
    )
    return stored.uri == wanted.uri and stored.state is wanted.state and all(a == b for a, b in pairs)


def _copy(artifact: Artifact, record: TypeRecord | None, external_id: str) -> Artifact:
    declared = record.properties if record is not None else {}
    properties = {name: value for name, value in artifact.properties.items() if name in declared}
    custom: dict[str, Any] = {name: value for name, value in artifact.properties.items() if name not in declared}
    custom.update(artifact.custom_properties)
    return Artifact(
        artifact.type,
        artifact.uri,
        ArtifactState.LIVE,
        properties=properties,
        custom_properties={**custom, _EXTERNAL: 1},
        external_id=external_id,
    )

"""Between artifacts of the metadata store and handles of executors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from trueline._core import store
from trueline._core.errors import ArtifactError
from trueline._core.manifest import MANIFEST_NAME, Manifest, file_sha256, read_manifest
from trueline._core.version import __version__
from trueline.metadata.records import Artifact, ArtifactState, Event, PropertyType, TypeKind, TypeSpec
from trueline.pipeline.artifacts import artifact_type
from trueline.pipeline.compile import TypeRecord
from trueline.pipeline.context import ArtifactHandle

__all__ = [
    "FINGERPRINT",
    "GATE",
    "SAMPLE",
    "artifact_of",
    "content_fingerprint",
    "handle_of",
    "handles_of",
    "is_external",
    "outputs_by_key",
    "type_spec",
    "verified_fingerprint",
]

FINGERPRINT = "__fingerprint__"
GATE = "__gate__"
SAMPLE = "sample"
"""The custom property of artifacts of a sampled run: how many rows it worked on."""
_VERSION = "trueline_version"
_EXTERNAL = "is_external"
_HASHED_BYTES = 256 << 20
_VALUE = "__value__"

_KINDS: Mapping[str, PropertyType] = {
    "int": PropertyType.INT,
    "float": PropertyType.DOUBLE,
    "str": PropertyType.STRING,
    "bool": PropertyType.BOOLEAN,
    "json": PropertyType.STRING,
}


def type_spec(name: str, record: TypeRecord) -> TypeSpec:
    """The artifact type as the metadata store wants it."""
    return TypeSpec(name, TypeKind.ARTIFACT, {k: _KINDS[v] for k, v in record.properties.items()}, base=record.base)


def artifact_of(
    handle: ArtifactHandle,
    record: TypeRecord,
    fingerprint: str,
    *,
    external: bool = False,
    gate: str | None = None,
    sample: int | None = None,
) -> Artifact:
    """The LIVE artifact that a filled handle becomes.

    Declared properties are stored under their types; others become custom properties (a list or dict as a
    protobuf Struct, whose numbers come back as floats).
    """
    declared: dict[str, Any] = {}
    custom: dict[str, Any] = {FINGERPRINT: fingerprint, _VERSION: __version__}
    for name, value in handle.properties.items():
        if value is None:
            continue
        if name in record.properties:
            declared[name] = json.dumps(value) if record.properties[name] == "json" else value
        else:
            custom[name] = {_VALUE: value} if isinstance(value, list | dict) else value
    if external:
        custom[_EXTERNAL] = 1
    if gate is not None:
        custom[GATE] = gate
    if sample is not None:
        custom[SAMPLE] = sample
    return Artifact(
        type=handle.type,
        uri=handle.uri,
        state=ArtifactState.LIVE,
        name=handle.name,
        properties=declared,
        custom_properties=custom,
    )


def handle_of(artifact: Artifact) -> ArtifactHandle:
    """The handle of a stored artifact."""
    kinds = artifact_type(artifact.type).PROPERTIES
    properties: dict[str, Any] = {}
    for name, value in artifact.properties.items():
        properties[name] = _parsed(value) if kinds.get(name) == "json" else value
    for name, value in artifact.custom_properties.items():
        if not name.startswith("__") and name not in (_VERSION, _EXTERNAL):
            properties[name] = value[_VALUE] if isinstance(value, dict) and set(value) == {_VALUE} else value
    fingerprint = artifact.custom_properties.get(FINGERPRINT)
    return ArtifactHandle(
        artifact.type,
        artifact.uri or "",
        properties,
        artifact.id,
        fingerprint if isinstance(fingerprint, str) else None,
        artifact.name,
    )


def handles_of(outputs: Mapping[str, list[Artifact]]) -> dict[str, list[ArtifactHandle]]:
    """By output key, `handle_of` each artifact."""
    return {key: [handle_of(artifact) for artifact in artifacts] for key, artifacts in outputs.items()}


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def is_external(artifact: Artifact) -> bool:
    """Whether an `Importer` brought it in: its files are the user's and have no manifest of ours."""
    return artifact.custom_properties.get(_EXTERNAL) == 1


def content_fingerprint(uri: str) -> str:
    """The fingerprint of files that may have no manifest: a finished artifact's own, else over all contents.

    Raises:
        ArtifactError: when there is nothing.
    """
    if not store.exists(uri):
        raise ArtifactError("there is nothing to import", where=uri)
    if store.exists(store.join(uri, MANIFEST_NAME)):
        return read_manifest(uri, verify="sha256").fingerprint
    paths = store.walk(uri)
    if not paths:
        return hashlib.sha256(b"file:" + file_sha256(uri).encode()).hexdigest() if _is_file(uri) else _EMPTY
    entries = [(path, file_sha256(store.join(uri, path))) for path in paths]
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()


_EMPTY = hashlib.sha256(b"empty folder").hexdigest()


def _is_file(uri: str) -> bool:
    return not store.is_local(uri) or store.local_path(uri).is_file()


def verified_fingerprint(artifact: Artifact, *, thorough: bool = False) -> str:
    """The fingerprint of an artifact whose files were just checked.

    Args:
        artifact: a stored artifact.
        thorough: compare contents too (up to 256 MB an artifact; beyond that, sizes), not sizes alone.

    Raises:
        ArtifactError: not LIVE, no manifest, files gone or changed, or another artifact stands in its place.
    """
    uri = artifact.uri or ""
    if artifact.state is not ArtifactState.LIVE:
        raise ArtifactError(f"artifact {artifact.id} is {artifact.state.name}, not LIVE", where=uri)
    stored = artifact.custom_properties.get(FINGERPRINT)
    if is_external(artifact):
        found = content_fingerprint(uri)
    else:
        manifest: Manifest = read_manifest(uri, verify="size")
        if thorough and manifest.total_bytes <= _HASHED_BYTES:
            manifest = read_manifest(uri, verify="sha256")
        found = manifest.fingerprint
    if isinstance(stored, str) and stored != found:
        raise ArtifactError(
            f"artifact {artifact.id} was changed since it was published", where=uri, hint="run its component again."
        )
    return found


def outputs_by_key(events: Sequence[Event], artifacts: Sequence[Artifact]) -> dict[str, list[Artifact]]:
    """An execution's output artifacts by output name, in the order of their indices."""
    by_id = {artifact.id: artifact for artifact in artifacts}
    placed: dict[str, list[tuple[int, Artifact]]] = {}
    for event in events:
        if not event.type.is_output or event.artifact_id not in by_id:
            continue
        steps = list(event.path)
        for key, index in zip(steps[0::2], steps[1::2], strict=False):
            placed.setdefault(str(key), []).append((int(index), by_id[event.artifact_id]))
    return {key: [artifact for _, artifact in sorted(items, key=lambda i: i[0])] for key, items in placed.items()}

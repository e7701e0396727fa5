"""Carrying a compiled `Importer` out: what is there is hashed, and noted unless the same was noted before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trueline._core import store as files
from trueline._core.errors import ArtifactError, reason_of
from trueline.metadata.records import Artifact, ArtifactState
from trueline.pipeline.compile import CompiledNode
from trueline.pipeline.context import ArtifactHandle
from trueline.pipeline.handles import artifact_of, content_fingerprint, is_external
from trueline.pipeline.params import decode_params
from trueline.pipeline.run_context import RunContext

__all__ = ["Imported", "import_artifact", "settled_fingerprint"]

_VERSION = "trueline_version"
_VALUE = "__value__"
_REMOTE_MARKS = ("size", "ETag", "etag", "md5Hash", "generation", "LastModified", "mtime", "created")
"""What remote stores say of a file that changes when it is written again, each some of these."""


@dataclass(frozen=True)
class Imported:
    """What an importer brings in.

    Attributes:
        key: the output.
        artifact: with an id where it was noted before.
        reason: why it is used again, or why it is new.
        cached: whether it is used again.
    """

    key: str
    artifact: Artifact
    reason: str
    cached: bool


def import_artifact(run: RunContext, node: CompiledNode) -> Imported:
    """The artifact that an `Importer` names: the newest one with the same URI, type, properties and contents, or new.

    Raises:
        ArtifactError: nothing is there, an empty folder, files that cannot be read, or that change meanwhile.
    """
    params = decode_params(node.params)
    key, kind = next(iter(node.outputs.items()))
    uri = _absolute(str(params["source_uri"]))
    wanted = _wanted(run, kind, uri, params)
    if params["reimport"]:
        return Imported(key, wanted, "reimport is asked for", False)
    earlier = run.store.artifacts(uri=uri, type=kind, newest_first=True)
    for artifact in earlier:
        if _same(artifact, wanted):
            reason = f"artifact {artifact.id} has the same URI, properties and contents"
            return Imported(key, artifact, reason, True)
    return Imported(key, wanted, _reason(earlier, wanted), False)


def _wanted(run: RunContext, kind: str, uri: str, params: Mapping[str, Any]) -> Artifact:
    handle = ArtifactHandle(kind, uri, dict(params["properties"]))
    artifact = artifact_of(handle, run.plan.types[kind], settled_fingerprint(uri), external=True)
    more = {
        name: {_VALUE: value} if isinstance(value, list | dict) else value
        for name, value in (params.get("custom_properties") or {}).items()
        if value is not None
    }
    return replace(artifact, custom_properties={**artifact.custom_properties, **more})


def _absolute(uri: str) -> str:
    """The place in full: a relative path means another one in another folder."""
    return str(Path(uri).expanduser().absolute()) if "://" not in uri else uri


def settled_fingerprint(uri: str) -> str:
    """The fingerprint of contents that nobody changed while they were read.

    Raises:
        ArtifactError: see `import_artifact`.
    """
    try:
        before = _state(uri)
        fingerprint = content_fingerprint(uri)
        after = _state(uri)
    except OSError as error:
        raise ArtifactError(
            f"it cannot be read: {reason_of(error)}", where=uri, hint="may this user read the files?"
        ) from error
    if not before:
        raise ArtifactError("the folder is empty: there is nothing to import", where=uri)
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    if changed:
        listed = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        raise ArtifactError(
            f"the files changed while they were read: {listed}", where=uri, hint="run again when nobody writes there."
        )
    return fingerprint


def _state(uri: str) -> dict[str, Any]:
    """What tells of each file whether it was written again: size and time, or a remote store's own marks.

    Raises:
        ArtifactError: there is nothing.
        OSError: a folder cannot be listed.
    """
    if not files.exists(uri):
        raise ArtifactError("there is nothing to import", where=uri, hint="check the path, and that it is mounted.")
    if files.is_local(uri):
        return _local_state(files.local_path(uri))
    return _remote_state(uri)


def _remote_state(uri: str) -> dict[str, Any]:
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(uri)
        filesystem.invalidate_cache()
        found = filesystem.find(path, detail=True)
    except Exception as error:
        raise ArtifactError(
            f"the store cannot be used: {reason_of(error)}",
            where=uri,
            hint="check the address, the credentials and the network.",
        ) from error
    return {
        name: [str(told[mark]) for mark in _REMOTE_MARKS if told.get(mark) is not None] for name, told in found.items()
    }


def _local_state(path: Path) -> dict[str, Any]:
    if path.is_file():
        return {path.name: _mark(path)}
    found = {}
    for item in sorted(path.iterdir()):  # iterdir tells of a folder that cannot be read; a glob passes it over
        if item.is_dir():
            found.update({f"{item.name}/{name}": mark for name, mark in _local_state(item).items()})
        elif item.is_file():
            found[item.name] = _mark(item)
    return found


def _mark(path: Path) -> tuple[int, int]:
    told = path.stat()
    return told.st_size, told.st_mtime_ns


def _same(stored: Artifact, wanted: Artifact) -> bool:
    return (
        stored.state is ArtifactState.LIVE
        and is_external(stored)
        and dict(stored.properties) == dict(wanted.properties)
        and _custom(stored) == _custom(wanted)
    )


def _custom(artifact: Artifact) -> dict[str, Any]:
    """Custom properties but the version that wrote them: an upgrade is no change of the contents."""
    return {name: value for name, value in artifact.custom_properties.items() if name != _VERSION}


def _reason(earlier: list[Artifact], wanted: Artifact) -> str:
    newest = next((artifact for artifact in earlier if is_external(artifact)), None)
    if newest is None:
        return "nothing like it was imported before"
    if newest.state is not ArtifactState.LIVE:
        return f"artifact {newest.id} is {newest.state.name}"
    old, new = {**_custom(newest), **newest.properties}, {**_custom(wanted), **wanted.properties}
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    told = ["contents" if name == "__fingerprint__" else f"property {name!r}" for name in names]
    return f"changed since artifact {newest.id}: {', '.join(told)}"

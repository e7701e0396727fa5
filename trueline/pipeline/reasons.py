"""Why a node ran again: what differs between two cache keys, one sentence a difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueline._core.errors import MetadataError
from trueline.metadata.param_changes import changed_params
from trueline.metadata.run_records import CacheEntry
from trueline.metadata.runs import RunStore
from trueline.metadata.store import MetadataStore

__all__ = ["KEY_FORMAT", "Why", "differences", "earlier_entry", "why"]

KEY_FORMAT = 2
"""Of the parts of a cache key. 2: versions of packages, files that code reads, and notes."""
_UNSETTLED = {
    "executor": "its code was edited",
    "functions": "its code was edited",
    "packages": "packages that it imports were changed",
    "missing": "packages that it imports were changed",
    "files": "files that its code names were changed",
}
_MOST = 3
_LOOKED_AT = 200


@dataclass(frozen=True)
class Why:
    """Why a node of a run was executed, cached, or failed.

    Attributes:
        state: the node's state.
        reason: what the cache said at the time.
        changes: what differs from the node's newest earlier execution, one sentence each.
        earlier_run, earlier_execution: that earlier execution; None if this was the first.
    """

    run_id: str
    node_id: str
    state: str
    reason: str | None
    message: str | None
    changes: tuple[str, ...]
    earlier_run: str | None
    earlier_execution: int | None


def why(store: MetadataStore, run_id: str, node_id: str) -> Why:
    """Explains one node of one run from the stored parts of the cache keys.

    Raises:
        MetadataError: no such run or node.
    """
    runs = RunStore(store)
    run = runs.run(run_id)
    record = runs.node(run.run_id, node_id)
    entry = runs.cache_entry(record.execution_id) if record.execution_id is not None else None
    changes: tuple[str, ...] = ()
    earlier_run = earlier_execution = None
    if entry is not None:
        before = earlier_entry(runs, run.pipeline, record.base or node_id, node_id, before=entry.execution_id)
        if before is not None:
            earlier_execution = before.execution_id
            place = runs.run_of_execution(earlier_execution)
            earlier_run = place[0] if place else None
            changes = tuple(differences(before.parts, entry.parts))
    elif record.execution_id is None and record.state in ("COMPLETE", "CACHED", "REUSED"):
        raise MetadataError(f"node {node_id!r} of run {run.run_id} left no trace in the cache's memory")
    return Why(
        run.run_id, node_id, record.state, record.reason, record.message, changes, earlier_run, earlier_execution
    )


def earlier_entry(
    runs: RunStore, pipeline: str, base_id: str, node_id: str, before: int | None = None
) -> CacheEntry | None:
    """The entry of a node's newest execution, of those before one if it is given.

    The passes of a loop share their entries. Of those the newest of the same pass is told of, if it is not long ago:
    what differs between two items explains nothing.
    """
    alone = base_id == node_id
    limit = 1 if alone else _LOOKED_AT
    entries = runs.cache_entries(pipeline=pipeline, node_id=base_id, before=before, limit=limit)
    if alone:
        return entries[0] if entries else None
    return next((e for e in entries if (runs.run_of_execution(e.execution_id) or ("", ""))[1] == node_id), None)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What changed from one key's parts to another's, as sentences."""
    if old.get("format") != new.get("format"):
        return ["the key's format changed"]
    found = [*_code(old, new), *_packages(old, new), *_files(old.get("files") or {}, new.get("files") or {})]
    found += [f"parameter {text}" for text in changed_params(old.get("params") or {}, new.get("params") or {})]
    found += [
        f"environment variable {name} changed"
        for name in sorted({*(old.get("environment") or {}), *(new.get("environment") or {})})
        if (old.get("environment") or {}).get(name) != (new.get("environment") or {}).get(name)
    ]
    if old.get("fingerprint") != new.get("fingerprint"):
        found.append(_fingerprint(old.get("fingerprint"), new.get("fingerprint")))
    if old.get("unsettled") and not new.get("unsettled") and not found:
        what = dict.fromkeys(_UNSETTLED[name] for name in old["unsettled"] if name in _UNSETTLED)
        found.append(f"{' and '.join(what)} while it ran the last time")
    found += _inputs(old, new)
    if old.get("outputs") != new.get("outputs"):
        found.append("the declared outputs changed")
    if old.get("sample") != new.get("sample"):
        found.append(f"it is {_sample(new.get('sample'))}, the last was {_sample(old.get('sample'))}")
    return found


def _sample(rows: Any) -> str:
    return "a full run" if rows is None else f"a sampled run of {rows} rows"


def _code(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in ("trueline", "python"):
        if old.get(name) != new.get(name):
            yield f"{name} {old.get(name)} -> {new.get(name)}"
    before, after = old.get("executor") or {}, new.get("executor") or {}
    if before.get("name") != after.get("name"):
        yield f"the executor is {after.get('name')}, it was {before.get('name')}"
    elif before.get("code") != after.get("code"):
        yield f"code of the executor {after.get('name')} changed{_where(old, new, 'executor')}"
    for name in _changed(old, new, "functions"):
        yield f"code of {name} changed{_where(old, new, f'function {name}')}"


def _where(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> str:
    """Which statements of which files: ``: train and LIMIT in model.py``."""
    before, after = (((parts.get("notes") or {}).get("code") or {}).get(name) or {} for parts in (old, new))
    by_file: dict[str, list[str]] = {}
    for place in sorted({*before, *after}):
        if before.get(place) != after.get(place):
            file, _, label = place.partition(":")
            what = " (new)" if place not in before else " (gone)" if place not in after else ""
            by_file.setdefault(file, []).append(f"{label}{what}" if label else what.strip())
    told = [f"{_listed(labels)} in {file}" if any(labels) else file for file, labels in by_file.items()]
    if not before or not after:
        return ""
    return f": {'; '.join(told)}" if told else ": the order of its statements"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST]) + (f" and {len(names) - _MOST} more" if len(names) > _MOST else "")


def _packages(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before, after = old.get("packages") or {}, new.get("packages") or {}
    for name in sorted({*before, *after}):
        if before.get(name) == after.get(name):
            continue
        if name not in before:
            yield f"{name} {after[name]} is imported now"
        elif name not in after:
            yield f"{name} is no longer imported (it was {before[name]})"
        else:
            yield f"{name} {before[name]} -> {after[name]}"
    gone, there = ({*(old.get("missing") or ())}, {*(new.get("missing") or ())})
    if there - gone:
        yield f"modules that cannot be found: {_listed(sorted(there - gone))}"
    if gone - there and not {*after} - {*before}:
        yield f"modules that could not be found are no longer asked for: {_listed(sorted(gone - there))}"


def _files(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Files that code reads, each told once, however many functions read it."""
    before, after = ({name: digest for files in side.values() for name, digest in files.items()} for side in (old, new))
    for name in sorted({*before, *after}):
        if name not in before:
            yield f"file {name} is read now"
        elif name not in after:
            yield f"file {name} is no longer read"
        elif before[name] != after[name] and after[name] == "missing":
            yield f"file {name} is gone"
        elif before[name] != after[name]:
            yield f"file {name}, which the code names, changed"


def _changed(old: Mapping[str, Any], new: Mapping[str, Any], part: str) -> list[str]:
    before, after = old.get(part) or {}, new.get(part) or {}
    return [
        name for name in sorted({*before, *after}) if name in before and name in after and before[name] != after[name]
    ]


def _fingerprint(old: Any, new: Any) -> str:
    """Which outside files changed, when the fingerprint is a dict of file -> digest."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
        listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        return f"what it reads from outside changed: {listed}"
    return "what it reads from outside changed"


def _inputs(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    origins = (new.get("notes") or {}).get("inputs") or {}
    earlier, current = old.get("inputs") or {}, new.get("inputs") or {}
    for key in sorted({*earlier, *current}):
        before, after = earlier.get(key) or [], current.get(key) or []
        if before == after:
            continue
        of = f" (of {', '.join(origins[key])})" if origins.get(key) else ""
        if len(before) != len(after):
            yield f"input {key}{of}: {len(before)} -> {len(after)} artifacts"
        elif [item["fingerprint"] for item in before] != [item["fingerprint"] for item in after]:
            yield f"input {key}{of} changed"
        else:
            pairs = zip(before, after, strict=True)
            told = [text for a, b in pairs for text in changed_params(a["properties"], b["properties"])]
            yield f"properties of input {key}{of} changed: {_listed(list(dict.fromkeys(told)))}"

"""What changed from one release's origin to the next, and which part of the version that moves.

* major: features of the schema (names, types, forms) or the signature. Clients and sources of data have to follow.
* minor: code, packages or parameters of a node that is no source, trueline itself, a schema kept by hand, whether
  training goes on from an earlier model. The model is made in another way.
* patch: Examples and their spans, parameters of sources, what a schema was inferred to hold. The same way, other data.

What is not known is never taken for equal: it counts as the part that it could have moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from trueline.metadata.param_changes import changed_params, short_json

__all__ = ["Changes", "Level", "compare", "next_version", "version_key"]

Level = Literal["major", "minor", "patch"]
_TABLES = (
    ("functions", "code of {0} changed"),
    ("files", "the file {0} that the code reads changed"),
    ("packages", "package {0} {1} -> {2}"),
)


@dataclass(frozen=True)
class Changes:
    """Sentences, by what they are about, and the part of the version that they move."""

    level: Level
    schema: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def version_key(version: str) -> tuple[int, int, int]:
    """``1.12.0`` as numbers, to sort by.

    Raises:
        ValueError: it is no such version.
    """
    major, minor, patch = (int(part) for part in version.split("."))
    return major, minor, patch


def next_version(version: str | None, level: Level) -> str:
    """The version after one; the first is 1.0.0.

    >>> next_version("1.2.3", "minor"), next_version(None, "patch")
    ('1.3.0', '1.0.0')
    """
    if version is None:
        return "1.0.0"
    major, minor, patch = version_key(version)
    following = {"major": (major + 1, 0, 0), "minor": (major, minor + 1, 0), "patch": (major, minor, patch + 1)}
    return ".".join(map(str, following[level]))


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """What differs between two origins (see `trueline.metadata.model_origin.origin_of`)."""
    signature, signature_unknown = _signature(before.get("signature"), after.get("signature"))
    features, curated, inferred, schema_unknown = _schemas(before.get("schema") or [], after.get("schema") or [])
    code = [*_code(before.get("code") or {}, after.get("code") or {}), *_bases(before, after)]
    parameters = list(_tables(before.get("parameters") or {}, after.get("parameters") or {}))
    sources = list(_tables(before.get("source_parameters") or {}, after.get("source_parameters") or {}))
    unrecorded = not after.get("code") or not before.get("code")
    unknown = [*signature_unknown, *schema_unknown]
    if unrecorded:
        unknown.append("the code of one of the two is not recorded")
    if signature or features or signature_unknown or schema_unknown:
        level: Level = "major"
    else:
        level = "minor" if code or parameters or curated or unrecorded else "patch"
    return Changes(
        level,
        (*signature, *features, *curated, *inferred),
        tuple(code),
        tuple(parameters),
        (*_data(before.get("data") or [], after.get("data") or []), *sources),
        tuple(unknown),
    )


def _signature(before: Any, after: Any) -> tuple[list[str], list[str]]:
    if before is None or after is None:
        return [], ["the signature of one of the two could not be read"]
    found: list[str] = []
    for side, word in (("inputs", "input"), ("outputs", "output")):
        found += _named(before.get(side) or {}, after.get(side) or {}, word)
    for name in ("task", "classes"):
        if before.get(name) != after.get(name):
            found.append(f"{name}: {short_json(before.get(name))} -> {short_json(after.get(name))}")
    return found, []


def _named(before: Mapping[str, str], after: Mapping[str, str], word: str) -> Iterator[str]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old is None:
            yield f"{word} {name} ({new}) is new"
        elif new is None:
            yield f"{word} {name} is no longer there (it was {old})"
        elif old != new:
            yield f"{word} {name}: {old} -> {new}"


def _schemas(before: list[Any], after: list[Any]) -> tuple[list[str], list[str], list[str], list[str]]:
    """Changes of features, changes of a schema kept by hand, changes of what was inferred, and what is not known."""
    if [s.get("fingerprint") for s in before] == [s.get("fingerprint") for s in after]:
        return [], [], [], []
    if any(s.get("features") is None for s in (*before, *after)):
        return [], [], [], ["a schema of one of the two could not be read"]
    old = {name: kind for s in before for name, kind in s["features"].items()}
    new = {name: kind for s in after for name, kind in s["features"].items()}
    if features := list(_named(old, new, "feature")):
        return features, [], [], []
    sentence = ["the schema's ranges, domains or limits changed"]
    inferred = all(s.get("inferred") for s in (*before, *after))
    return [], [] if inferred else sentence, sentence if inferred else [], []


def _code(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    if not before or not after:
        return
    versions = [
        sorted({str(part["trueline"]) for part in side.values() if "trueline" in part}) for side in (before, after)
    ]
    if versions[0] != versions[1]:
        yield f"trueline {', '.join(versions[0]) or 'unknown'} -> {', '.join(versions[1]) or 'unknown'}"
    for node in sorted({*before, *after}):
        old, new = before.get(node), after.get(node)
        if old is None or new is None:
            yield f"node {node} is {'new' if old is None else 'no longer there'}"
            continue
        for table, sentence in _TABLES:
            # A key of an older form lacks some of them: what was not recorded then did not change now.
            if table in old and table in new:
                was, now = old[table], new[table]
                changed = [name for name in sorted({*was, *now}) if was.get(name) != now.get(name)]
                yield from (f"{node}: {sentence.format(name, was.get(name), now.get(name))}" for name in changed)
        if old.get("executor") != new.get("executor"):
            yield f"{node}: code of the executor changed"
        if old.get("python") != new.get("python") and "python" in old and "python" in new:
            yield f"{node}: Python {old['python']} -> {new['python']}"


def _bases(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """A model gone on from, or no longer so: another way of making. Which one it is follows from the releases."""
    counts = [len(side.get("base_models") or []) for side in (before, after)]
    if counts[0] == counts[1]:
        return []
    return [
        "training goes on from an earlier model" if counts[1] else "training begins anew, not from an earlier model"
    ]


def _tables(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Parameters of nodes that both have; a node that came or went is told of by its code."""
    for node in sorted(before.keys() & after.keys()):
        yield from changed_params(before[node], after[node], f"{node}.")


def _data(before: list[Any], after: list[Any]) -> list[str]:
    if sorted(str(d.get("fingerprint")) for d in before) == sorted(str(d.get("fingerprint")) for d in after):
        return []
    spans = [_spans(before), _spans(after)]
    found = [f"spans {spans[0]} -> {spans[1]}"] if spans[0] != spans[1] else ["the data's contents changed"]
    rows = [_rows(before), _rows(after)]
    if rows[0] != rows[1]:
        found.append(f"rows {rows[0]} -> {rows[1]}")
    return found


def _spans(data: list[Any]) -> str:
    spans = sorted({d["span"] for d in data if isinstance(d.get("span"), int)})
    if len(spans) > 2 and spans == list(range(spans[0], spans[-1] + 1)):
        return f"{spans[0]} to {spans[-1]}"
    return ", ".join(map(str, spans)) or "none"


def _rows(data: list[Any]) -> str:
    counts = [d.get("rows") for d in data]
    known = [count for count in counts if isinstance(count, int)]
    return f"{sum(known):,}" if counts and len(known) == len(counts) else "unknown"

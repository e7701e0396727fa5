"""What a model was made of, from its lineage: data, code, parameters, schema and signature, as one JSON value.

The value is kept with each release, so that a later one can be compared with it when the files of this one are gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from trueline._core import store as files
from trueline._core.errors import TruelineError
from trueline.metadata.own_tables import cache_entry, run_node
from trueline.metadata.records import Artifact, Event, EventType
from trueline.metadata.store import MetadataStore
from trueline.metadata.words import fingerprint_of, is_external, is_sampled, unwrapped

__all__ = ["ORIGIN_FORMAT", "origin_of", "producers", "walk_up"]

ORIGIN_FORMAT = 1
_MADE = (EventType.OUTPUT, EventType.DECLARED_OUTPUT, EventType.PENDING_OUTPUT)
_HOPS = 200
_CODE = ("executor", "functions", "files", "packages", "python", "trueline")
_SIGNATURE = ("inputs", "outputs")


@dataclass(frozen=True)
class Walk:
    """The lineage above an artifact: executions with their inputs, and the models that training began from."""

    artifacts: Mapping[int, Artifact]
    inputs: Mapping[int, tuple[int, ...]]
    maker: Mapping[int, int]
    base_models: tuple[Artifact, ...]


def producers(store: MetadataStore, artifact_ids: Iterable[int]) -> dict[int, int]:
    """Which execution made each artifact: the first that put it out. One found by a resolver or in the cache was
    made before."""
    made: dict[int, Event] = {}
    for event in store.events(artifact_ids=artifact_ids):
        if event.type in _MADE:
            made.setdefault(event.artifact_id, event)
    return {artifact_id: event.execution_id for artifact_id, event in made.items()}


def walk_up(store: MetadataStore, model: Artifact) -> Walk:
    """Everything that a model was made of. A model that a resolver brought in (to go on training from, or as a
    baseline) is named, and not walked behind: its data are its own story."""
    assert model.id is not None
    seen: dict[int, Artifact] = {model.id: model}
    inputs: dict[int, tuple[int, ...]] = {}
    maker: dict[int, int] = {}
    bases: dict[int, Artifact] = {}
    front = {model.id}
    for _ in range(_HOPS):
        made = producers(store, front)
        maker.update(made)
        fresh = set(made.values()) - set(inputs)
        if not fresh:
            break
        taken: dict[int, set[int]] = {execution: set() for execution in fresh}
        for event in store.events(execution_ids=fresh):
            if event.type.is_input:
                taken[event.execution_id].add(event.artifact_id)
        inputs.update({execution: tuple(sorted(ids)) for execution, ids in taken.items()})
        new = store.artifacts(ids={i for ids in taken.values() for i in ids} - set(seen))
        seen.update({artifact.id: artifact for artifact in new if artifact.id is not None})
        resolved = _resolved(store, [a for a in new if a.type == "Model"], inputs)
        bases.update({artifact.id: artifact for artifact in resolved if artifact.id is not None})
        front = {artifact.id for artifact in new if artifact.id is not None} - set(bases)
    return Walk(seen, inputs, maker, tuple(bases[i] for i in sorted(bases)))


def _resolved(store: MetadataStore, models: list[Artifact], inputs: Mapping[int, tuple[int, ...]]) -> list[Artifact]:
    """Models that a resolver of the consumer's own run put out."""
    found = []
    for artifact in models:
        assert artifact.id is not None
        events = store.events(artifact_ids=[artifact.id])
        brought = _runs_of(store, [e.execution_id for e in events if e.type is EventType.INTERNAL_OUTPUT])
        used = _runs_of(store, [e.execution_id for e in events if e.type.is_input and e.execution_id in inputs])
        if brought & used:
            found.append(artifact)
    return found


def _runs_of(store: MetadataStore, executions: list[int]) -> set[str]:
    if not executions or not store.database.adopted:
        return set()
    query = sa.select(run_node.c.run_id).where(run_node.c.execution_id.in_(executions))
    with store.database.read() as connection:
        return set(connection.execute(query).scalars())


def origin_of(store: MetadataStore, model: Artifact) -> dict[str, Any]:
    """The origin of a model as JSON: ``data``, ``code``, ``parameters``, ``schema``, ``signature``, ``base_models``,
    and ``unknown``: what could not be read, in sentences."""
    walk = walk_up(store, model)
    unknown: list[str] = []
    parts = _cache_parts(store, walk.inputs)
    nodes = _newest_by_node(parts)
    sources = {node for node, (execution, _) in nodes.items() if not walk.inputs[execution]}
    if model.id not in walk.maker:
        unknown.append("nothing recorded how the model was made")
    elif not nodes:
        unknown.append("the code that made the model is not recorded")
    return {
        "format": ORIGIN_FORMAT,
        "model": {"artifact": model.id, "fingerprint": fingerprint_of(model), "type": model.type},
        "data": _data(store, walk),
        "code": {node: _code(part) for node, (_, part) in nodes.items()},
        "parameters": {
            node: dict(part.get("params") or {}) for node, (_, part) in nodes.items() if node not in sources
        },
        "source_parameters": {
            node: dict(part.get("params") or {}) for node, (_, part) in nodes.items() if node in sources
        },
        "schema": _schemas(walk, unknown),
        "signature": _signature(model, unknown),
        "base_models": [{"artifact": a.id, "fingerprint": fingerprint_of(a)} for a in walk.base_models],
        "sampled": any(is_sampled(artifact) for artifact in walk.artifacts.values()),
        "unknown": unknown,
    }


def _cache_parts(store: MetadataStore, executions: Iterable[int]) -> dict[int, tuple[str, dict[str, Any]]]:
    """Execution -> (node, the parts of its cache key)."""
    wanted = sorted(executions)
    if not wanted or not store.database.adopted:
        return {}
    found = {}
    with store.database.read() as connection:
        for start in range(0, len(wanted), 500):
            query = sa.select(cache_entry).where(cache_entry.c.execution_id.in_(wanted[start : start + 500]))
            for row in connection.execute(query).mappings():
                found[row["execution_id"]] = (str(row["node_id"]), json.loads(row["parts"]))
    return found


def _newest_by_node(parts: Mapping[int, tuple[str, dict[str, Any]]]) -> dict[str, tuple[int, dict[str, Any]]]:
    """Of several executions of a node (one for each span) the newest speaks."""
    found: dict[str, tuple[int, dict[str, Any]]] = {}
    for execution in sorted(parts):
        node, part = parts[execution]
        found[node] = (execution, part)
    return dict(sorted(found.items()))


def _code(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: part[name] for name in _CODE if part.get(name) is not None}


def _data(store: MetadataStore, walk: Walk) -> list[dict[str, Any]]:
    """Examples that were made of no other Examples: what came in from outside."""
    kinds = {i: artifact.type for i, artifact in walk.artifacts.items()}
    roots = [
        artifact
        for i, artifact in sorted(walk.artifacts.items())
        if artifact.type == "Examples"
        and not any(kinds.get(j) == "Examples" for j in walk.inputs.get(walk.maker.get(i, 0), ()))
    ]
    places = _found_by_execution(store, [walk.maker[a.id] for a in roots if a.id is not None and a.id in walk.maker])
    data = []
    for artifact in roots:
        node, found = places.get(walk.maker.get(artifact.id or 0, 0), (None, {}))
        known = {**unwrapped(artifact.custom_properties), **artifact.properties}
        data.append(
            {
                "artifact": artifact.id,
                "fingerprint": fingerprint_of(artifact),
                "node": node,
                "rows": found.get("rows"),
                "span": known.get("span"),
                "version": known.get("version"),
            }
        )
    return data


def _found_by_execution(store: MetadataStore, executions: list[int]) -> dict[int, tuple[str, dict[str, Any]]]:
    if not executions or not store.database.adopted:
        return {}
    query = sa.select(run_node.c.execution_id, run_node.c.node_id, run_node.c.found)
    with store.database.read() as connection:
        rows = connection.execute(query.where(run_node.c.execution_id.in_(executions))).all()
    return {row[0]: (str(row[1]), json.loads(row[2] or "{}")) for row in rows}


def _schemas(walk: Walk, unknown: list[str]) -> list[dict[str, Any]]:
    found = []
    for i, artifact in sorted(walk.artifacts.items()):
        if artifact.type == "Schema":
            above = walk.inputs.get(walk.maker.get(i, 0), ())
            inferred = any(walk.artifacts[j].type == "ExampleStatistics" for j in above)
            found.append(
                {
                    "artifact": i,
                    "fingerprint": fingerprint_of(artifact),
                    "inferred": inferred,
                    "features": _features(artifact, unknown),
                }
            )
    return found


def _features(schema: Artifact, unknown: list[str]) -> dict[str, str] | None:
    """Feature -> its type and, if it is no single value, its form; None for a file that cannot be read."""
    from trueline.schema import load_schema_text

    uri = schema.uri or ""
    try:
        external_file = is_external(schema) and uri.endswith((".pbtxt", ".txt"))
        message = load_schema_text(uri if external_file else files.join(uri, "schema.pbtxt"))
    except (TruelineError, OSError) as error:
        unknown.append(f"schema {schema.id} cannot be read: {str(error).splitlines()[0]}")
        return None
    return {name: text for feature in message.feature for name, text in _feature(feature, "")}


def _feature(feature: Any, above: str) -> list[tuple[str, str]]:
    name = f"{above}{feature.name}"
    kind = type(feature).DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number[feature.type].name
    found = [(name, f"{kind} {_shape(feature)}".strip())]
    for inner in feature.struct_domain.feature:
        found += _feature(inner, f"{name}.")
    return found


def _shape(feature: Any) -> str:
    """Nothing for one value a row. A missing value moves an inferred schema between two ways of saying that."""
    form = feature.WhichOneof("shape_type")
    if form == "value_count":
        return "" if feature.value_count.min == feature.value_count.max == 1 else "list"
    if form == "value_counts":
        return "nested list"
    sizes = [dim.size for dim in feature.shape.dim] if form == "shape" else []
    return "" if all(size == 1 for size in sizes) else f"of shape {sizes}"


def _signature(model: Artifact, unknown: list[str]) -> dict[str, Any] | None:
    """Names, types and forms of what the model takes and gives, without examples."""
    try:
        about = json.loads(files.read_text(files.join(model.uri or "", "model.json")))
        told = about["signature"]
        sides = {side: {field["name"]: _form(field) for field in told[side]} for side in _SIGNATURE}
        return {**sides, "task": about.get("task"), "classes": about.get("classes")}
    except (TruelineError, OSError, ValueError, KeyError, TypeError) as error:
        unknown.append(f"the model's signature cannot be read: {str(error).splitlines()[0]}")
        return None


def _form(field: Mapping[str, Any]) -> str:
    words = [str(field.get("dtype")), str(field.get("kind") or "")]
    if field.get("optional"):
        words.append("optional")
    return " ".join(word for word in words if word)

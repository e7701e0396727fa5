"""What was said of a model: the newest verdict of its Evaluator and of its InfraValidator, and its metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from trueline.metadata.node_rows import ARTIFACTS, read_nodes
from trueline.metadata.own_tables import run_node
from trueline.metadata.records import Artifact, ArtifactState, EventType
from trueline.metadata.store import MetadataStore
from trueline.metadata.tables import artifact as artifact_table
from trueline.metadata.tables import event, properties, type_
from trueline.metadata.words import CUSTOM, GATE, fingerprint_of

__all__ = ["Verdict", "verdict_of"]

_MODEL_ID = "current_model_id"
_MODEL_FINGERPRINT = "current_model_fingerprint"


@dataclass(frozen=True)
class Verdict:
    """The newest word on a model.

    Attributes:
        blessed: the Evaluator's verdict; None where there was none. The newest counts: blessed once and refused
            later is refused. A deleted blessing is a verdict still.
        infra: the InfraValidator's; None where there was none.
        reasons: why it is not fit to be released, one sentence each; empty for a blessed model.
        blessing: the artifact that says so.
        metrics: the evaluation's metrics on all rows.
    """

    blessed: bool | None = None
    infra: bool | None = None
    reasons: tuple[str, ...] = ()
    blessing: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


def verdict_of(store: MetadataStore, model: Artifact) -> Verdict:
    """Everything that was said of a model, or of one with the same contents."""
    with store.database.read() as connection:
        blessing = _newest(connection, "ModelBlessing", model)
        infra = _newest(connection, "InfraBlessing", model)
        metrics = _metrics(connection, blessing) if blessing is not None and store.database.adopted else {}
    reasons = []
    if blessing is None:
        reasons.append("no Evaluator ever judged it")
    elif not _says_yes(blessing):
        reasons.append(_sentence(blessing, "its Evaluator did not bless it"))
    if infra is not None and not _says_yes(infra):
        reasons.append(_sentence(infra, "its InfraValidator did not bless it"))
    if GATE in model.custom_properties:
        reasons.append(f"its own gate was closed: {model.custom_properties[GATE]}")
    return Verdict(
        None if blessing is None else _says_yes(blessing),
        None if infra is None else _says_yes(infra),
        tuple(reasons),
        None if blessing is None else blessing.id,
        metrics,
    )


def _newest(connection: sa.Connection, kind: str, model: Artifact) -> Artifact | None:
    """The newest blessing of a kind that names the model by its number or its contents."""
    table = properties["Artifact"]
    named = (table.c.name == _MODEL_ID) & (table.c.is_custom_property == CUSTOM) & (table.c.int_value == model.id)
    ids = set(connection.execute(sa.select(table.c.artifact_id).where(named)).scalars())
    if (fingerprint := fingerprint_of(model)) is not None:
        same = (
            (table.c.name == _MODEL_FINGERPRINT)
            & (table.c.is_custom_property == CUSTOM)
            & (table.c.string_value == fingerprint)
        )
        ids |= set(connection.execute(sa.select(table.c.artifact_id).where(same)).scalars())
    abandoned = (artifact_table.c.state.is_(None)) | (artifact_table.c.state != int(ArtifactState.ABANDONED))
    found = read_nodes(
        connection,
        ARTIFACTS,
        type_.c.name == kind,
        artifact_table.c.id.in_(sorted(ids)[-200:]),
        abandoned,
        newest_first=True,
        limit=1,
    )
    return found[0] if found else None


def _says_yes(blessing: Artifact) -> bool:
    return blessing.custom_properties.get("blessed") in (1, True) and GATE not in blessing.custom_properties


def _sentence(blessing: Artifact, plain: str) -> str:
    reason = blessing.custom_properties.get("reason")
    return f"{plain}: {str(reason).rstrip('.')}" if reason else plain


def _metrics(connection: sa.Connection, blessing: Artifact) -> dict[str, float]:
    """What the execution that made the blessing reported."""
    query = (
        sa.select(run_node.c.found)
        .join(event, event.c.execution_id == run_node.c.execution_id)
        .where(event.c.artifact_id == blessing.id, event.c.type == int(EventType.OUTPUT))
        .order_by(event.c.id)
    )
    for text in connection.execute(query).scalars():
        found: Any = json.loads(text or "{}").get("metrics")
        if isinstance(found, Mapping):
            numbers = {k: v for k, v in found.items() if isinstance(v, int | float) and not isinstance(v, bool)}
            return {str(name): float(value) for name, value in sorted(numbers.items())}
    return {}

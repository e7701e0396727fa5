"""Promoting releases and going back: aliases move, stages follow, and every step is written down.

The alias ``champion`` is the release in production. Nothing becomes champion that is not fit: a blessed model of a
full run whose files are whole. A release that is not blessed can be forced, with a reason, which stays on record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from trueline._core.errors import ConfigError, GateError, MetadataError
from trueline.metadata.alias_rows import check_alias_name, drop_alias_row, put_alias_row, read_alias
from trueline.metadata.artifact_pins import state_of
from trueline.metadata.locks import lock_registry
from trueline.metadata.model_releases import (
    Release,
    check_whole,
    find_release,
    model_artifact,
    read_releases,
    write_release,
)
from trueline.metadata.records import ArtifactState
from trueline.metadata.store import MetadataStore
from trueline.metadata.verdicts import verdict_of
from trueline.metadata.words import CHAMPION, current_user, is_sampled

__all__ = ["Promotion", "archive", "champions", "drop_alias", "promote", "rollback", "rollback_target"]


@dataclass(frozen=True)
class Promotion:
    """What a promotion did.

    Attributes:
        release: the release that the alias stands for now.
        before: the one that it stood for, or None.
        changed: False where it stood for that release already.
        forced: sentences that spoke against it and were overruled.
    """

    release: Release
    before: Release | None
    changed: bool
    forced: tuple[str, ...] = ()


def promote(
    store: MetadataStore,
    model: str,
    which: str,
    *,
    alias: str = CHAMPION,
    force: bool = False,
    reason: str | None = None,
    by: str | None = None,
    pushed: Mapping[str, str] | None = None,
) -> Promotion:
    """Gives an alias to a release: one transaction moves it, sets the stages and writes the history.

    Args:
        store: the metadata store.
        model: the model's name.
        which: a version, an alias, the artifact's number, or ``latest``.
        alias: ``champion`` makes it the production release, and the one before an archived one. Others, such as
            ``challenger``, are names alone.
        force: promote though it is not blessed; needs a `reason`.
        reason: why, for the record.
        by: who; by default the user.
        pushed: where it was pushed to with this step, for the record.

    Raises:
        MetadataError: no such release, or it was made by a sampled run.
        ArtifactError: its files are not whole.
        GateError: it is not blessed, and not forced.
        ConfigError: forced without a reason.
    """
    check_alias_name(alias)
    wanted = find_release(store, model, which)
    forced = check_fit(store, wanted, force=force, reason=reason)
    return _move(store, wanted, alias, "promote", forced, reason, by, pushed)


def check_fit(store: MetadataStore, wanted: Release, *, force: bool, reason: str | None) -> tuple[str, ...]:
    """Why a release would not be let through, where that was overruled.

    Raises:
        MetadataError, ArtifactError, GateError, ConfigError: see `promote`.
    """
    if force and not (reason or "").strip():
        raise ConfigError("a forced promotion needs a reason, which is kept", hint="give one with --reason.")
    artifact = model_artifact(store, wanted.artifact_id)
    if is_sampled(artifact) or wanted.notes["origin"].get("sampled"):
        raise MetadataError(f"release {wanted.version} of {wanted.model} comes from a sampled run")
    check_whole(artifact)
    against = verdict_of(store, artifact).reasons
    if against and not force:
        raise GateError(
            f"release {wanted.version} of {wanted.model} (artifact {artifact.id}) is not blessed",
            problems=against,
            hint="promote another release, or overrule it: --force --reason WHY.",
        )
    return tuple(against)


def rollback_target(store: MetadataStore, model: str) -> tuple[Release, Release]:
    """(the champion, the release that was champion before it).

    Raises:
        MetadataError: there is no champion, or there was none before it.
    """
    with store.database.read() as connection:
        known = read_releases(connection, model)
    stack = champions(known)
    if not stack:
        raise MetadataError(
            f"model {model!r} has no champion", hint=f"`trueline models promote {model} VERSION` makes one."
        )
    if len(stack) == 1:
        raise MetadataError(
            f"release {stack[-1].version} is the first champion of {model!r}: there is none to go back to",
            hint=f"`trueline models promote {model} VERSION` takes any other.",
        )
    return stack[-1], stack[-2]


def champions(known: Sequence[Release]) -> list[Release]:
    """The champions of one model that a rollback can go back through, the present one last."""
    by_version = {release.version: release for release in known}
    steps = sorted(
        (event["at"], release.version, event["step"])
        for release in known
        for event in release.notes.get("history") or []
        if event["alias"] == CHAMPION
    )
    stack: list[str] = []
    for _, version, step in steps:
        if step == "rollback":
            stack.pop()
        elif step == "drop":
            stack.clear()
        else:
            stack.append(version)
    return [by_version[version] for version in stack]


def rollback(
    store: MetadataStore,
    model: str,
    *,
    force: bool = False,
    reason: str | None = None,
    by: str | None = None,
    pushed: Mapping[str, str] | None = None,
) -> Promotion:
    """Makes the release champion that was champion before; again goes one further back.

    Raises:
        MetadataError, ArtifactError, GateError, ConfigError: as `promote` and `rollback_target` do.
    """
    _, target = rollback_target(store, model)
    forced = check_fit(store, target, force=force, reason=reason)
    return _move(store, target, CHAMPION, "rollback", forced, reason, by, pushed)


def _move(
    store: MetadataStore,
    wanted: Release,
    alias: str,
    step: str,
    forced: tuple[str, ...],
    reason: str | None,
    by: str | None,
    pushed: Mapping[str, str] | None,
) -> Promotion:
    who = by or current_user()

    def work(connection: sa.Connection) -> Promotion:
        lock_registry(connection)
        if (state := state_of(connection, wanted.artifact_id)) is not ArtifactState.LIVE:
            raise MetadataError(f"artifact {wanted.artifact_id} is {state.name}: its files are no longer there")
        known = read_releases(connection, wanted.model)
        if step == "rollback" and [r.version for r in champions(known)[-2:-1]] != [wanted.version]:
            raise MetadataError(f"somebody else moved the champion of {wanted.model!r} meanwhile", hint="look again.")
        now = next(r for r in known if r.version == wanted.version)
        stood = read_alias(connection, wanted.model, alias)
        before = next((r for r in known if stood is not None and r.artifact_id == stood.artifact_id), None)
        if before is not None and before.version == now.version:
            return Promotion(now, before, changed=False)
        moved = put_alias_row(connection, wanted.model, alias, now.artifact_id, who)
        event: dict[str, Any] = {
            "alias": alias,
            "at": moved.set_at,
            "before": before.version if before else None,
            "by": who,
            "forced": list(forced),
            "pushed": dict(pushed) if pushed else None,
            "reason": reason,
            "step": step,
        }
        return Promotion(_write(connection, now, before, alias, event), before, changed=True, forced=forced)

    return store.database.write(work)


def _write(
    connection: sa.Connection, now: Release, before: Release | None, alias: str, event: Mapping[str, Any]
) -> Release:
    """History and, for the champion, the stages."""
    history = [*(now.notes.get("history") or []), dict(event)]
    changed = replace(now, notes={**now.notes, "history": history})
    if alias == CHAMPION:
        changed = replace(changed, stage="production")
        if before is not None:
            write_release(connection, replace(before, stage="archived"))
    write_release(connection, changed)
    return changed


def drop_alias(store: MetadataStore, model: str, alias: str, by: str | None = None) -> Release | None:
    """Takes an alias away; the release that it stood for, or None where there was no such alias.

    Without a champion nothing is in production: its release is archived.
    """
    who = by or current_user()

    def work(connection: sa.Connection) -> Release | None:
        lock_registry(connection)
        stood = read_alias(connection, model, alias)
        if stood is None:
            return None
        drop_alias_row(connection, model, alias)
        release = next((r for r in read_releases(connection, model) if r.artifact_id == stood.artifact_id), None)
        if release is None:
            return None
        # Growing like the times of the alias itself: the order of steps is read from them.
        event = {"alias": alias, "at": stood.set_at + 1, "before": release.version, "by": who, "step": "drop"}
        changed = replace(release, notes={**release.notes, "history": [*(release.notes.get("history") or []), event]})
        write_release(connection, replace(changed, stage="archived") if alias == CHAMPION else changed)
        return changed

    return store.database.write(work)


def archive(store: MetadataStore, model: str, which: str) -> Release:
    """Puts a release aside: its files are no longer kept for its sake.

    Raises:
        MetadataError: no such release, or it is the champion.
    """
    wanted = find_release(store, model, which)

    def work(connection: sa.Connection) -> Release:
        lock_registry(connection)
        now = next(r for r in read_releases(connection, model) if r.version == wanted.version)
        champion = read_alias(connection, model, CHAMPION)
        if champion is not None and champion.artifact_id == now.artifact_id:
            raise MetadataError(
                f"release {now.version} of {model} is the champion", hint="promote another one first, or roll back."
            )
        changed = replace(now, stage="archived")
        write_release(connection, changed)
        return changed

    return store.database.write(work)

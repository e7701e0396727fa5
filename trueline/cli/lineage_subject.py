"""What a word on the command line means: an artifact by number, URI or type, or a run; in whichever database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from trueline._core.errors import MetadataError, did_you_mean
from trueline.cli.memory import find_run, open_stores, shown_place

if TYPE_CHECKING:
    from trueline.metadata import MetadataStore, RunRecord

__all__ = ["Subject", "find_subject"]

_ADVICE = "give its number, its URI, an artifact type such as Model, or a run."


@dataclass(frozen=True)
class Subject:
    """An artifact or a run, and the store that holds it."""

    store: MetadataStore
    artifact: int | None = None
    run: RunRecord | None = None

    def json(self) -> dict[str, Any]:
        """``kind`` and ``id``."""
        if self.run is not None:
            return {"kind": "run", "id": self.run.run_id}
        return {"kind": "artifact", "id": self.artifact}


def find_subject(text: str, location: str | None) -> Subject:
    """The artifact or the run that a text names.

    Raises:
        MetadataError: there is none, or several databases hold one of that number.
    """
    stores = open_stores(location)
    found = [subject for store in stores if (subject := _artifact(store, text)) is not None]
    if len(found) > 1:
        if text.isdigit():
            raise MetadataError(
                f"{len(found)} databases hold an artifact {text}",
                problems=[shown_place(subject.store.database.place) for subject in found],
                hint="say which: --metadata LOCATION.",
            )
        found = sorted(found, key=_made, reverse=True)[:1]
    if found:
        if len(stores) > 1:
            where = shown_place(found[0].store.database.place)
            click.echo(f"(artifact {found[0].artifact} of {where})", err=True)
        return found[0]
    return _run(stores, text, location)


def _artifact(store: MetadataStore, text: str) -> Subject | None:
    if text.isascii() and text.isdigit():
        listed = store.artifacts(ids=[int(text)])
    else:
        listed = store.artifacts(uri=text, newest_first=True, limit=1)
        listed = listed or store.artifacts(type=text, newest_first=True, limit=1)
    return Subject(store, listed[0].id) if listed else None


def _made(subject: Subject) -> int:
    return subject.store.artifacts(ids=[subject.artifact or 0])[0].created


def _run(stores: list[MetadataStore], text: str, location: str | None) -> Subject:
    from trueline.metadata import TypeKind

    if any(store.database.adopted for store in stores):
        try:
            runs, record = find_run(text, location)
            return Subject(runs.store, run=record)
        except MetadataError as error:
            if not error.message.startswith("there is no run"):
                raise
    if text.isascii() and text.isdigit():
        raise MetadataError(f"there is no artifact with id {text}, and no run begins so", hint=_ADVICE)
    types = sorted({spec.name for store in stores for spec in store.types(TypeKind.ARTIFACT)})
    raise MetadataError(f"there is no artifact {text!r}, and no run", hint=f"{did_you_mean(text, types)} Or {_ADVICE}")

"""The mark of a rollback at a push destination: which models were taken back there, by pushing an earlier one again.

It counts as long as the version that the rollback pushed is the newest one: whatever is pushed after it ends it. The
file's name is no number, so that no server takes it for a version.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from trueline._core import store
from trueline._core.errors import TruelineError
from trueline._core.manifest import read_manifest
from trueline.components.pusher_versions import pushed_versions

__all__ = ["ROLLBACK_FILE", "ROLLED_BACK", "Rollback", "note_rollback", "read_rollback", "refused_models"]

ROLLBACK_FILE = "rolled_back.json"
ROLLED_BACK = "rolled_back"
"""The custom property of a PushedModel that a rollback kept from being pushed."""


@dataclass(frozen=True)
class Rollback:
    """One rollback in force.

    Attributes:
        version: the version that it pushed.
        refused: fingerprints of the models that were taken back.
        versions: the versions of these models.
    """

    version: str
    refused: frozenset[str]
    versions: frozenset[str]


def note_rollback(destination: str, version: str, refused: str) -> None:
    """Marks that a version stands at a destination in place of a model.

    Args:
        destination: where servers read.
        version: the newest version there, pushed by the rollback.
        refused: the fingerprint of the model that was taken back. What earlier rollbacks refused stays refused
            where nothing else was pushed in between.
    """
    before = _read(destination)
    known = {str(number): _fingerprint(store.join(destination, str(number))) for number in pushed_versions(destination)}
    models = {refused}
    if before is not None and all(int(number) <= int(before.version) or number == version for number in known):
        models |= before.refused
    models.discard(known.get(version, ""))
    data = {
        "version": version,
        "refused": sorted(models),
        "versions": sorted(number for number, fingerprint in known.items() if fingerprint in models),
    }
    store.write_text(store.join(destination, ROLLBACK_FILE), json.dumps(data))


def read_rollback(destination: str) -> Rollback | None:
    """The rollback in force at a destination, or None."""
    found = _read(destination)
    if found is None:
        return None
    versions = pushed_versions(destination)
    return found if versions and str(versions[-1]) == found.version else None


def refused_models(destination: str) -> frozenset[str]:
    """Fingerprints of the models that must not be pushed there again."""
    found = read_rollback(destination)
    return found.refused if found is not None else frozenset()


def _read(destination: str) -> Rollback | None:
    """What the file says; a file that is not as `note_rollback` writes it says nothing."""
    place = store.join(destination, ROLLBACK_FILE)
    if not store.exists(place):
        return None
    try:
        data = json.loads(store.read_text(place))
        texts = [data["version"], *data["refused"], *data["versions"]]
        if not all(isinstance(text, str) for text in texts) or not data["version"].isdecimal():
            return None
        return Rollback(data["version"], frozenset(data["refused"]), frozenset(data["versions"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _fingerprint(uri: str) -> str:
    try:
        return read_manifest(uri, "none").fingerprint
    except TruelineError:
        return ""

"""Making a release the one that servers take: the same copy that a Pusher makes, under a new and higher version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trueline._core import store as files
from trueline._core.errors import TruelineError
from trueline._core.manifest import read_manifest

if TYPE_CHECKING:
    from trueline.metadata import MetadataStore, Release

__all__ = ["Served", "put_to_serve", "recorded_destinations", "served_elsewhere"]


@dataclass(frozen=True)
class Served:
    """A folder of servers, and the version under which the release stands there. `new`: it was copied just now."""

    destination: str
    version: str
    new: bool

    @property
    def sentence(self) -> str:
        """What was done, in one sentence."""
        if not self.new:
            return f"{self.destination} had it as its newest version, {self.version}, already"
        return f"Pushed to {self.destination} as version {self.version}: servers that read this folder take it now"


def recorded_destinations(store: MetadataStore, release: Release) -> list[str]:
    """Where Pushers put a release, the newest place first."""
    from trueline.metadata.pushes import pushes

    found = [push.destination for push in pushes(store, model_ids=[release.artifact_id]) if push.destination]
    pushed = (event.get("pushed") for event in release.notes.get("history") or [])
    found += [event["destination"] for event in pushed if event]
    return list(dict.fromkeys(reversed(found)))


def put_to_serve(
    store: MetadataStore, release: Release, destinations: Sequence[str], *, instead_of: Release | None = None
) -> list[Served]:
    """Pushes a release to folders that servers read.

    Args:
        store: the metadata store.
        release: what is pushed.
        destinations: where to.
        instead_of: the release that is taken back: a mark there keeps Pushers from pushing that model again.

    Raises:
        ArtifactError: the model is not whole, or cannot be copied.
    """
    from trueline.components.pusher import push_model
    from trueline.components.pusher_rollback import note_rollback
    from trueline.metadata.model_releases import model_artifact

    uri = model_artifact(store, release.artifact_id).uri or ""
    done = []
    for destination in destinations:
        version, new = push_model(uri, destination)
        if instead_of is not None:
            note_rollback(destination, str(version), instead_of.notes["origin"]["model"]["fingerprint"])
        done.append(Served(destination, str(version), new))
    return done


def served_elsewhere(release: Release, destinations: Sequence[str]) -> list[str]:
    """Sentences on folders whose newest version is another model than the release."""
    from trueline.components.pusher import pushed_versions

    wanted = release.notes["origin"]["model"]["fingerprint"]
    found = []
    for destination in destinations:
        versions = pushed_versions(destination)
        if not versions:
            found.append(f"{destination} holds no version any more")
            continue
        try:
            served = read_manifest(files.join(destination, str(versions[-1])), "none").fingerprint
        except TruelineError:
            served = ""
        if served != wanted:
            found.append(
                f"{destination} serves version {versions[-1]}, which is another model; --serving-dir {destination} "
                "pushes this one there"
            )
    return found

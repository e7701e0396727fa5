"""Where an artifact's files may lie for them to be deleted: below the root of its own run, on no way over links."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from trueline._core import store
from trueline._core.errors import TruelineError
from trueline._core.manifest import MANIFEST_NAME, read_manifest

__all__ = ["Occupied", "bytes_of", "place_problem", "real_place"]


def place_problem(uri: str, root: str | None) -> str | None:
    """Why nothing at this place may be deleted, or None.

    An output lies at ``<root>/<node>/<key>/<execution id>``; what lies elsewhere is not trueline's to delete, whatever
    the database says.
    """
    if root is None:
        return "the root of its run is not recorded"
    base, place = root.rstrip("/"), uri.removeprefix("file://")
    base = base.removeprefix("file://")
    if not base or not place.startswith(base + "/"):
        return f"its files do not lie below the root {root}"
    steps = place[len(base) + 1 :].split("/")
    if any(step in ("", ".", "..") for step in steps) or len(steps) < 3 or steps[0] == ".trueline":
        return f"{uri} is no place of an output below the root {root}"
    if store.is_local(uri):
        path = base
        for step in steps:
            path = f"{path}/{step}"
            if os.path.islink(path):
                return f"{path} is a link"
    return None


def real_place(uri: str) -> str:
    """A local place without links on the way to it; a remote one as it is. Ends without a slash."""
    if not store.is_local(uri):
        return uri.rstrip("/")
    return os.path.realpath(store.local_path(uri)).rstrip("/")


class Occupied:
    """Places that must stay: nothing at them, below them or above them may be deleted."""

    def __init__(self, places: Iterable[tuple[str, int]]) -> None:
        self._at: dict[str, int] = {}
        self._above: dict[str, int] = {}
        for place, artifact_id in places:
            self.add(place, artifact_id)

    def add(self, place: str, artifact_id: int) -> None:
        """One more."""
        self._at.setdefault(place, artifact_id)
        for above in _above(place):
            self._above.setdefault(above, artifact_id)

    def by(self, place: str) -> int | None:
        """The artifact that needs the place, or None."""
        found = self._at.get(place, self._above.get(place))
        return found if found is not None else next((self._at[p] for p in _above(place) if p in self._at), None)


def _above(place: str) -> Iterator[str]:
    while (cut := place.rfind("/")) > 0 and not place[:cut].endswith(":/"):
        place = place[:cut]
        yield place


def bytes_of(uri: str) -> int:
    """The bytes that an artifact takes, by its manifest; where that is gone, by its files."""
    manifest = store.join(uri, MANIFEST_NAME)
    try:
        return read_manifest(uri, verify="none").total_bytes + store.size(manifest)
    except (TruelineError, OSError):
        pass
    try:
        return sum(store.size(store.join(uri, name)) for name in store.walk(uri))
    except (TruelineError, OSError):
        return 0

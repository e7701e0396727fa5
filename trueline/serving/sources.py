"""Where the versions of a model come from: a plug with one question, what is there now.

A folder is what most have, of this machine or of an object store. Other kinds, such as the models of a pipeline's
metadata, are given to the server by who starts it (`Plugs`), so that the server itself needs no database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from trueline._core import store
from trueline._core.errors import ArtifactError, ConfigError, did_you_mean
from trueline._core.manifest import MANIFEST_NAME, read_manifest
from trueline.serving.scan import Candidate, number_of, scan_base

__all__ = ["Directory", "Plugs", "RemoteDirectory", "Source", "source_of"]


class Source(Protocol):
    """The versions of one model, wherever they lie. It is asked on a thread of its own, never on the event loop."""

    def scan(self) -> Mapping[int, Candidate]:
        """The complete versions that are there now, by number.

        Raises:
            Exception: the source cannot be asked; what it gave before goes on being served.
        """


Plugs = Mapping[str, Callable[[str], Source]]
"""By scheme, such as ``pipeline``, what makes a source of the text behind the colon."""


Files = dict[str, tuple[int, str]]


@dataclass(frozen=True)
class Directory:
    """A folder of this machine whose integer-named children are versions."""

    base: str

    def scan(self) -> Mapping[int, Candidate]:
        """See `scan_base`."""
        return scan_base(self.base)


class RemoteDirectory:
    """A URL of an object store whose integer-named children are versions.

    One listing of all below it tells whether anything changed; only then is a manifest read. A child is a version when
    its manifest is there and every file that it names has its size. Loads copy it here and check the contents.

    Args:
        base: the URL.
    """

    def __init__(self, base: str) -> None:
        self.base = base
        self._known: dict[str, tuple[str, Candidate | None]] = {}

    def scan(self) -> Mapping[int, Candidate]:
        """See `scan_base`; a base without any object does not exist.

        Raises:
            ArtifactError: the base does not exist, or the store cannot be asked.
        """
        children: dict[str, Files] = {}
        listed = store.files_below(self.base)
        for path, fact in listed.items():
            name, slash, rest = path.partition("/")
            if slash and number_of(name) is not None:
                children.setdefault(name, {})[rest] = fact
        if not listed and not store.exists(self.base):
            raise ArtifactError("the base directory does not exist", where=self.base)
        self._known = {name: self._look(name, files) for name, files in sorted(children.items())}
        found: dict[int, Candidate] = {}
        for _, candidate in self._known.values():
            if candidate is not None:
                found.setdefault(candidate.number, candidate)
        return found

    def _look(self, name: str, files: Files) -> tuple[str, Candidate | None]:
        state = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
        known = self._known.get(name)
        if known is not None and known[0] == state:
            return known
        uri = store.join(self.base, name)
        return state, Candidate(int(name), uri, state) if _whole(uri, files) else None


def _whole(uri: str, files: Files) -> bool:
    if MANIFEST_NAME not in files:
        return False
    try:
        manifest = read_manifest(uri, "none")
    except (ArtifactError, UnicodeDecodeError):
        return False
    return all(entry.path in files and files[entry.path][0] == entry.size for entry in manifest.files)


def source_of(base: str, plugs: Plugs) -> Source:
    """What a model's `base` speaks of.

    Raises:
        ConfigError: a scheme that nobody gave a plug for.
    """
    scheme, colon, rest = base.partition(":")
    if colon and scheme in plugs:
        return plugs[scheme](rest)
    if colon and scheme == "pipeline":
        raise ConfigError(
            f"nothing here knows sources of the kind {scheme!r}",
            where=base,
            hint=f"`trueline serve` does. {did_you_mean(scheme, plugs)}" if plugs else "`trueline serve` does.",
        )
    return Directory(base) if store.is_local(base) else RemoteDirectory(base)

"""The files of the framework's own format that lie beside a model's graph: handed out as bytes, never opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from trueline._core import store
from trueline._core.errors import ModelError, did_you_mean
from trueline._core.model_files import read_file

__all__ = ["Native", "native_of"]

_FOLDER = "native"


@dataclass(frozen=True)
class Native:
    """The framework's own files.

    Attributes:
        uri: the model's folder.
        note: what they are, or why there are none.
        files: their paths below ``native/``.
    """

    uri: str
    note: str
    files: tuple[str, ...] = field(default=())

    def path(self, name: str) -> str:
        """Where a file lies.

        Raises:
            ModelError: there is none of this name.
        """
        if name not in self.files:
            hint = did_you_mean(name, self.files) if self.files else self.note
            raise ModelError(f"the model has no native file {name!r}", where=self.uri, hint=hint)
        return store.join(self.uri, _FOLDER, name)

    def read(self, name: str) -> bytes:
        """A file's bytes.

        Raises:
            ModelError: there is none of this name, or it is a link that leads out of the model's folder.
        """
        self.path(name)
        return read_file(self.uri, f"{_FOLDER}/{name}")

    def contents(self) -> Mapping[str, bytes]:
        """Path to bytes of all of them."""
        return {name: self.read(name) for name in self.files}


def native_of(uri: str, note: str | None, paths: Iterable[str] | None = None) -> Native:
    """The native files of a model's folder: those among `paths`, which its manifest vouches for, where it has one."""
    found = store.walk(uri) if paths is None else paths
    inside = [p.removeprefix(f"{_FOLDER}/") for p in found if p.startswith(f"{_FOLDER}/")]
    return Native(uri, note or "", tuple(sorted(inside)))

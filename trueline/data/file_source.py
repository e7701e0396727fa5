"""What sources of files have in common: the listed files are the parts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from trueline._core.errors import DataError
from trueline.data.inputs import check_no_password, file_stamps, input_fingerprint, input_uri, list_inputs

__all__ = ["FileParts", "Watch"]


class FileParts:
    """The files of an input as numbered parts.

    Args:
        input_base: a file, or a folder of them.
        pattern: which files of the folder, as in a shell.
        files: the files' names relative to `input_base`, where they are known already.
        options: what else decides how the files are read, for the fingerprint.

    Raises:
        ConfigError: an address that holds a password.
    """

    def __init__(
        self, input_base: str, pattern: str = "*", files: Sequence[str] | None = None, options: str = ""
    ) -> None:
        check_no_password(input_base)
        self.input_base, self.pattern, self._options = input_base, pattern, options
        self._given = None if files is None else tuple(files)
        self._listed: tuple[str, ...] | None = self._given

    def files(self) -> tuple[str, ...]:
        """The files' names relative to the input; ``""`` for the input itself.

        Raises:
            DataError: when there is no such input, or no file matches.
        """
        if self._listed is None:
            self._listed = tuple(list_inputs(self.input_base, self.pattern))
        return self._listed

    def parts(self) -> tuple[str, ...]:
        """The parts' names."""
        own = self.input_base.rstrip("/").rsplit("/", 1)[-1]
        return tuple(name or own for name in self.files())

    def uri(self, part: int) -> str:
        """Where a part lies."""
        return input_uri(self.input_base, self.files()[part])

    def fingerprint(self) -> str:
        """A hash of names, contents and options."""
        found = input_fingerprint(self.input_base, self.pattern, files=self._given)
        return hashlib.sha256(f"{found}|{self._options}".encode()).hexdigest() if self._options else found

    def stamps(self) -> list[tuple[int, ...] | None]:
        """Tells whether a file changed between two askings; see `file_stamps`."""
        return file_stamps([self.uri(part) for part in range(len(self.files()))])


class Watch:
    """Whether a source's files stay as they are while they are read.

    Args:
        source: a source; one that has no ``stamps`` is not watched.
        place: where it lies, for the error.
    """

    def __init__(self, source: Any, place: str) -> None:
        self._ask, self._place = getattr(source, "stamps", lambda: None), place
        self._before = self._ask()

    def check(self) -> None:
        """Rows of two states of the same file are no data.

        Raises:
            DataError: when a file changed since the watch began.
        """
        if self._ask() != self._before:
            raise DataError(
                "the input changed while it was read",
                where=self._place,
                hint="run again when nobody writes there; put whole files in by renaming them.",
            )

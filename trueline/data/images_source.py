"""A folder of images as a source: a class is a folder, a row is a file."""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core import store
from trueline._core.errors import ArtifactError, ConfigError, DataError
from trueline.data.images_header import FORMATS, image_header
from trueline.data.inputs import check_no_password
from trueline.data.source import Reject, SourceBatch

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LABELS", "ImageFolderSource"]

LABELS = ("folder", "none")
_BATCH_BYTES = 16 << 20
_BATCH_ROWS = 1_024
_SHOWN = 16


class ImageFolderSource:
    """Rows of image files below a folder; each folder that holds images is a part, sorted, and so are its files.

    Columns: ``image`` (bytes, the file as it is), ``label`` (utf8), ``path`` (utf8, relative to the input, with forward
    slashes), ``format`` (utf8: bmp, gif, jpeg or png, by the first bytes and not by the name), ``width`` and ``height``
    (int64, pixels, from the file's header). No pixel is decoded.

    A file of another kind, an empty one, and one whose header is cut off are rejects. Names that begin with ``.`` or
    ``_``, of files and folders, are left out.

    Args:
        input_base: the folder.
        pattern: which files, by their name or by their path below the folder, as in a shell.
        label_from: ``folder``: the name of the folder right below the input, missing for files in the input itself;
            ``none``: there is no column ``label``.
        folders: the folders that hold images, relative to `input_base`, where they are known already.

    Raises:
        ConfigError: a `label_from` that does not exist; an address that holds a password.
    """

    def __init__(
        self,
        input_base: str,
        pattern: str = "*",
        label_from: str = "folder",
        folders: Sequence[str] | None = None,
    ) -> None:
        if label_from not in LABELS:
            raise ConfigError(f"label_from is {label_from!r}", hint=f"give one of {', '.join(LABELS)}.")
        check_no_password(input_base)
        self._base, self._pattern, self._labelled = input_base, pattern, label_from == "folder"
        self._listed: tuple[str, ...] | None = None if folders is None else tuple(folders)

    def folders(self) -> tuple[str, ...]:
        """The folders that hold images, relative to the input, sorted; ``""`` for the input itself.

        Raises:
            DataError: when there is no such folder, or no file.
        """
        if self._listed is None:
            if not store.exists(self._base):
                raise DataError("the input does not exist", where=self._base, hint="give a folder of images.")
            taken = {path.rpartition("/")[0] for path in store.walk(self._base) if self._takes(path)}
            if not taken:
                raise DataError(f"no file matches {self._pattern!r}", where=self._base, hint="give a folder of images.")
            self._listed = tuple(sorted(taken))
        return self._listed

    def _takes(self, path: str) -> bool:
        steps = path.split("/")
        matches = any(fnmatch.fnmatchcase(text, self._pattern) for text in (steps[-1], path))
        return matches and not any(step.startswith((".", "_")) for step in steps)

    def _paths(self, folder: str) -> list[str]:
        """The folder's files, sorted."""
        place = store.join(self._base, folder) if folder else self._base
        paths = [f"{folder}/{name}" if folder else name for name, is_folder in store.scan(place) if not is_folder]
        return sorted(path for path in paths if self._takes(path))

    def parts(self) -> tuple[str, ...]:
        """The folders; ``.`` for the input itself."""
        return tuple(folder or "." for folder in self.folders())

    def fingerprint(self) -> str:
        """A hash of the files' paths and contents, and of what labels them."""
        from trueline._core.manifest import file_sha256

        entries: list[Any] = [self._labelled]
        for folder in self.folders():
            entries += [[path, file_sha256(store.join(self._base, path))] for path in self._paths(folder)]
        return hashlib.sha256(json.dumps(entries).encode()).hexdigest()

    def schema(self) -> pa.Schema:
        """The columns; see the class.

        Raises:
            DataError: when there is no such folder, or no file.
        """
        import pyarrow as pa

        self.folders()
        columns = [("image", pa.binary()), ("label", pa.string()), ("path", pa.string()), ("format", pa.string())]
        columns += [("width", pa.int64()), ("height", pa.int64())]
        return pa.schema([c for c in columns if self._labelled or c[0] != "label"])

    def read(self, part: int, schema: pa.Schema) -> Iterator[SourceBatch]:
        """The folder's images, some 16 MiB at a time."""
        folder = self.folders()[part]
        label = folder.split("/")[0] or None
        rows: list[dict[str, Any]] = []
        numbers: list[int] = []
        rejects: list[Reject] = []
        held = 0
        for number, path in enumerate(self._paths(folder)):
            found = self._row(number, path, label)
            if isinstance(found, Reject):
                rejects.append(found)
                continue
            rows.append(found)
            numbers.append(number)
            held += len(found["image"])
            if held >= _BATCH_BYTES or len(rows) >= _BATCH_ROWS:
                yield _batch(rows, numbers, rejects, schema)
                rows, numbers, rejects, held = [], [], [], 0
        if rows or rejects:
            yield _batch(rows, numbers, rejects, schema)

    def _row(self, number: int, path: str, label: str | None) -> dict[str, Any] | Reject:
        try:
            data = store.read_bytes(store.join(self._base, path))
        except (OSError, ArtifactError) as error:
            return Reject(number, None, f"the file cannot be read: {error}", path)
        header = image_header(data)
        if header is None:
            reason = _reason(data)
            return Reject(number, "image", reason, f"{path}: {data[:_SHOWN]!r}")
        kind, width, height = header
        return {"image": data, "label": label, "path": path, "format": kind, "width": width, "height": height}


def _reason(data: bytes) -> str:
    if not data:
        return "the file is empty"
    known = [name for name, (marks, _) in FORMATS.items() if data.startswith(marks)]
    if known:
        return f"the {known[0]} file's header is cut off or has no size"
    return f"the file is no image of a known format ({', '.join(FORMATS)})"


def _batch(rows: list[dict[str, Any]], numbers: list[int], rejects: list[Reject], schema: pa.Schema) -> SourceBatch:
    import pyarrow as pa

    columns = [pa.array([row[f.name] for row in rows], f.type) for f in schema]
    batch = pa.RecordBatch.from_arrays(columns, schema=schema)
    return SourceBatch(batch, np.array(numbers, np.int64), rejects)

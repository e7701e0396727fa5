"""What DVC notes of a file or folder: ``NAME.dvc`` beside it or beside a folder around it, or a ``dvc.lock``.

Both are YAML of a fixed form (DVC's documentation, ".dvc files" and "dvc.lock"); only the lists under ``outs:`` are
read, line by line.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DvcOutput", "dvc_output"]

_HASHED_BYTES = 256 << 20
_NOTE_BYTES = 16 << 20
_HASH = re.compile(r"[0-9a-fA-F]{6,128}(\.dir)?(-\d+)?")
_NAMES = ("md5", "etag", "checksum", "blake3", "sha256")


@dataclass(frozen=True)
class DvcOutput:
    """One output that DVC keeps.

    Attributes:
        place: its file or folder.
        hash_name, hash: such as ``md5`` and ``1a2b....dir``.
        size: bytes of all its files, or None.
        count: its number of files, or None for a single file.
    """

    place: Path
    hash_name: str
    hash: str
    size: int | None
    count: int | None

    def differs(self) -> bool | None:
        """Whether the files are not those that DVC noted: by contents for a file up to 256 MB, by number and size for
        a folder, where equal numbers prove nothing: then None."""
        try:
            if self.place.is_file():
                size = self.place.stat().st_size
                if self.size is not None and size != self.size:
                    return True
                if self.hash_name != "md5" or size > _HASHED_BYTES:
                    return None
                with self.place.open("rb") as handle:
                    digest = hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False))
                return digest.hexdigest() != self.hash.lower()
            files = [path for path in self.place.rglob("*") if path.is_file()]
            if self.count is not None and len(files) != self.count:
                return True
            if self.size is not None and sum(path.stat().st_size for path in files) != self.size:
                return True
        except OSError:
            pass
        return None


def dvc_output(path: Path) -> tuple[Path, DvcOutput, str] | None:
    """The note, the output that a path is or lies in, and the path from the note's folder on; None without one."""
    for folder in (path, *path.parents):
        last = (folder / ".git").exists() or (folder / ".dvc").is_dir()  # notes lie in the repository of the data
        beside = [] if last or not folder.name else [folder.with_name(f"{folder.name}.dvc")]
        for file in (*beside, folder / "dvc.lock"):
            if not file.is_file() or file.stat().st_size > _NOTE_BYTES:
                continue
            for output in _outputs(file):
                if path == output.place or path.is_relative_to(output.place):
                    return file, output, Path(os.path.relpath(path, file.parent)).as_posix()
        if last:
            return None
    return None


def _outputs(file: Path) -> Iterator[DvcOutput]:
    for fields in _items(file.read_text(encoding="utf-8", errors="replace").splitlines()):
        name = next((name for name in _NAMES if _HASH.fullmatch(fields.get(name, ""))), None)
        if name is None or not fields.get("path"):
            continue
        yield DvcOutput(
            Path(os.path.normpath(file.parent / fields["path"])),
            name,
            fields[name],
            int(fields["size"]) if fields.get("size", "").isdigit() else None,
            int(fields["nfiles"]) if fields.get("nfiles", "").isdigit() else None,
        )


def _items(lines: list[str]) -> Iterator[dict[str, str]]:
    """The mappings of all lists under ``outs:``."""
    depth: int | None = None
    current: dict[str, str] = {}
    for line in [*lines, "end:"]:
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if not text or text.startswith("#"):
            continue
        begins = text.startswith("- ")
        if depth is not None and (indent < depth or (indent == depth and not begins)):
            depth = None
        if (depth is None or begins) and current:
            yield current
            current = {}
        if depth is None:
            depth = indent if text == "outs:" else None
            continue
        name, colon, value = text.removeprefix("- ").strip().partition(":")
        if colon and (begins or indent > depth):
            current[name.strip()] = value.strip().strip("'\"")

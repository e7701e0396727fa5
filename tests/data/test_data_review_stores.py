"""A store that breaks off in the middle of a file: our error, naming the file, and nothing that looks finished."""

from __future__ import annotations

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem

from trueline._core import store
from trueline._core.errors import TruelineError
from trueline.data import Examples, ingest_csv, ingest_jsonl


class BrokenOffError(Exception):
    """No OSError: what libraries of stores raise has a base of its own."""


class _Breaking(MemoryFile):
    left = 3

    def _step(self):
        self.left -= 1
        if self.left <= 0:
            raise BrokenOffError("the connection was closed")

    def read(self, size=-1):
        self._step()
        return super().read(size if size < 0 else min(size, 64))

    def readinto(self, buffer):
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data):
        self._step()
        return super().write(data)


@pytest.fixture
def breaking(monkeypatch):
    """Makes the files in the memory store break off that are opened with a mode."""
    opened = MemoryFileSystem._open

    def breaks(wanted):
        def open_one(self, path, mode="rb", **more):
            if mode != wanted:
                return opened(self, path, mode, **more)
            return _Breaking(self, path, b"" if mode == "wb" else self.store[path].getvalue())

        monkeypatch.setattr(MemoryFileSystem, "_open", open_one)

    yield breaks
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.mark.parametrize(
    ("name", "ingest"),
    [("a.csv", ingest_csv), ("a.jsonl", ingest_jsonl)],
)
def test_a_read_that_breaks_off_is_our_error(breaking, tmp_path, name, ingest):
    text = "x\n" + "1\n" * 5000 if name == "a.csv" else '{"x": 1}\n' * 5000
    fsspec.filesystem("memory").pipe_file(f"/in/{name}", text.encode())
    breaking("rb")
    with pytest.raises(TruelineError, match="BrokenOffError: the connection was closed") as caught:
        ingest(f"memory://in/{name}", str(tmp_path / "out"))
    assert name in str(caught.value)
    with pytest.raises(TruelineError, match="never finished"):
        Examples.open(str(tmp_path / "out"))


def test_a_write_that_breaks_off_is_our_error(breaking, folder):
    breaking("wb")
    with pytest.raises(TruelineError, match="BrokenOffError: the connection was closed"):
        ingest_csv(folder(a="x\n" + "".join(f"{n}\n" for n in range(5000))), "memory://out", block_rows=100)
    assert not store.exists("memory://out/examples.json")

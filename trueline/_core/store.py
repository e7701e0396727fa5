"""Bytes by URI: local paths with the standard library, everything else (``s3://``, ``gs://``, ``memory://``) by fsspec.

A write is atomic: a reader sees the old bytes or the new ones. fsspec is imported only when a URI asks for it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from trueline._core.errors import ArtifactError, TruelineError
from trueline._core.remote_file import RemoteFile

__all__ = [
    "copy_tree",
    "exists",
    "files_below",
    "is_local",
    "join",
    "listdir",
    "local_path",
    "makedirs",
    "open_uri",
    "read_bytes",
    "read_text",
    "remove_tree",
    "scan",
    "size",
    "walk",
    "write_bytes",
    "write_text",
    "writing",
]


def is_local(uri: str) -> bool:
    """Whether the URI is a path of this machine."""
    return "://" not in uri or uri.startswith("file://")


def local_path(uri: str) -> Path:
    """The path of a local URI.

    Raises:
        ArtifactError: when the URI lies elsewhere.
    """
    if not is_local(uri):
        raise ArtifactError(f"{uri} is not on this machine", hint="copy it to a local folder first.")
    return Path(uri.removeprefix("file://"))


def _remote(uri: str) -> tuple[Any, str]:
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(uri)
    except (ImportError, ValueError) as error:
        raise ArtifactError(f"no file system for {uri}: {error}", hint="install its fsspec package.") from error
    return filesystem, path


@contextlib.contextmanager
def _told(uri: str) -> Iterator[None]:
    """A remote store's own error, whatever its library raises, as one that names the place."""
    try:
        yield
    except (TruelineError, FileNotFoundError, NotADirectoryError):
        raise
    except Exception as error:
        raise ArtifactError(
            f"the store cannot be used: {type(error).__name__}: {error}",
            where=uri,
            hint="check the address, the credentials and the network; see the fsspec package of the store.",
        ) from error


def join(uri: str, *parts: str) -> str:
    """A URI below another; parts use forward slashes."""
    return "/".join([uri.rstrip("/") or "/", *(p.strip("/") for p in parts)])


def exists(uri: str) -> bool:
    """Whether a file or folder is there."""
    if is_local(uri):
        return local_path(uri).exists()
    with _told(uri):
        filesystem, path = _remote(uri)
        filesystem.invalidate_cache()
        return bool(filesystem.exists(path))


def size(uri: str) -> int:
    """Bytes of a file.

    Raises:
        ArtifactError: when it is not there.
    """
    try:
        if is_local(uri):
            return local_path(uri).stat().st_size
        with _told(uri):
            filesystem, path = _remote(uri)
            return int(filesystem.size(path))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArtifactError(f"{uri} does not exist") from error


def open_uri(uri: str, mode: str = "rb") -> IO[Any]:
    """An open file, ``rb`` or ``wb``; not atomic: artifacts become visible by their manifest.

    Raises:
        ArtifactError: when a file to read is not there; of a remote file also later, when its store breaks off.
    """
    try:
        if is_local(uri):
            path = local_path(uri)
            if "w" in mode:
                path.parent.mkdir(parents=True, exist_ok=True)
            elif path.exists() and not path.is_file():  # opening a pipe would wait for ever
                raise ArtifactError(f"{uri} is no file")
            return open(path, mode)
        with _told(uri):
            filesystem, path_text = _remote(uri)
            handle: Any = RemoteFile(filesystem.open(path_text, mode), lambda: _told(uri))
            return cast("IO[Any]", handle)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArtifactError(f"{uri} does not exist") from error


def read_bytes(uri: str) -> bytes:
    """All bytes of a file.

    Raises:
        ArtifactError: when it is not there.
    """
    with open_uri(uri) as handle:
        data: bytes = handle.read()
    return data


def read_text(uri: str) -> str:
    """A file as UTF-8 text.

    Raises:
        ArtifactError: when it is not there or is no UTF-8.
    """
    try:
        return read_bytes(uri).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ArtifactError(f"{uri} is not UTF-8 text: {error}") from error


def write_bytes(uri: str, data: bytes) -> None:
    """Writes a file at once: under another name, flushed to disk, then renamed."""
    if is_local(uri):
        with writing(uri) as handle:
            handle.write(data)
        return
    with _told(uri):
        filesystem, path_text = _remote(uri)
        filesystem.makedirs(path_text.rsplit("/", 1)[0], exist_ok=True)
        filesystem.pipe_file(path_text, data)


@contextlib.contextmanager
def writing(uri: str) -> Iterator[IO[bytes]]:
    """A file for more than `write_bytes` should hold: it takes its name, flushed to disk, when the block ends.

    Other stores show an object when it is closed, which an error in the block does too.
    """
    if not is_local(uri):
        with open_uri(uri, "wb") as handle:
            yield handle
        return
    path = local_path(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with open(temporary, "wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_text(uri: str, text: str) -> None:
    """Writes UTF-8 text at once."""
    write_bytes(uri, text.encode("utf-8"))


def makedirs(uri: str) -> None:
    """Makes a folder and those above it."""
    if is_local(uri):
        local_path(uri).mkdir(parents=True, exist_ok=True)
    else:
        with _told(uri):
            filesystem, path = _remote(uri)
            filesystem.makedirs(path, exist_ok=True)


def listdir(uri: str) -> list[str]:
    """Names directly below a folder, sorted; empty when it is not there."""
    if is_local(uri):
        path = local_path(uri)
        return sorted(os.listdir(path)) if path.is_dir() else []
    return [name for name, _ in scan(uri)]


def scan(uri: str) -> list[tuple[str, bool]]:
    """Names directly below a folder, sorted, each with whether it is a folder; empty when the folder is not there.

    What a remote store listed before is not trusted: others write there too.
    """
    if is_local(uri):
        root = local_path(uri)
        if not root.is_dir():
            return []
        with os.scandir(root) as entries:
            return sorted((entry.name, entry.is_dir()) for entry in entries)
    with _told(uri):
        filesystem, path_text = _remote(uri)
        filesystem.invalidate_cache()
        listed = filesystem.ls(path_text, detail=True) if filesystem.isdir(path_text) else []
    base = path_text.strip("/")
    found: dict[str, bool] = {}
    for entry in listed:
        path = str(entry["name"]).strip("/")
        if path != base:  # some stores keep an empty object in the folder's own name
            name = path.rsplit("/", 1)[-1]
            found[name] = found.get(name, False) or entry["type"] == "directory"
    return sorted(found.items())


def walk(uri: str) -> list[str]:
    """Paths of all files below a folder, relative, with forward slashes, sorted."""
    if is_local(uri):
        root = local_path(uri)
        return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    with _told(uri):
        filesystem, path_text = _remote(uri)
        filesystem.invalidate_cache()
        listed = filesystem.find(path_text)
    base = path_text.strip("/")
    found = (p.strip("/")[len(base) :].lstrip("/") for p in listed)
    return sorted(name for name in found if name)


_MARKS = ("ETag", "etag", "md5Hash", "generation", "content_md5", "LastModified", "last_modified", "updated", "mtime",
          "created")  # fmt: skip


def files_below(uri: str) -> dict[str, tuple[int, str]]:
    """By path below a folder, relative: a file's bytes and a mark that changes with its contents, in one listing."""
    if is_local(uri):
        root = local_path(uri)
        facts = {name: (root / name).stat() for name in walk(uri)}
        return {name: (fact.st_size, str(fact.st_mtime_ns)) for name, fact in facts.items()}
    with _told(uri):
        filesystem, path_text = _remote(uri)
        filesystem.invalidate_cache()
        listed = filesystem.find(path_text, detail=True)
    base = path_text.strip("/")
    found = {}
    for path, entry in listed.items():
        mark = next((str(entry[key]) for key in _MARKS if entry.get(key) is not None), "")
        found[path.strip("/")[len(base) :].lstrip("/")] = (int(entry.get("size") or 0), mark)
    return {name: fact for name, fact in sorted(found.items()) if name}


def remove_tree(uri: str) -> None:
    """Removes a file or folder and all below it; nothing happens when it is not there."""
    if is_local(uri):
        path = local_path(uri)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=False)
        elif path.exists() or path.is_symlink():
            path.unlink()
        return
    with _told(uri):
        filesystem, path_text = _remote(uri)
        filesystem.invalidate_cache()
        if filesystem.exists(path_text):
            filesystem.rm(path_text, recursive=True)


def copy_tree(source: str, target: str) -> None:
    """Copies all files below a folder, whatever stores the two lie in; a manifest is copied last.

    Raises:
        ArtifactError: when the source is not there, or a link below it leads out of it: nothing from elsewhere is
            given away with it.
    """
    if not exists(source):
        raise ArtifactError(f"{source} does not exist")
    names = walk(source)
    if is_local(source):
        root = local_path(source).resolve()
        if outside := [name for name in names if not (root / name).resolve().is_relative_to(root)]:
            raise ArtifactError("links lead out of the folder", where=source, problems=outside[:20])
    for name in sorted(names, key=lambda n: (n == "MANIFEST.json", n)):
        with open_uri(join(source, name)) as reader, open_uri(join(target, name), "wb") as writer:
            shutil.copyfileobj(reader, writer, 1 << 20)

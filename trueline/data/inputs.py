"""The files of an input, in one fixed order, and the fingerprint of their contents.

A pattern is relative to the input's folder: ``*``, ``?``, ``[abc]`` and ``[!abc]`` as in a shell, one part of the path
at a time (``train/*``, ``day-*/part-?.csv``). Local folders and remote stores follow the same rules.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

from trueline._core import store
from trueline._core.errors import ConfigError, DataError, did_you_mean
from trueline._core.manifest import file_sha256

__all__ = [
    "check_names",
    "check_no_password",
    "file_stamps",
    "glob_regex",
    "input_fingerprint",
    "input_label",
    "input_uri",
    "list_inputs",
    "matching",
]

_SHOWN = 12
_CONTENT_TAGS = {"s3": "ETag", "s3a": "ETag", "gs": "md5Hash", "gcs": "md5Hash"}
"""What a store itself says of an object's content: it is another one whenever the content is."""
_SETTLED_NS = 2_000_000_000
_MAX_HASHES = 65_536
_HASHES: dict[tuple[Any, ...], str] = {}


def list_inputs(input_base: str, pattern: str = "*", *, files: Sequence[str] | None = None) -> list[str]:
    """Names of the input's files relative to `input_base`, with forward slashes; ``""`` alone when it is a file itself.

    Args:
        input_base: a file, or a folder.
        pattern: which files below the folder, sorted by name. ``*`` takes those of the folder itself and none below.
            Names that begin with ``.`` or ``_``, of files or folders, are never taken.
        files: exactly these files in this order, such as `resolve_spans` found them; the pattern is then not used.

    Raises:
        DataError: when there is no such input, or no file matches.
        ConfigError: a pattern that is no text, a pattern or name that leads out of the folder, an address that holds a
            password.
    """
    check_no_password(input_base)
    if files is not None:
        return _given_files(input_base, files)
    if not isinstance(pattern, str):
        raise ConfigError(
            f"the pattern is {pattern!r}, a text is needed",
            hint="a pattern for each split goes through resolve_spans(input_base, {...}).sources(...), see its help.",
        )
    check_names([pattern], "pattern")
    if not store.exists(input_base):
        raise DataError("the input does not exist", where=input_base, hint=_nearest(input_base))
    if not _is_folder(input_base):
        return [""]
    steps = [re.compile(glob_regex(step)) for step in pattern.split("/")]
    found = sorted(name for name, _ in matching(input_base, steps))
    if not found:
        raise DataError(f"no file matches {pattern!r}", where=input_base, hint=what_is_there(input_base))
    return found


def matching(input_base: str, steps: Sequence[re.Pattern[str]]) -> Iterator[tuple[str, list[re.Match[str]]]]:
    """The files whose path matches one expression a step, hidden ones left out, with the matches; in no set order."""

    def walk(prefix: str, matches: list[re.Match[str]]) -> Iterator[tuple[str, list[re.Match[str]]]]:
        step, last = steps[len(matches)], len(matches) + 1 == len(steps)
        for name, is_folder in store.scan(store.join(input_base, prefix) if prefix else input_base):
            match = step.fullmatch(name)
            if match is None or is_folder == last or name.startswith((".", "_")):
                continue
            path = f"{prefix}/{name}" if prefix else name
            if last:
                yield path, [*matches, match]
            else:
                yield from walk(path, [*matches, match])

    yield from walk("", [])


def glob_regex(text: str) -> str:
    """One step of a pattern as a regular expression: ``*``, ``?`` and ``[...]`` are special and nothing else is."""
    out, position = [], 0
    while position < len(text):
        character = text[position]
        group = re.compile(r"\[(!?)(\]?[^\]]*)\]").match(text, position) if character == "[" else None
        if group is not None and group[2]:
            out.append(_class(group[2], negated=bool(group[1])))
            position = group.end()
            continue
        out.append({"*": ".*", "?": "."}.get(character, re.escape(character)))
        position += 1
    return f"(?s:{''.join(out)})"


def _class(inside: str, negated: bool) -> str:
    """One of these characters, ranges like ``a-z`` included; a range that runs downward holds nothing."""
    members, position = "", 0
    while position < len(inside):
        first, last, width = inside[position], inside[position], 1
        if position + 2 < len(inside) and inside[position + 1] == "-":
            last, width = inside[position + 2], 3
        if first <= last:
            members += f"\\U{ord(first):08x}-\\U{ord(last):08x}"
        position += width
    if not members:
        return "." if negated else "(?!)"
    return f"[{'^' if negated else ''}{members}]"


def check_names(names: Sequence[str], what: str = "file") -> None:
    """Relative paths that stay inside their folder.

    Raises:
        ConfigError: naming all that do not.
    """
    problems = []
    for name in names:
        parts = name.split("/")
        if not name or name.startswith("/") or "\0" in name or "://" in name or set(parts) & {"", ".", ".."}:
            problems.append(f"{what} {name!r}: a path relative to the input's folder, without '..' and empty parts")
    if problems:
        raise ConfigError(f"a {what} must lie in the input's folder", problems=problems)


def check_no_password(uri: str) -> None:
    """An input's place is kept and shown, so it holds no password.

    Raises:
        ConfigError: for ``scheme://user:password@host``; the message does not repeat it.
    """
    scheme, separator, rest = uri.partition("://")
    user, at, _ = rest.split("/")[0].rpartition("@")
    if separator and at and ":" in user:
        raise ConfigError(
            "the input's address holds a password, which would be kept and shown",
            where=f"{scheme}://***",
            hint=f"give it to the store's library by its own settings, or as FSSPEC_{scheme.upper()}_... variables.",
        )


def _given_files(input_base: str, files: Sequence[str]) -> list[str]:
    check_names([name for name in files if name])
    gone = [name for name in files if not store.exists(input_uri(input_base, name))]
    if gone or not files:
        what = f"{len(gone)} files are not there" if gone else "no file is named"
        raise DataError(what, where=input_base, problems=gone[:_SHOWN], hint=what_is_there(input_base))
    return list(files)


def what_is_there(input_base: str) -> str:
    """The first names in a folder, for hints."""
    visible = [f"{n}/" if is_folder else n for n, is_folder in store.scan(input_base) if not n.startswith((".", "_"))]
    more = f" and {len(visible) - _SHOWN} more" if len(visible) > _SHOWN else ""
    return f"there is: {', '.join(visible[:_SHOWN])}{more}." if visible else "the folder holds no files."


def _nearest(input_base: str) -> str | None:
    """Where a local path was looked for, and what lies there instead."""
    if not store.is_local(input_base):
        return None
    path = store.local_path(input_base).absolute()
    if not path.parent.is_dir():
        return f"there is no folder {path.parent} either."
    names = [entry.name for entry in path.parent.iterdir() if not entry.name.startswith((".", "_"))]
    return f"it was looked for in {path.parent}. {did_you_mean(path.name, names)}"


def _is_folder(uri: str) -> bool:
    if store.is_local(uri):
        return store.local_path(uri).is_dir()
    import fsspec

    filesystem, path = fsspec.core.url_to_fs(uri)
    return bool(filesystem.isdir(path))


def input_uri(input_base: str, name: str) -> str:
    """The URI of a listed file."""
    return store.join(input_base, name) if name else input_base


def input_label(input_base: str, name: str) -> str:
    """What people call a listed file: its name below the folder, or the file's own name."""
    return name or input_base.rstrip("/").rsplit("/", 1)[-1]


def input_fingerprint(input_base: str, pattern: str = "*", *, files: Sequence[str] | None = None) -> str:
    """The sha256 over name, size and content of every file of the input: equal contents, equal fingerprint.

    Content is the file's sha256. A store that promises a tag which changes with the content (S3's ETag, Google's
    ``md5Hash``) is asked for that instead. A local file that this process has hashed before, and that has the same
    size, inode and times since, is not read again; one that changed within the last two seconds always is.

    Raises:
        DataError: as in `list_inputs`.
    """
    entries = []
    for name in list_inputs(input_base, pattern, files=files):
        uri = input_uri(input_base, name)
        entries.append([input_label(input_base, name), store.size(uri), _content(uri)])
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()


def file_stamps(uris: Sequence[str]) -> list[tuple[int, ...] | None]:
    """Size, times and inode of each local file: others when the file has changed. None for one that is not there.

    Remote files have none: their stores refuse by themselves to go on with another object than the one begun.
    """
    found: list[tuple[int, ...] | None] = []
    for uri in filter(store.is_local, uris):
        try:
            found.append(_identity(store.local_path(uri)))
        except OSError:
            found.append(None)
    return found


def _content(uri: str) -> str:
    if not store.is_local(uri):
        return _remote_tag(uri) or file_sha256(uri)
    path = store.local_path(uri).absolute()
    before = _identity(path)
    key = (str(path), *before)
    known = _HASHES.get(key)
    if known is not None:
        return known
    began = time.time_ns()
    found = file_sha256(uri)
    settled = max(before[1:3]) < began - _SETTLED_NS and _identity(path) == before
    if settled and len(_HASHES) < _MAX_HASHES:
        _HASHES[key] = found
    return found


def _identity(path: Any) -> tuple[int, ...]:
    found = path.stat()
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)


def _remote_tag(uri: str) -> str | None:
    tag = _CONTENT_TAGS.get(uri.partition("://")[0])
    if tag is None:
        return None
    import fsspec

    filesystem, path = fsspec.core.url_to_fs(uri)
    value = filesystem.info(path).get(tag)
    return f"{tag}:{value}" if isinstance(value, str) and value else None

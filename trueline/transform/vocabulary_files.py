"""Vocabularies as files: ``vocabularies/<name>``, or ``vocabularies/<name>.tfrecord.gz``.

A text file has one token a line; with counts stored, ``count token``. A TFRecord file has one token a record, of any
bytes of UTF-8. Counts that are not in the file itself stand in ``<name>.counts``, one a line. Equal vocabularies give
equal bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from trueline._core import store
from trueline._core.errors import ArtifactError
from trueline.transform.analyzers import Vocabulary

__all__ = ["read_vocabulary", "write_vocabulary"]

_NAME = re.compile(r"[\w-][\w.-]*")
_FOLDER = "vocabularies"


def write_vocabulary(uri: str, name: str, vocabulary: Vocabulary, attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Writes a vocabulary's files.

    Args:
        uri: the artifact.
        name: the vocabulary's name.
        vocabulary: its tokens.
        attrs: of its analyzer: ``file_format`` and ``store_frequency``.

    Returns:
        What `read_vocabulary` needs, for ``graph.json``: names, sizes and the files' SHA-256.
    """
    form, inline = str(attrs.get("file_format") or "text"), bool(attrs.get("store_frequency"))
    lines = [str(token) for token in vocabulary.tokens]
    if inline:
        lines = [f"{_number(n)} {line}" for n, line in zip(vocabulary.counts, lines, strict=True)]
    place = store.join(uri, _FOLDER, _file(name, form))
    _WRITERS[form](place, lines)
    entry: dict[str, Any] = {"vocabulary": name, "unfiltered": vocabulary.unfiltered, "size": len(lines)}
    entry["sha256"] = _sha256(place)
    if form != "text":
        entry["file_format"] = form
    if inline:
        entry["store_frequency"] = True
    else:
        counts = "".join(f"{_number(count)}\n" for count in vocabulary.counts)
        store.write_text(store.join(uri, _FOLDER, name + ".counts"), counts)
        entry["counts_sha256"] = hashlib.sha256(counts.encode()).hexdigest()
    return entry


def read_vocabulary(uri: str, entry: Mapping[str, Any], dtype: str) -> Vocabulary:
    """What `write_vocabulary` wrote.

    Raises:
        ArtifactError: a file is missing or was changed, or the entry names no file of ours.
    """
    name, form = str(entry["vocabulary"]), str(entry.get("file_format", "text"))
    if not _NAME.fullmatch(name) or form not in _READERS:
        raise ArtifactError(f"a vocabulary is named {name!r}, of the format {form!r}", where=uri)
    place = store.join(uri, _FOLDER, _file(name, form))
    _check(place, _sha256(place), str(entry["sha256"]))
    lines = _READERS[form](place)
    if entry.get("store_frequency"):
        counts, lines = [line.split(" ", 1)[0] for line in lines], [line.split(" ", 1)[1] for line in lines]
    else:
        text = store.read_text(store.join(uri, _FOLDER, name + ".counts"))
        expected = entry.get("counts_sha256")  # format 1 had none
        if expected is not None:
            _check(place + ".counts", hashlib.sha256(text.encode()).hexdigest(), str(expected))
        counts = text.split()
    tokens = tuple(int(t) for t in lines) if dtype == "int64" else tuple(lines)
    if len(tokens) != len(counts):
        raise ArtifactError(f"{len(tokens)} tokens and {len(counts)} counts", where=place)
    return Vocabulary(tokens, tuple(_parsed(c) for c in counts), int(entry["unfiltered"]))


def _file(name: str, form: str) -> str:
    return name + _SUFFIX[form]


def _number(count: float) -> str:
    return repr(float(count)) if isinstance(count, float) else str(int(count))


def _parsed(text: str) -> int | float:
    return int(text) if text.removeprefix("-").isdecimal() else float(text)


def _sha256(place: str) -> str:
    return hashlib.sha256(store.read_bytes(place)).hexdigest()


def _check(place: str, found: str, expected: str) -> None:
    if found != expected:
        raise ArtifactError("the vocabulary was changed after it was written", where=place, hint="run Transform again.")


def _write_text(place: str, lines: list[str]) -> None:
    store.write_bytes(place, "".join(f"{line}\n" for line in lines).encode())


def _read_text(place: str) -> list[str]:
    return store.read_bytes(place).decode().split("\n")[:-1]


def _write_records(place: str, lines: list[str]) -> None:
    from trueline.data.tfrecord_write import write_tfrecord

    write_tfrecord(place, (line.encode() for line in lines), "gzip")


def _read_records(place: str) -> list[str]:
    from trueline.data.tfrecord import read_tfrecord

    return [record.decode() for record in read_tfrecord(place)]


_SUFFIX = {"text": "", "tfrecord_gzip": ".tfrecord.gz"}
_WRITERS: dict[str, Callable[[str, list[str]], None]] = {"text": _write_text, "tfrecord_gzip": _write_records}
_READERS: dict[str, Callable[[str], list[str]]] = {"text": _read_text, "tfrecord_gzip": _read_records}

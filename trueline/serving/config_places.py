"""Where in a TOML or JSON text a value stands: offsets by path, such as ``("models", 1, "labels", "canary")``.

The standard library's readers keep no places. These walk a text that such a reader has accepted already, so they
need to know only where keys and values begin and end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

__all__ = ["Path", "json_places", "nearest", "toml_places"]

Path = tuple[str | int, ...]
_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_JSON_BLANK = re.compile(r"[ \t\r\n]*")
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_JSON_WORD = re.compile(r"[^\s,\]}]+")
_STRINGS = (
    re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}(?!")', re.DOTALL),
    re.compile(r"'''.*?'{3,5}(?!')", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)
_WORD = re.compile(r"[^\n#,\]}]+")
_KEY = re.compile(r"[A-Za-z0-9_-]+")


def nearest(places: Mapping[Path, int], path: Path) -> int:
    """The offset of a path, or of the nearest around it that has one."""
    for length in range(len(path), -1, -1):
        if path[:length] in places:
            return places[path[:length]]
    return 0


def json_places(text: str) -> tuple[dict[Path, int], list[Path]]:
    """Offsets of all values of a valid JSON text, of a key's value the key's; and the keys that stand twice.

    Raises:
        RecursionError: nested too deeply.
    """
    places: dict[Path, int] = {}
    twice: list[Path] = []
    _json_value(text, _end(_JSON_BLANK, text, 0), (), places, twice)
    return places, twice


def _json_value(text: str, at: int, path: Path, places: dict[Path, int], twice: list[Path]) -> int:
    places.setdefault(path, at)
    if text[at] == '"':
        return _end(_JSON_STRING, text, at)
    if text[at] not in "{[":
        return _end(_JSON_WORD, text, at)
    opened = text[at]
    at = _end(_JSON_BLANK, text, at + 1)
    index = 0
    while text[at] not in "}]":
        key: str | int = index
        if opened == "{":
            stop = _end(_JSON_STRING, text, at)
            key = str(json.loads(text[at:stop]))
            if (*path, key) in places:
                twice.append((*path, key))
            places[(*path, key)] = at
            at = _end(_JSON_BLANK, text, _end(_JSON_BLANK, text, stop) + 1)  # over the colon
        at = _end(_JSON_BLANK, text, _json_value(text, at, (*path, key), places, twice))
        if text[at] == ",":
            at = _end(_JSON_BLANK, text, at + 1)
        index += 1
    return at + 1


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return at if match is None else match.end()


def toml_places(text: str) -> dict[Path, int]:
    """Offsets of the tables and keys of a valid TOML text.

    Raises:
        RecursionError: nested too deeply.
    """
    return _Toml(text).places


class _Toml:
    def __init__(self, text: str) -> None:
        self.text = text
        self.places: dict[Path, int] = {}
        self._arrays: dict[Path, int] = {}
        table: Path = ()
        at = self._blank(0)
        while at < len(text):
            if text[at] == "[":
                at, table = self._header(at)
            else:
                at = self._pair(at, table)
            at = self._blank(at)

    def _blank(self, at: int) -> int:
        return _end(_BLANK, self.text, at)

    def _header(self, at: int) -> tuple[int, Path]:
        """``[a.b]`` or ``[[a.b]]``: the end, and the path of what follows."""
        many = self.text.startswith("[[", at)
        keys, stop = self._keys(at + 1 + many)
        path: Path = ()
        for i, key in enumerate(keys):
            path = (*path, key)
            self.places.setdefault(path, at)
            if many and i == len(keys) - 1:
                self._arrays[path] = self._arrays.get(path, -1) + 1
            if path in self._arrays:
                path = (*path, self._arrays[path])
        self.places[path] = at
        return self.text.index("]", stop) + 1 + many, path

    def _keys(self, at: int) -> tuple[list[str], int]:
        """A key with dots, and the offset behind it."""
        found = []
        while True:
            at = self._blank(at)
            stop = next((e for p in (*_STRINGS[2:], _KEY) if (e := _end(p, self.text, at)) > at), at + 1)
            found.append(self.text[at:stop].strip("\"'"))
            at = self._blank(stop)
            if self.text[at : at + 1] != ".":
                return found, at
            at += 1

    def _pair(self, at: int, table: Path) -> int:
        keys, stop = self._keys(at)
        path = (*table, *keys)
        for length in range(len(table) + 1, len(path) + 1):
            self.places.setdefault(path[:length], at)
        return self._value(self._blank(stop + 1), path)

    def _value(self, at: int, path: Path) -> int:
        first = self.text[at : at + 1]
        if first in ("'", '"'):
            return next((e for p in _STRINGS if (e := _end(p, self.text, at)) > at), at + 1)
        if first not in ("[", "{"):
            return max(_end(_WORD, self.text, at), at + 1)
        at, index = self._blank(at + 1), 0
        while at < len(self.text) and self.text[at] not in "]}":
            if first == "[":
                self.places[(*path, index)] = at
                at = self._value(at, (*path, index))
            else:
                at = self._pair(at, path)
            at, index = self._blank(at), index + 1
            if self.text[at : at + 1] == ",":
                at = self._blank(at + 1)
        return at + 1

"""The text of ``trueline.toml``: its tables and keys, the lines they stand on, and variables of the environment.

A value holds ``${NAME}`` where the process's environment says the rest. Between ``://`` and ``@`` of an address a
variable is taken for plain text and percent-encoded, so that a password may hold any letter.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from trueline._core.errors import ConfigError, did_you_mean

__all__ = ["FILE_NAME", "ConfigFile", "find_config", "line_told", "read_config", "unknown"]

FILE_NAME = "trueline.toml"
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOGIN = re.compile(r"://(?P<user>[^/@:]*):(?P<password>[^@]*)@")
_QUERY = re.compile(r"[?&](?:password|passwd|pwd)=(?P<password>[^&]*)", re.IGNORECASE)
_HEADER = re.compile(r"\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?")


@dataclass(frozen=True)
class ConfigFile:
    """One file, read.

    Attributes:
        path: where it lies.
        text: as it was written.
        data: its tables, as TOML has them.
    """

    path: Path
    text: str
    data: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """What relative paths in it are relative to."""
        return self.path.parent

    def line_of(self, *keys: str) -> str:
        """``file:line`` of a key, or of the nearest table around it that has a line of its own."""
        lines = {tuple(found): number for found, number in _lines(self.text)}
        for length in range(len(keys), 0, -1):
            if keys[:length] in lines:
                return f"{self.path}:{lines[keys[:length]]}"
        return str(self.path)

    def table(self, problems: list[str], *keys: str) -> Mapping[str, Any]:
        """The table under the keys; empty where there is none or, which is noted, something else."""
        found: Any = self.data
        for key in keys:
            found = found.get(key, {}) if isinstance(found, Mapping) else {}
        if isinstance(found, Mapping):
            return found
        problems.append(f"{self.line_of(*keys)}: {'.'.join(keys)} is no table but {found!r}")
        return {}

    def filled(self, value: Any, problems: list[str], variables: Mapping[str, str], *keys: str) -> Any:
        """A value with its variables filled in, as deep as it goes; what is missing is noted with the key."""
        if isinstance(value, Mapping):
            return {key: self.filled(item, problems, variables, *keys, key) for key, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item, problems, variables, *keys) for item in value]
        if not isinstance(value, str):
            return value
        login = _LOGIN.search(value)

        def fill(match: re.Match[str]) -> str:
            name = match.group(1)
            if not _NAME.fullmatch(name):
                problems.append(f"{self.line_of(*keys)}: {'.'.join(keys)}: {match.group()} names no variable")
                return ""
            if not variables.get(name):
                state = "is empty" if name in variables else "is not set"
                problems.append(
                    f"{self.line_of(*keys)}: {'.'.join(keys)}: the environment variable {name} {state}; "
                    f"export {name}=..., or choose another environment"
                )
                return ""
            inside = login is not None and login.start() < match.start() < login.end()
            return quote(variables[name], safe="") if inside else variables[name]

        return _VARIABLE.sub(fill, value)

    def literal_passwords(self) -> list[str]:
        """``file:line: key`` of every address in the file that holds a password instead of a variable."""
        return [
            f"{self.line_of(*keys)}: {'.'.join(keys)}"
            for keys, value in _texts(self.data, ())
            if any(
                not _VARIABLE.search(found["password"]) and found["password"]
                for pattern in (_LOGIN, _QUERY)
                for found in pattern.finditer(value)
            )
        ]


def find_config(start: Path) -> Path | None:
    """The nearest ``trueline.toml`` in a folder or one above it."""
    here = start.absolute()
    found = (folder / FILE_NAME for folder in (here, *here.parents))
    return next((file for file in found if file.is_file()), None)


def read_config(path: Path) -> ConfigFile:
    """The file's tables.

    Raises:
        ConfigError: it cannot be read, or is no TOML; the message says the line and column.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return ConfigFile(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        where = f"{path}:{place.group(1)}" if place else str(path)
        raise ConfigError(f"it is no TOML: {error}", where=where) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"it cannot be read: {error}", where=str(path)) from error


def unknown(file: ConfigFile, table: Mapping[str, Any], known: tuple[str, ...], *keys: str) -> list[str]:
    """A sentence for every key that the table does not have."""
    return [
        f"{file.line_of(*keys, key)}: {'.'.join((*keys, key))} is no setting. {did_you_mean(key, known)}"
        for key in table
        if key not in known
    ]


def line_told(problem: str) -> int:
    """The line that a problem begins with, by which problems are told in the file's order."""
    place = re.match(r".*?:(\d+): ", problem)
    return int(place[1]) if place else 0


def _lines(text: str) -> list[tuple[list[str], int]]:
    """(keys, line) of every table and key that stands at the beginning of a line."""
    found: list[tuple[list[str], int]] = []
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if header := _HEADER.fullmatch(stripped):
            table = _dotted(header.group(1))
            found += [(table[:length], number) for length in range(1, len(table) + 1)]
        elif not stripped.startswith("#") and "=" in stripped:
            found.append(([*table, *_dotted(stripped.partition("=")[0])], number))
    # The first line that names a table is the one that is told.
    return found[::-1]


def _dotted(text: str) -> list[str]:
    return [part.strip().strip("\"'") for part in text.split(".")]


def _texts(value: Any, keys: tuple[str, ...]) -> list[tuple[tuple[str, ...], str]]:
    if isinstance(value, str):
        return [(keys, value)]
    if isinstance(value, Mapping):
        return [found for key, item in value.items() for found in _texts(item, (*keys, key))]
    return [found for item in value for found in _texts(item, keys)] if isinstance(value, list) else []

"""What a function's result can depend on in source code: one hash, and what it was made of.

For the user's own files: the function's statement, every top-level statement of its file that it reaches by name,
top-level statements that may have effects (those that bind no name, and imports whose names nothing uses), and, whole,
the local files that it imports, with the packages that they lie in. Code that looks names up itself (``globals()``,
``sys.modules``) reaches its whole file. For installed packages: the module's file. Hashes are taken over the syntax
tree without docstrings, so comments, blank lines and formatting change nothing.
"""

from __future__ import annotations

import hashlib
import os
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trueline.pipeline.source_facts import SourceFacts, Statement, facts_of, text_hash, whole_file
from trueline.pipeline.source_files import files_named
from trueline.pipeline.source_imports import found_imports, is_installed

__all__ = ["FunctionCode", "function_code", "function_hash", "is_installed", "users_line"]

_LOOK_UPS = frozenset({"globals", "eval", "exec", "modules"})
"""Names with which code finds others that no statement spells out."""
_MOST_PARTS = 64


@dataclass(frozen=True)
class FunctionCode:
    """The code that a function depends on.

    Attributes:
        digest: the hash of all of it.
        parts: short hashes of its statements by ``file:name``, to say what changed; of a file with many, ``file``.
        modules: dotted names of imported modules that lie in no file of the user.
        files: hashes of the files that it reads, by their place from the function's folder on.
    """

    digest: str
    parts: Mapping[str, str] = field(default_factory=dict)
    modules: frozenset[str] = frozenset()
    files: Mapping[str, str] = field(default_factory=dict)


def users_line(error: BaseException) -> str | None:
    """``file:line`` of the innermost frame of an error's traceback that stands in the user's own code, or None."""
    found = None
    for frame in traceback.extract_tb(error.__traceback__):
        if not frame.filename.startswith("<") and not is_installed(Path(frame.filename)):
            found = f"{frame.filename}:{frame.lineno}"
    return found


def function_hash(path: Path, name: str) -> str:
    """The hash of what the top-level function `name` of a file depends on; see `function_code`."""
    return function_code(path, name).digest


def function_code(path: Path, name: str) -> FunctionCode:
    """What the top-level function `name` of a file depends on; the whole file if it is installed.

    Raises:
        OSError: when the file cannot be read.
        SyntaxError: when it does not parse.
        LookupError: when the file binds no such name at its top level.
        ConfigError: when a declaration of files in it means nothing.
    """
    if is_installed(path):
        digest, names = whole_file(path)
        return FunctionCode(digest, modules=frozenset(found_imports(names, path)[1]))
    walk = _Walk(path.resolve().parent)
    walk.function(path, name)
    hashed = hashlib.sha256()
    for key, text in sorted(walk.texts.items()):
        hashed.update(key.encode() + b"\0" + text.encode() + b"\0")
    return FunctionCode(hashed.hexdigest(), walk.parts, frozenset(walk.modules), walk.files)


class _Walk:
    """Gathers what a function depends on; names of files are relative to the function's folder."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.texts: dict[str, str] = {}
        self.parts: dict[str, str] = {}
        self.modules: set[str] = set()
        self.files: dict[str, str] = {}

    def function(self, path: Path, name: str) -> None:
        facts = facts_of(path)
        self._add(f"0:{name}", path, facts, [facts.statements[index] for index in _reached(facts, name, path)])

    def _file(self, path: Path) -> None:
        key = f"1:{self._place(path)}"
        if key not in self.texts:
            facts = facts_of(path)
            self._add(key, path, facts, [each for each in facts.statements if not each.is_docstring])

    def _add(self, key: str, path: Path, facts: SourceFacts, reached: list[Statement]) -> None:
        self.texts[key] = "\n".join(each.code for each in reached)
        self._note(self._place(path), reached)
        read = files_named(path, facts.declared, {text for each in reached for text in each.texts})
        self.files.update({self._place(file): digest for file, digest in read.items()})
        files, modules = found_imports((names for each in reached for names in each.imports), path)
        self.modules |= modules
        for file in files:
            self._file(file)

    def _place(self, path: Path) -> str:
        return Path(os.path.relpath(path.resolve(), self.base)).as_posix()

    def _note(self, place: str, statements: Iterable[Statement]) -> None:
        named: dict[str, list[str]] = {}
        for each in statements:
            named.setdefault(f"{place}:{each.label}", []).append(each.code)
        if len(named) > _MOST_PARTS:
            named = {place: [each.code for each in statements]}
        self.parts.update({name: text_hash("\n".join(codes))[:8] for name, codes in named.items()})


def _reached(facts: SourceFacts, name: str, path: Path) -> list[int]:
    """The indices of the statements that a name leads to, and of those that may have effects."""
    if name not in facts.binders:
        raise LookupError(f"{path} binds no {name!r} at its top level")
    counting = [index for index, each in enumerate(facts.statements) if each.counts]
    reached: set[int] = set()
    queue = [*facts.binders[name], *facts.effects]
    while queue:
        index = queue.pop()
        if index in reached:
            continue
        reached.add(index)
        used = facts.statements[index].used
        if used & _LOOK_UPS:
            queue.extend(counting)
        queue.extend(each for name in used for each in facts.binders.get(name, ()))
    return sorted(reached)

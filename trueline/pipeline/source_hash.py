"""What a function's result can depend on in source code: one hash, and what it was made of.

For the user's own files: the function's statement, every top-level statement of its file that it reaches by name,
top-level statements that may have effects (those that bind no name, and imports whose names nothing uses), and, whole,
the local files that it imports, with the packages that they lie in. Code that looks names up itself (``globals()``,
``sys.modules``) reaches its whole file. For installed packages: the module's file. Hashes are taken over the syntax
tree without docstrings, so comments, blank lines and formatting change nothing.
"""

from __future__ import annotations

import ast
import hashlib
import os
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trueline._core.parsing import parse_python
from trueline.pipeline.source_files import files_read
from trueline.pipeline.source_imports import imported_names, imports_of, is_installed

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
        tree = _tree(path)
        return FunctionCode(_sha256(_dump(tree)), modules=frozenset(imports_of(tree, path)[1]))
    walk = _Walk(path.resolve().parent)
    walk.function(path, name)
    digest = hashlib.sha256()
    for key, text in sorted(walk.texts.items()):
        digest.update(key.encode() + b"\0" + text.encode() + b"\0")
    return FunctionCode(digest.hexdigest(), walk.parts, frozenset(walk.modules), walk.files)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _tree(path: Path) -> ast.Module:
    tree = parse_python(path.read_text(encoding="utf-8"), filename=str(path))
    assert isinstance(tree, ast.Module)
    return tree


def _dump(tree: ast.AST) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                first.value.value = ""
    return ast.dump(tree, annotate_fields=False)


class _Walk:
    """Gathers what a function depends on; names of files are relative to the function's folder."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.texts: dict[str, str] = {}
        self.parts: dict[str, str] = {}
        self.modules: set[str] = set()
        self.files: dict[str, str] = {}

    def function(self, path: Path, name: str) -> None:
        tree = _tree(path)
        statements = [s for s in tree.body if not _is_main_guard(s)]
        reached = [statements[index] for index in _reached(statements, name, path)]
        self._add(f"0:{name}", path, tree, reached)

    def _file(self, path: Path) -> None:
        key = f"1:{self._place(path)}"
        if key not in self.texts:
            tree = _tree(path)
            self._add(key, path, tree, [s for s in tree.body if not _is_docstring(s)])

    def _add(self, key: str, path: Path, tree: ast.Module, reached: list[ast.stmt]) -> None:
        read = files_read(path, tree, reached)  # before the docstrings are taken out
        dumps = [_dump(statement) for statement in reached]
        self.texts[key] = "\n".join(dumps)
        self._note(self._place(path), reached, dumps)
        self.files.update({self._place(file): digest for file, digest in read.items()})
        for statement in reached:
            files, modules = imports_of(statement, path)
            self.modules |= modules
            for file in files:
                self._file(file)

    def _place(self, path: Path) -> str:
        return Path(os.path.relpath(path.resolve(), self.base)).as_posix()

    def _note(self, place: str, statements: Iterable[ast.stmt], dumps: list[str]) -> None:
        named: dict[str, list[str]] = {}
        for statement, dump in zip(statements, dumps, strict=True):
            named.setdefault(f"{place}:{_label(statement)}", []).append(dump)
        if len(named) > _MOST_PARTS:
            named = {place: dumps}
        self.parts.update({name: _sha256("\n".join(texts))[:8] for name, texts in named.items()})


def _label(statement: ast.stmt) -> str:
    """What a top-level statement is called when it changed."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return "imports"
    names = sorted(set(_bound_names(statement)))
    return ", ".join(names[:3]) if names else "statements at the top level"


def _reached(statements: list[ast.stmt], name: str, path: Path) -> list[int]:
    """The indices of the statements that a name leads to, and of those that may have effects."""
    binders, effects = _binders(statements)
    if name not in binders:
        raise LookupError(f"{path} binds no {name!r} at its top level")
    reached: set[int] = set()
    queue = [*binders[name], *effects]
    while queue:
        index = queue.pop()
        if index in reached:
            continue
        reached.add(index)
        used = _used_names(statements[index])
        if used & _LOOK_UPS:
            queue.extend(range(len(statements)))
        queue.extend(each for name in used for each in binders.get(name, ()))
    return sorted(reached)


def _binders(statements: list[ast.stmt]) -> tuple[dict[str, list[int]], list[int]]:
    """Which statements bind or change each name, and which may have effects."""
    binders: dict[str, list[int]] = {}
    effects = []
    used = {name for statement in statements for name in _used_names(statement)}
    for index, statement in enumerate(statements):
        bound = set(_bound_names(statement))
        for each in bound:
            binders.setdefault(each, []).append(index)
        for_effect = isinstance(statement, ast.Import | ast.ImportFrom) and not bound & used
        if "*" in bound or for_effect or (not bound and not _is_docstring(statement)):
            effects.append(index)
    modules = {name for s in statements for name in imported_names(s)}
    for index, statement in enumerate(statements):
        for each in _asked_names(statement) - modules:
            if each in binders:
                binders[each].append(index)
    return binders, effects


def _is_main_guard(statement: ast.stmt) -> bool:
    """``if __name__ == "__main__":`` and nothing like it: another test may hold in the node's process."""
    return (
        isinstance(statement, ast.If)
        and not statement.orelse
        and ast.unparse(statement.test) in ("__name__ == '__main__'", "'__main__' == __name__")
    )


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _bound_names(statement: ast.stmt) -> Iterator[str]:
    """Names that a top-level statement binds or changes, also by ``NAME[...] =`` and ``NAME.attr =``."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imported_names(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
            root: ast.expr = node
            while isinstance(root, ast.Subscript | ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name):
                yield root.id


def _asked_names(statement: ast.stmt) -> set[str]:
    """Names a plain assignment calls a method of, as in ``_ = TABLE.pop("a")``: the call may change what they hold."""
    if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return set()
    calls = (node.func for node in ast.walk(statement) if isinstance(node, ast.Call))
    return {f.value.id for f in calls if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name)}


def _used_names(statement: ast.stmt) -> set[str]:
    names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    attributes = (node for node in ast.walk(statement) if isinstance(node, ast.Attribute) and node.attr == "modules")
    return names | {"modules" for node in attributes if getattr(node.value, "id", None) == "sys"}

"""What a Python file says, statement by statement, read from its syntax tree once for each content.

A pipeline of many nodes asks for the same files again and again. What is remembered goes by the whole text of a file,
never by its times or size (an edit can keep both), and holds nothing that depends on other files.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from trueline._core.parsing import parse_python
from trueline.pipeline.source_files import declared_files, file_texts
from trueline.pipeline.source_imports import ModuleNames, imported_names, module_names

__all__ = ["SourceFacts", "Statement", "facts_of", "text_hash", "whole_file"]

_MOST_FILES = 256


@dataclass(frozen=True)
class Statement:
    """One top-level statement.

    Attributes:
        code: its syntax tree as text, without docstrings: comments, blank lines and formatting change nothing.
        label: what it is called when it changed.
        bound: names that it binds or changes.
        used: names that it reads.
        imports: the modules that it imports.
        texts: texts in it that may name files.
        counts: False for a guard of ``__main__``.
        is_docstring: whether it is a text alone.
    """

    code: str
    label: str
    bound: frozenset[str]
    used: frozenset[str]
    imports: ModuleNames
    texts: frozenset[str]
    counts: bool
    is_docstring: bool


@dataclass(frozen=True)
class SourceFacts:
    """A file of the user.

    Attributes:
        statements: in their order.
        binders: by name the indices of the statements that bind or change it; guards of ``__main__`` have no part.
        effects: the indices of the statements that may have effects.
        declared: the files that it says it reads; None where it says nothing.
    """

    statements: tuple[Statement, ...]
    binders: Mapping[str, tuple[int, ...]]
    effects: tuple[int, ...]
    declared: tuple[str, ...] | None


def facts_of(path: Path) -> SourceFacts:
    """What a file says now.

    Raises:
        OSError: when the file cannot be read.
        SyntaxError: when it does not parse.
        ConfigError: when a declaration of files in it means nothing.
    """
    return _facts(path.read_text(encoding="utf-8"), str(path))


def whole_file(path: Path) -> tuple[str, ModuleNames]:
    """The hash of all of a file, as it is now, without its docstrings; and the modules that it imports.

    Raises:
        OSError: when the file cannot be read.
        SyntaxError: when it does not parse.
    """
    return _whole(path.read_text(encoding="utf-8"), str(path))


def text_hash(text: str) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=_MOST_FILES)
def _whole(text: str, filename: str) -> tuple[str, ModuleNames]:
    tree = parse_python(text, filename=filename)
    modules = module_names(tree)
    return text_hash(_dump(tree)), modules


@lru_cache(maxsize=_MOST_FILES)
def _facts(text: str, filename: str) -> SourceFacts:
    tree = parse_python(text, filename=filename)
    assert isinstance(tree, ast.Module)
    declared = declared_files(Path(filename), tree)
    counting = {index: each for index, each in enumerate(tree.body) if not _is_main_guard(each)}
    used = [_used_names(each) for each in tree.body]
    binders, effects = _binders(counting, used)
    statements = tuple(_statement(each, used[index], index in counting) for index, each in enumerate(tree.body))
    return SourceFacts(statements, binders, effects, declared)


def _statement(statement: ast.stmt, used: frozenset[str], counts: bool) -> Statement:
    bound = frozenset(_bound_names(statement))
    return Statement(
        label=_label(statement, bound),
        bound=bound,
        used=used,
        imports=module_names(statement),
        texts=frozenset(file_texts(statement)),
        counts=counts,
        is_docstring=_is_docstring(statement),
        code=_dump(statement),  # the last of all: it takes the docstrings out
    )


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


def _binders(
    statements: Mapping[int, ast.stmt], used: list[frozenset[str]]
) -> tuple[dict[str, tuple[int, ...]], tuple[int, ...]]:
    """Which statements bind or change each name, and which may have effects."""
    binders: dict[str, list[int]] = {}
    effects = []
    read = frozenset[str]().union(*(used[index] for index in statements))
    for index, statement in statements.items():
        bound = set(_bound_names(statement))
        for each in bound:
            binders.setdefault(each, []).append(index)
        for_effect = isinstance(statement, ast.Import | ast.ImportFrom) and not bound & read
        if "*" in bound or for_effect or (not bound and not _is_docstring(statement)):
            effects.append(index)
    modules = {name for s in statements.values() for name in imported_names(s)}
    for index, statement in statements.items():
        for each in _asked_names(statement) - modules:
            if each in binders:
                binders[each].append(index)
    return {name: tuple(indices) for name, indices in binders.items()}, tuple(effects)


def _label(statement: ast.stmt, bound: Iterable[str]) -> str:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return "imports"
    names = sorted(bound)
    return ", ".join(names[:3]) if names else "statements at the top level"


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


def _used_names(statement: ast.stmt) -> frozenset[str]:
    names = frozenset(node.id for node in ast.walk(statement) if isinstance(node, ast.Name))
    attributes = (node for node in ast.walk(statement) if isinstance(node, ast.Attribute) and node.attr == "modules")
    return names | {"modules" for node in attributes if getattr(node.value, "id", None) == "sys"}

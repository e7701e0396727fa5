"""What a function's result can depend on in source code, as one hash.

For the user's own files: the function's statement, every top-level statement of its file that it reaches by name,
top-level statements that bind no name (they may have effects), and, whole, the local files that it imports, with the
packages that they lie in. Code that looks names up itself (``globals()``, ``sys.modules``) reaches its whole file. For
installed packages: the module's file. Hashes are taken over the syntax tree without docstrings, so comments,
blank lines and formatting change nothing.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import os
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

from trueline._core.parsing import parse_python

__all__ = ["function_hash", "is_installed", "users_line"]

_PACKAGE = Path(__file__).resolve().parents[1]
_LOOK_UPS = frozenset({"globals", "eval", "exec", "modules"})
"""Names with which code finds others that no statement spells out."""
_IMPORTERS = frozenset({"import_module", "__import__"})


@functools.cache
def _installed_roots() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    roots = [Path(paths[key]).resolve() for key in ("stdlib", "platstdlib", "purelib", "platlib") if key in paths]
    return (*roots, _PACKAGE)


def is_installed(path: Path) -> bool:
    """Whether a file belongs to the standard library, an installed package or trueline."""
    resolved = path.resolve()
    if "site-packages" in resolved.parts or "dist-packages" in resolved.parts:
        return True
    return any(resolved.is_relative_to(root) for root in _installed_roots())


def users_line(error: BaseException) -> str | None:
    """``file:line`` of the innermost frame of an error's traceback that stands in the user's own code, or None."""
    found = None
    for frame in traceback.extract_tb(error.__traceback__):
        if not frame.filename.startswith("<") and not is_installed(Path(frame.filename)):
            found = f"{frame.filename}:{frame.lineno}"
    return found


def function_hash(path: Path, name: str) -> str:
    """The hash of what the top-level function `name` of a file depends on; of the whole file if it is installed.

    Raises:
        OSError: when the file cannot be read.
        SyntaxError: when it does not parse.
        LookupError: when the file binds no such name at its top level.
    """
    if is_installed(path):
        return hashlib.sha256(_dump(_tree(path)).encode()).hexdigest()
    texts: dict[str, str] = {}
    texts[f"0:{name}"] = _collect_function(path, name, texts)
    digest = hashlib.sha256()
    for key, text in sorted(texts.items()):
        digest.update(key.encode() + b"\0" + text.encode() + b"\0")
    return digest.hexdigest()


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


def _collect_function(path: Path, name: str, texts: dict[str, str]) -> str:
    statements = [s for s in _tree(path).body if not _is_main_guard(s)]
    binders: dict[str, list[int]] = {}
    effects = []
    for index, statement in enumerate(statements):
        bound = set(_bound_names(statement))
        for each in bound:
            binders.setdefault(each, []).append(index)
        if "*" in bound or (not bound and not _is_docstring(statement)):
            effects.append(index)
    modules = {name for s in statements for name in _imported_names(s)}
    for index, statement in enumerate(statements):
        for each in _asked_names(statement) - modules:
            if each in binders:
                binders[each].append(index)
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
    for index in reached:
        for imported in _local_imports(statements[index], path):
            _collect_file(imported, texts, path.resolve().parent)
    return "\n".join(_dump(statements[index]) for index in sorted(reached))


def _collect_file(path: Path, texts: dict[str, str], base: Path) -> None:
    """Adds a file and the local files that it imports, each under its place relative to the first one's folder."""
    key = f"1:{os.path.relpath(path.resolve(), base)}"
    if key in texts:
        return
    tree = _tree(path)
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    texts[key] = _dump(tree)
    for statement in statements:
        for imported in _local_imports(statement, path):
            _collect_file(imported, texts, base)


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
            yield from _imported_names(node)
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


def _imported_names(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names)


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


def _local_imports(statement: ast.stmt, path: Path) -> Iterator[Path]:
    for node in ast.walk(statement):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            names = [base, *(f"{base}{'' if base.endswith('.') else '.'}{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call):
            names = _called_import(node)
        for name in names:
            found = _local_file(name, path)
            if found is not None:
                yield from _package_files(found)
                yield found


def _called_import(call: ast.Call) -> list[str]:
    """The module that ``importlib.import_module("name")`` or ``__import__("name")`` loads."""
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", None)
    first = call.args[0] if call.args else None
    if called in _IMPORTERS and isinstance(first, ast.Constant) and isinstance(first.value, str):
        return [first.value]
    return []


def _package_files(path: Path) -> Iterator[Path]:
    """The ``__init__.py`` of every package around a file: importing the file runs them too."""
    folder = path.parent
    while (folder / "__init__.py").is_file():
        yield folder / "__init__.py"
        folder = folder.parent


def _local_file(module: str, path: Path) -> Path | None:
    """The user's own file that an import leads to: beside the importing file, or on the path; else None."""
    level = len(module) - len(module.lstrip("."))
    parts = [part for part in module.lstrip(".").split(".") if part]
    folder = path.resolve().parent
    for _ in range(max(level - 1, 0)):
        folder = folder.parent
    roots = [folder] if level else [folder, *_package_roots(folder)]
    for root in roots:
        for candidate in (
            root.joinpath(*parts).with_suffix(".py") if parts else None,
            root.joinpath(*parts, "__init__.py"),
        ):
            if candidate is not None and candidate.is_file():
                return candidate
    if level or not parts:
        return None
    try:
        spec = importlib.util.find_spec(parts[0])
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py") or is_installed(Path(spec.origin)):
        return None
    base = Path(spec.origin)
    if len(parts) == 1:
        return base
    inner = base.parent.joinpath(*parts[1:])
    for candidate in (inner.with_suffix(".py"), inner / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _package_roots(folder: Path) -> Iterator[Path]:
    while (folder / "__init__.py").is_file():
        folder = folder.parent
        yield folder

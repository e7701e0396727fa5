"""What Python source imports: files of the user, and modules that come from elsewhere."""

from __future__ import annotations

import ast
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

__all__ = [
    "Imports",
    "ModuleNames",
    "found_imports",
    "imported_names",
    "imports_of",
    "is_installed",
    "module_names",
]

_PACKAGE = Path(__file__).resolve().parents[1]
_IMPORTERS = frozenset({"import_module", "__import__"})
Imports = tuple[list[Path], set[str]]
"""Files of the user, in the order of their import, and dotted names of modules that lie in no such file."""
ModuleNames = tuple[tuple[str, ...], ...]
"""For each module imported: its dotted name and, after ``from``, those that its names have if they are modules."""


@cache
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


def imported_names(statement: ast.AST) -> Iterator[str]:
    """The names that the imports in a statement bind."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names)


def imports_of(tree: ast.AST, path: Path) -> Imports:
    """What the code of a file imports, at its top, within functions, or by ``importlib.import_module("name")``."""
    return found_imports(module_names(tree), path)


def found_imports(imports: Iterable[tuple[str, ...]], path: Path) -> Imports:
    """Where the modules that a file imports lie now."""
    files: dict[Path, None] = {}
    modules: set[str] = set()
    for names in dict.fromkeys(imports):
        local = [found for name in names if (found := _local_file(name, path)) is not None]
        for found in local:
            files.update(dict.fromkeys([*_package_files(found), found]))
        if not local and not names[0].startswith("."):
            modules.update(names)
    return list(files), modules


def module_names(tree: ast.AST) -> ModuleNames:
    """The modules that code names in its imports, wherever they lie."""
    return tuple(tuple(names) for node in ast.walk(tree) for names in _imports(node))


def _imports(node: ast.AST) -> list[list[str]]:
    if isinstance(node, ast.Import):
        return [[alias.name] for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = "." * node.level + (node.module or "")
        dot = "" if base.endswith(".") else "."
        return [[base, *(f"{base}{dot}{alias.name}" for alias in node.names if alias.name != "*")]]
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
        first = node.args[0] if node.args else None
        if called in _IMPORTERS and isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value:
            return [[first.value]]
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
    for root in [folder] if level else [folder, *_package_roots(folder)]:
        found = _module_file(root, parts)
        if found is not None:
            return found
    if level or not parts or parts[0] in sys.stdlib_module_names:
        return None
    return _on_the_path(parts)


def _module_file(root: Path, parts: list[str]) -> Path | None:
    inner = root.joinpath(*parts)
    for candidate in (inner.with_suffix(".py") if parts else None, inner / "__init__.py"):
        if candidate is not None and candidate.is_file():
            return candidate
    return None


def _on_the_path(parts: list[str]) -> Path | None:
    try:
        spec = importlib.util.find_spec(parts[0])
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.origin is None:  # a namespace package: its folders have no file of their own
        folders = [Path(place) for place in spec.submodule_search_locations or ()]
        inside = (_module_file(folder, parts[1:]) for folder in folders if not is_installed(folder) and parts[1:])
        return next((found for found in inside if found is not None), None)
    if not spec.origin.endswith(".py") or is_installed(Path(spec.origin)):
        return None
    base = Path(spec.origin)
    return base if len(parts) == 1 else _module_file(base.parent, parts[1:])


def _package_roots(folder: Path) -> Iterator[Path]:
    while (folder / "__init__.py").is_file():
        folder = folder.parent
        yield folder

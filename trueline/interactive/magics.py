"""Cell magics: user code typed into a cell becomes a file, and cells that belong to the notebook alone are marked.

A node may run in another process, and a cache key is made of a function's source: both need a file. So

    %%trueline_module model.py
    def run_fn(fn_args): ...

writes the cell to ``model.py``, imports it, and gives its public names to the notebook.

``%%skip_for_export`` runs its cell; nodes that only run in such cells are left out of the exported pipeline.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import keyword
import sys
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any

from trueline._core.errors import ConfigError
from trueline.pipeline.user_function import SourceOnlyLoader

__all__ = ["SKIPPING", "install", "write_module"]

SKIPPING: ContextVar[bool] = ContextVar("skip_for_export", default=False)
"""Whether the cell that runs now is marked to be left out of an export."""


def install(shell: Any) -> None:
    """Registers the magics with an IPython shell; again is no harm."""

    def trueline_module(line: str, cell: str) -> None:
        """Write the cell to a file, import it, and take its public names: %%trueline_module model.py"""
        module = write_module(line.strip(), cell)
        shell.user_ns.update(public_names(module))
        shell.user_ns[module.__name__] = module
        print(f"Wrote {module.__file__} and imported it as {module.__name__}")

    def skip_for_export(line: str, cell: str) -> None:
        """Run the cell; nodes that run in it are left out of the exported pipeline."""
        token = SKIPPING.set(True)
        try:
            shell.run_cell(cell, store_history=False).raise_error()
        finally:
            SKIPPING.reset(token)

    for magic in (trueline_module, skip_for_export):
        shell.register_magic_function(magic, magic_kind="cell", magic_name=magic.__name__)


def public_names(module: ModuleType) -> dict[str, Any]:
    """What ``from module import *`` would give."""
    names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    return {name: getattr(module, name) for name in names}


def write_module(name: str, source: str) -> ModuleType:
    """Writes source to ``name`` in the working folder and imports it anew.

    Args:
        name: a file name such as ``model.py``, without a folder.
        source: Python source.

    Raises:
        ConfigError: a name that is no module's, or that of an installed module.
        SyntaxError: source that does not parse; nothing is written.
    """
    path = Path(name)
    stem = path.stem
    if path.name != name or path.suffix != ".py" or not stem.isidentifier() or keyword.iskeyword(stem):
        raise ConfigError(f"{name!r} is no name for a module", hint="write %%trueline_module model.py, say.")
    path = path.resolve()
    _refuse_shadow(stem, path)
    ast.parse(source, filename=str(path))
    temporary = path.with_suffix(".py.part")
    temporary.write_text(source, encoding="utf-8")
    temporary.replace(path)
    return _import_anew(stem, path)


def _refuse_shadow(stem: str, path: Path) -> None:
    try:
        spec = importlib.util.find_spec(stem)
    except (ImportError, ValueError):
        spec = None
    origin = getattr(spec, "origin", None)
    taken = spec is not None and (origin is None or Path(origin).resolve() != path)
    if stem in sys.stdlib_module_names or taken:
        raise ConfigError(
            f"{path.name} would stand in the way of the module {stem!r} ({origin})", hint="choose another name."
        )


def _import_anew(stem: str, path: Path) -> ModuleType:
    """The file as a module; a bytecode file could be as old as the second before the edit, so none is read."""
    if str(path.parent) not in (str(Path(entry or ".").resolve()) for entry in sys.path):
        sys.path.insert(0, str(path.parent))
    importlib.invalidate_caches()
    spec = importlib.util.spec_from_file_location(stem, path, loader=SourceOnlyLoader(stem, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(stem)
    sys.modules[stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[stem]
        if before is not None:
            sys.modules[stem] = before
        raise
    return module

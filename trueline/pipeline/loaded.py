"""Whether the user's files still say what this process loaded from them.

The cache key speaks of the files as they are now; a module that was imported before an edit runs as it was then. A
node for which that may matter runs in a process of its own, which loads the files anew.
"""

from __future__ import annotations

import hashlib
import sys
import weakref
from pathlib import Path
from types import ModuleType

from trueline.pipeline.packages import replaced_since_loading
from trueline.pipeline.source_imports import is_installed

__all__ = ["ALONE", "edited_since_loading", "remember_loaded"]

ALONE = "_trueline_"
"""Modules with this prefix have the hash of their file in their name: an edit makes another module."""

_FORGOTTEN: set[type] = set()
_digests: weakref.WeakKeyDictionary[ModuleType, tuple[Path, str] | None] = weakref.WeakKeyDictionary()


def remember_loaded() -> None:
    """Notes the contents of the files of all modules of the user that were loaded since the last call."""
    for name, module in sys.modules.copy().items():
        if type(module) not in _FORGOTTEN and isinstance(module, ModuleType) and module not in _digests:
            try:
                _digests[module] = None if name.startswith(ALONE) else _digest(module)
            except TypeError:  # libraries made by cffi call themselves modules, and take no weak references
                if type(module) is ModuleType:
                    raise
                _FORGOTTEN.add(type(module))


def edited_since_loading() -> list[Path]:
    """Files of loaded modules that are no longer what was loaded: those of the user by their contents, those of
    packages by the versions that cache keys speak of."""
    current = {id(module) for module in sys.modules.copy().values()}
    noted = [found for module, found in list(_digests.items()) if found is not None and id(module) in current]
    edited = sorted(path for path, digest in noted if path.is_file() and _sha256(path) != digest)
    return [*edited, *replaced_since_loading()]


def _digest(module: ModuleType) -> tuple[Path, str] | None:
    file = vars(module).get("__file__")
    if not isinstance(file, str) or not file.endswith(".py") or "site-packages" in file:
        return None
    path = Path(file)
    return (path, _sha256(path)) if path.is_file() and not is_installed(path) else None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

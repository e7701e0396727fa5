"""Names that are imported when they are first asked for (PEP 562): a room's face costs nothing until it is used."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(module: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` of a module whose names live elsewhere.

    ``dir`` tells the names of ``__all__``. Nothing is kept: each asking goes to the home, so that whoever changes a
    name there changes it here.

    Args:
        module: the module's ``__name__``.
        homes: name -> the module that holds it: one of this package, or a whole path that begins with ``trueline.``.
    """

    def get(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            # What asks for names that may be absent (copy, pickle, displays) asks for dunders: nothing is like those.
            like = [] if name.startswith("_") else difflib.get_close_matches(name, homes, 1, 0.7)
            hint = f". Did you mean {like[0]!r}?" if like else ""
            raise AttributeError(f"module {module!r} has no attribute {name!r}{hint}")
        return getattr(importlib.import_module(home if home.startswith("trueline.") else f"{module}.{home}"), name)

    def names() -> list[str]:
        return sorted(vars(sys.modules[module])["__all__"])

    return get, names

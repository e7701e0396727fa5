"""Runtime parameters: placeholders for values that are given with a run, and how a given value gets its type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from trueline._core.errors import ConfigError
from trueline.pipeline.placeholders import NAME, Placeholder

__all__ = ["RuntimeParameter", "convert"]

_TYPES: Mapping[str, type] = {"int": int, "float": float, "str": str, "bool": bool, "dict": dict, "list": list}


class RuntimeParameter(Placeholder):
    """A value that is given with the run: ``trueline run pipeline.py --param epochs=20``.

    Args:
        name: letters, digits and ``_``.
        ptype: int, float, str, bool, dict or list.
        default: used when the run gives none; without one the run must give it.
        description: what it means, for `trueline plan` and the help.
    """

    def __init__(self, name: str, ptype: type = str, default: Any = None, description: str = "") -> None:
        super().__init__("parameter", name)
        self.name, self.ptype, self.default, self.description = name, ptype, default, description
        if not NAME.fullmatch(name):
            raise ConfigError(f"runtime parameter {name!r}: a name holds letters, digits and '_'")
        if ptype not in _TYPES.values():
            raise ConfigError(f"runtime parameter {name!r} has the type {ptype!r}", hint=f"one of {', '.join(_TYPES)}.")
        if isinstance(default, Placeholder):
            raise ConfigError(f"runtime parameter {name!r}: a default is a value, not {default!r}")
        if default is not None:
            self.default = convert(name, ptype.__name__, default)

    def record(self) -> dict[str, Any]:
        """What the compiled pipeline keeps of it."""
        return {"type": self.ptype.__name__, "default": self.default, "description": self.description}


def convert(name: str, kind: str, value: Any) -> Any:
    """A runtime parameter's value in its type; text is read as the command line gives it.

    Raises:
        ConfigError: a value of another type.
    """
    wanted, given = _TYPES[kind], value
    if isinstance(value, str) and wanted is not str:
        value = _from_text(value, wanted)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not wanted:
        raise ConfigError(f"runtime parameter {name!r} takes {kind}, but was given {given!r}")
    return value


def _from_text(text: str, wanted: type) -> Any:
    words = {"true": True, "yes": True, "false": False, "no": False}
    try:
        if wanted is bool:
            return words.get(text.lower(), text)
        return wanted(text) if wanted in (int, float) else json.loads(text)
    except ValueError:
        return text

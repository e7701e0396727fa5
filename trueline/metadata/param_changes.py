"""What differs between two sets of parameters as they were recorded, one sentence a difference."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["changed_params", "short_json"]

_ABSENT = object()
_SHOWN = 60
_FUNCTION = "__function__"  # a user's function is recorded as {"__function__": its name}


def changed_params(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """``Trainer.rate: 0.1 -> 0.2``, by name; what lies in parameters that are tables is named ``table.name``."""
    for name in sorted({*before, *after}):
        old, new, path = before.get(name, _ABSENT), after.get(name, _ABSENT), f"{prefix}{name}"
        if old == new and type(old) is type(new):
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping) and _FUNCTION not in {*old, *new}:
            yield from changed_params(old, new, f"{path}.")
        elif old is _ABSENT:
            yield f"{path}: {short_json(new)} is new"
        elif new is _ABSENT:
            yield f"{path} is no longer there (it was {short_json(old)})"
        else:
            yield f"{path}: {short_json(old)} -> {short_json(new)}"


def short_json(value: Any) -> str:
    """A value as JSON of 60 characters at the most; a function by its name."""
    if isinstance(value, Mapping) and set(value) == {_FUNCTION}:
        return f"function {value[_FUNCTION]}"
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."

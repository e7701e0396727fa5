"""What a model says of itself in words, and the facts of its training: both plain JSON in ``model.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from trueline._core.errors import ModelError, did_you_mean

__all__ = ["ABOUT_KEYS", "checked_about", "checked_training"]

ABOUT_KEYS = ("description", "licence", "intended_use", "owner")


def checked_about(about: Mapping[str, Any] | None) -> dict[str, str]:
    """The texts as they go into ``model.json``.

    Raises:
        ModelError: keys that are not of `ABOUT_KEYS`, or values that are no text; all at once.
    """
    problems = []
    for key, value in (about or {}).items():
        if key not in ABOUT_KEYS:
            problems.append(f"{key!r} is no key of about. {did_you_mean(str(key), ABOUT_KEYS)}")
        elif not isinstance(value, str):
            problems.append(f"{key}: a {type(value).__name__} where a text is expected")
    if problems:
        raise ModelError("about= does not fit", problems=problems)
    return dict(about or {})


def checked_training(training: Mapping[str, Any] | None) -> dict[str, Any]:
    """The facts as plain JSON: numpy's numbers become Python's; NaN and infinity become texts, for JSON has none.

    Raises:
        ModelError: a value that JSON cannot hold.
    """
    try:
        found: dict[str, Any] = json.loads(json.dumps(_plain(dict(training or {})), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"training= holds what JSON cannot: {error}", hint="give numbers, texts, lists and objects of them."
        ) from error
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value

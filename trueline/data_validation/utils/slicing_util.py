"""Slicers, where upstream has them."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = [  # noqa: F822 - they come from their homes when they are asked for
    "DEFAULT_SLICE_KEY",
    "get_feature_value_slicer",
]

_HOME = "trueline.data_validation.slicing"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Questions to a schema, where upstream has them."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = [  # noqa: F822 - they come from their homes when they are asked for
    "get_bytes_features",
    "get_categorical_features",
    "get_categorical_numeric_features",
    "get_domain",
    "get_feature",
    "get_multivalent_features",
    "is_categorical_feature",
    "load_schema_text",
    "set_domain",
    "write_schema_text",
]

_HOME = "trueline.schema"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

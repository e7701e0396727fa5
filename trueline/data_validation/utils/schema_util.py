"""Questions to a schema, where upstream has them."""

from __future__ import annotations

from trueline._core.lazy import lazy_names

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

__getattr__, __dir__ = lazy_names(__name__, dict.fromkeys(__all__, _HOME))

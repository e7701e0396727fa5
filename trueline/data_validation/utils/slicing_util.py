"""Slicers, where upstream has them."""

from __future__ import annotations

from trueline._core.lazy import lazy_names

__all__ = [  # noqa: F822 - they come from their homes when they are asked for
    "DEFAULT_SLICE_KEY",
    "get_feature_value_slicer",
]

_HOME = "trueline.data_validation.slicing"

__getattr__, __dir__ = lazy_names(__name__, dict.fromkeys(__all__, _HOME))

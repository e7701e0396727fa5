"""Namespaces within the transform's public names."""

from __future__ import annotations

from trueline.transform import experimental as experimental

__all__ = ["experimental"]

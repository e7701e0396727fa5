"""Namespaces within the transform's public names."""

from __future__ import annotations

import trueline.transform.experimental as experimental

__all__ = ["experimental"]

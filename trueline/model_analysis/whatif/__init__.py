"""The what-if page: pick a row, edit it, and see the prediction move.

May import what the other parts of model analysis may; pages are drawn by `display`, requests answered by `web`.
"""

from __future__ import annotations

from trueline._core.lazy import lazy_names

_PUBLIC = {
    "WhatIf": "record",
    "what_if": "api",
}

__all__ = [*sorted(_PUBLIC)]

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)

"""The versions of a model that lie at a push destination."""

from __future__ import annotations

from trueline._core import store
from trueline._core.manifest import MANIFEST_NAME

__all__ = ["pushed_versions"]


def pushed_versions(destination: str) -> list[int]:
    """The complete versions at a destination, oldest first."""
    found = [int(name) for name in store.listdir(destination) if name.isascii() and name.isdigit()]
    return sorted(v for v in found if store.exists(store.join(destination, str(v), MANIFEST_NAME)))

"""The version of this package, for all rooms: the package's face, which shows it too, stands above them."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"

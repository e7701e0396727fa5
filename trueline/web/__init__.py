"""Pages with something behind them: small local apps on Starlette, on loopback alone, over what the libraries make.

Needs the extra ``web``, which is imported when an app is made. Stands above the libraries and below the command line.
"""

from __future__ import annotations

from trueline._core.lazy import lazy_names

_PUBLIC = {
    "serve_what_if": "what_if",
    "what_if_app": "what_if",
}

__all__ = [*sorted(_PUBLIC)]

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)

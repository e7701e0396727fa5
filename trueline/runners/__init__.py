"""The runners room: how a compiled pipeline is carried out, one file a runner.

It may import everything below (`trueline.pipeline`, `trueline.components`), and only the cli and web rooms stand above.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trueline.pipeline.results import NodeResult, RunEvent, RunResult
    from trueline.runners.local import LocalRunner

__all__ = ["LocalRunner", "NodeResult", "RunEvent", "RunResult"]

_HOME = {
    "LocalRunner": "trueline.runners.local",
    "NodeResult": "trueline.pipeline.results",
    "RunEvent": "trueline.pipeline.results",
    "RunResult": "trueline.pipeline.results",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)

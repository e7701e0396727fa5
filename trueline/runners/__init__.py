"""The runners room: how a compiled pipeline is carried out, one file a runner.

It may import everything below (`trueline.pipeline`, `trueline.components`), and only the cli and web rooms stand above.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

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

__getattr__, __dir__ = lazy_names(__name__, _HOME)

"""Interactive work: components run one by one in a notebook, every result shows itself, and the session becomes a
pipeline file. It stands above the runners; the command line's report shows artifacts with the same views.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.interactive.context import InteractiveContext
    from trueline.interactive.result import ExecutionResult, ShownArtifact, ShownArtifacts
    from trueline.interactive.views import artifact_sections, register_view

__all__ = [
    "ExecutionResult",
    "InteractiveContext",
    "ShownArtifact",
    "ShownArtifacts",
    "artifact_sections",
    "register_view",
]

_HOMES = {
    "ExecutionResult": "result",
    "InteractiveContext": "context",
    "ShownArtifact": "result",
    "ShownArtifacts": "result",
    "artifact_sections": "views",
    "register_view": "views",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)


def load_ipython_extension(shell: object) -> None:
    """What ``%load_ext trueline.interactive`` calls: the cell magics without a context."""
    from trueline.interactive.magics import install

    install(shell)

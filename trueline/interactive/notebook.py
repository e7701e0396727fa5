"""The notebook around a session: its name, its cell magics, and HTML for what a cell ends with."""

from __future__ import annotations

import os
import re
from pathlib import Path

from trueline.interactive.magics import install
from trueline.interactive.result import ShownArtifact, ShownArtifacts
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ArtifactHandle

__all__ = ["equip_notebook", "notebook_name"]


def notebook_name() -> str:
    """The notebook's file name where the server tells it, else ``interactive``."""
    stem = Path(os.environ.get("JPY_SESSION_NAME", "")).stem
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", stem).strip("_.-")[:100] or "interactive"


def equip_notebook() -> None:
    """In IPython: the cell magics, and HTML for channels and handles."""
    import sys

    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        return
    install(shell)
    html = shell.display_formatter.formatters["text/html"]
    html.for_type(Channel, _channel_html)
    html.for_type(ArtifactHandle, lambda handle: ShownArtifact.of(handle)._repr_html_())


def _channel_html(channel: Channel) -> str | None:
    """A channel's artifacts; None, which leaves the text, where its node has not run."""
    made = channel.producer.artifacts
    return None if made is None or channel.key not in made else ShownArtifacts(made[channel.key])._repr_html_()

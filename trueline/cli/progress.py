"""What a person sees while a line runs: a live table on a terminal, one line a node elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from trueline.cli.format import STYLES, duration, found_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from trueline.pipeline.results import RunEvent

__all__ = ["Progress"]


@dataclass
class _Line:
    state: str = "PENDING"
    started: float | None = None
    seconds: float | None = None
    found: Mapping[str, Any] = field(default_factory=dict)
    message: str | None = None


class Progress:
    """Follows a run; hand its `on_event` to the runner, and use it as a context manager.

    Args:
        node_ids: all nodes, in order.
        console: where to write.
    """

    def __init__(self, node_ids: Iterable[str], console: Console) -> None:
        from rich.live import Live

        self.console = console
        self.lines = {node_id: _Line() for node_id in node_ids}
        # A function, not a table: rich asks again at every refresh, so that the clocks of running nodes move.
        self._live = (
            Live(get_renderable=self.table, console=console, refresh_per_second=8) if console.is_terminal else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def on_event(self, event: RunEvent) -> None:
        """Takes in what the runner says."""
        if event.node_id is None:
            return
        line = self.lines.setdefault(event.node_id, _Line())
        if event.kind == "node_started":
            line.state, line.started = "RUNNING", time.monotonic()
        elif event.kind == "node_found":
            line.found = dict(event.found or {})
        elif event.kind == "node_finished" and event.result is not None:
            result = event.result
            line.state, line.seconds, line.message = result.state, result.seconds, result.message
            line.found = dict(result.found) or line.found
            if self._live is None:
                self._say(event.node_id, line)

    def table(self) -> Table:
        """All nodes as they stand."""
        from rich.markup import escape
        from rich.table import Table

        table = Table(box=None, pad_edge=False, expand=False)
        for heading, ratio in (("component", None), ("state", None), ("took", None), ("found", 1)):
            table.add_column(heading, overflow="fold" if ratio else "ellipsis", no_wrap=not ratio)
        for node_id, line in list(self.lines.items()):
            style = STYLES.get(line.state, "")
            seconds = line.seconds
            if line.state == "RUNNING" and line.started is not None:
                seconds = time.monotonic() - line.started
            table.add_row(
                escape(node_id),
                f"[{style}]{line.state.lower()}[/]",
                duration(seconds if line.state not in ("PENDING", "SKIPPED") else None),
                escape(found_text(line.found)),
            )
        return table

    def _say(self, node_id: str, line: _Line) -> None:
        text = f"{node_id:20} {line.state.lower():9} {duration(line.seconds):>10}  {found_text(line.found)}"
        self.console.print(text.rstrip(), markup=False, highlight=False, soft_wrap=True)

"""What a person sees while a line runs: a live table on a terminal, lines elsewhere.

Without a terminal a node says when it begins, every 30 seconds that it still runs, and how it ended, so that a log of
a build server tells a slow node from a hung one. Kinds of events that are not known here are passed over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from trueline.cli.format import STYLES, duration, found_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from trueline.pipeline.results import RunEvent

__all__ = ["Progress"]

_QUIET_SECONDS = 30.0
_TIMELESS = ("PENDING", "SKIPPED", "OMITTED")


@dataclass
class _Line:
    state: str = "PENDING"
    started: float | None = None
    seconds: float | None = None
    found: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    attempt: int = 1
    said: float = 0.0


class Progress:
    """Follows a run; hand its `on_event` to the runner, and use it as a context manager.

    Args:
        node_ids: all nodes, in order; passes of loops join when they begin.
        console: where to write.
        every: seconds after which a running node is told of again, where there is no terminal.
    """

    def __init__(self, node_ids: Iterable[str], console: Console, every: float = _QUIET_SECONDS) -> None:
        from rich.live import Live

        self.console = console
        self.lines = {node_id: _Line() for node_id in node_ids}
        self.run_id: str | None = None
        self._every, self._stopped, self._lock = every, threading.Event(), threading.RLock()
        self._ticker: threading.Thread | None = None
        self._canceled = False
        # A function, not a table: rich asks again at every refresh, so that the clocks of running nodes move.
        self._live = (
            Live(get_renderable=self.table, console=console, refresh_per_second=8) if console.is_terminal else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        else:
            self._ticker = threading.Thread(target=self._tick, name="trueline-progress", daemon=True)
            self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        if self._live is not None:
            self._live.stop()
        if self._ticker is not None:
            self._ticker.join()
        if self.run_id is not None and (self._canceled or isinstance(error, KeyboardInterrupt)):
            self.console.print(
                f"Run {self.run_id} was stopped. What had finished is kept; go on with: trueline resume {self.run_id}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )

    def on_event(self, event: RunEvent) -> None:
        """Takes in what the runner says."""
        self.run_id = event.run_id
        kind: str = event.kind
        with self._lock:
            if kind == "run_finished":
                self._canceled = event.status == "CANCELED"
            elif kind == "nodes_added":
                self._add(event.nodes)
            elif event.node_id is not None and (take := _TAKERS.get(kind)) is not None:
                line = self._line(event.node_id)
                take(line, event)
                if self._live is None and kind != "node_found":
                    self._say(event.node_id, line)

    def _line(self, node_id: str) -> _Line:
        """The node's line; that of a loop's pass stands after its loop's other lines."""
        if node_id not in self.lines:
            base = node_id.partition("[")[0]
            names = list(self.lines)
            same = [i for i, name in enumerate(names) if name == base or name.startswith(f"{base}[")]
            names.insert(same[-1] + 1 if same else len(names), node_id)
            self.lines = {name: self.lines.get(name) or _Line() for name in names}
        return self.lines[node_id]

    def _add(self, passes: Sequence[str]) -> None:
        """Passes stand where their loop stood, which has no line of its own any more."""
        for node_id in passes:
            self._line(node_id)
        gone = {node_id.partition("[")[0] for node_id in passes}
        self.lines = {n: line for n, line in self.lines.items() if n not in gone or line.state != "PENDING"}

    def table(self) -> Table:
        """All nodes as they stand."""
        from rich.markup import escape
        from rich.table import Table

        table = Table(box=None, pad_edge=False, expand=False)
        for heading, ratio in (("component", None), ("state", None), ("took", None), ("found", 1)):
            table.add_column(heading, overflow="fold" if ratio else "ellipsis", no_wrap=not ratio)
        with self._lock:
            lines = list(self.lines.items())
        for node_id, line in lines:
            style = STYLES.get(line.state, "")
            seconds = _so_far(line) if line.state in ("RUNNING", "WAITING") else line.seconds
            state = line.state.lower() + (f" (attempt {line.attempt})" if line.attempt > 1 else "")
            table.add_row(
                escape(node_id),
                f"[{style}]{state}[/]" if style else state,
                duration(seconds if line.state not in _TIMELESS else None),
                escape(line.note or found_text(line.found)),
            )
        return table

    def _say(self, node_id: str, line: _Line, still: bool = False) -> None:
        line.said = time.monotonic()
        state = f"still {line.state.lower()}" if still else line.state.lower()
        seconds = _so_far(line) if still else line.seconds if line.state not in _TIMELESS else None
        text = f"{node_id:20} {state:9} {duration(seconds):>10}  {line.note or found_text(line.found)}"
        self.console.print(text.rstrip(), markup=False, highlight=False, soft_wrap=True)

    def _tick(self) -> None:
        while not self._stopped.wait(min(1.0, self._every / 4)):
            with self._lock:
                for node_id, line in self.lines.items():
                    if line.state in ("RUNNING", "WAITING") and time.monotonic() - line.said >= self._every:
                        self._say(node_id, line, still=True)


def _so_far(line: _Line) -> float | None:
    return None if line.started is None else time.monotonic() - line.started


def _started(line: _Line, event: RunEvent) -> None:
    line.state, line.note, line.seconds = "RUNNING", "", None
    line.started = line.started if line.attempt > 1 and line.started is not None else time.monotonic()


def _found(line: _Line, event: RunEvent) -> None:
    line.found = dict(event.found or {})


def _retry(line: _Line, event: RunEvent) -> None:
    """`message` says which attempt failed and why; `found` may say it in figures instead: ``attempt`` (that comes now),
    ``attempts`` (at most), ``wait`` (seconds)."""
    told = event.found or {}
    line.attempt = int(told.get("attempt") or line.attempt + 1)
    of = f" of {told['attempts']}" if told.get("attempts") else ""
    after = f" in {duration(float(told['wait']))}" if told.get("wait") else ""
    figures = f"attempt {line.attempt}{of}{after}" if told or not event.message else ""
    line.state = "RUNNING"
    line.note = ": ".join(filter(None, [figures, (event.message or "").partition("\n")[0]]))


def _waiting(line: _Line, event: RunEvent) -> None:
    """`message` is the question; who answers it is told how."""
    question = (event.message or "").strip()
    line.state, line.started = "WAITING", line.started or time.monotonic()
    command = f"trueline approve {event.run_id} {event.node_id}"
    line.note = question if command in question else f"{question} ({command})".lstrip()


def _finished(line: _Line, event: RunEvent) -> None:
    result = event.result
    if result is not None:
        # A node that was cut off could not say how long it took.
        seconds = result.seconds or (_so_far(line) if result.state == "CANCELED" else result.seconds)
        line.state, line.seconds, line.note = result.state, seconds, ""
        line.found = dict(result.found) or line.found
        if line.attempt > 1 and result.ok:
            line.note = f"at attempt {line.attempt}; {found_text(line.found)}".rstrip("; ")


_TAKERS: Mapping[str, Callable[[_Line, RunEvent], None]] = {
    "node_started": _started,
    "node_found": _found,
    "node_retry": _retry,
    "node_waiting": _waiting,
    "node_finished": _finished,
}

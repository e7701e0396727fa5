"""How far a training is: a bar on a terminal, a line now and then in a log, facts for a run's table."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from trueline._core.errors import ConfigError

__all__ = ["PROGRESS_FACTS", "Progress"]

T = TypeVar("T")
PROGRESS_FACTS = ("step", "rate", "remaining")
"""The facts that a running training reports; they mean nothing when it has ended."""
_LINE_SECONDS, _REPORT_SECONDS, _LATER_SECONDS, _BAR_SECONDS = 10.0, 1.0, 5.0, 0.1


class Progress(Generic[T]):
    """Counts steps; ``for batch in progress`` or ``progress.update()``. It speaks to a person only, never to a result.

    Args:
        steps: what to go through.
        total: how many steps there are; ``len(steps)`` where it has one.
        name: what is being done.
        done: steps that were done before.
        report: takes ``step``, ``rate`` (steps a second) and ``remaining`` (seconds as text), once a second at most,
            after the first minute every five.
        shown: False: nothing is written.
        clock: seconds.
    """

    def __init__(
        self,
        steps: Iterable[T] | None = None,
        *,
        total: int | None = None,
        name: str = "training",
        done: int = 0,
        report: Callable[[Mapping[str, Any]], None] | None = None,
        shown: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.steps, self.name, self.done = steps, name, done
        left = len(steps) if total is None and isinstance(steps, Sized) else None
        self.total = total if left is None else left + done
        self._report, self._shown, self._clock = report, shown, clock
        self._first, self._begun = done, clock()
        self._told = self._lined = self._begun
        # a run's table is drawn by the process that runs the line: no bar of ours beside it
        self._bar = _Bar(name, self.total) if shown and report is None and sys.stderr.isatty() else None

    def __iter__(self) -> Iterator[T]:
        """Goes through the steps and counts each when the next is asked for.

        Raises:
            ConfigError: there is nothing to go through.
        """
        if self.steps is None:
            raise ConfigError("this progress has no steps to go through", hint="call update(), or give it the steps.")
        with self:
            for step in self.steps:
                yield step
                self.update()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def update(self, steps: int = 1) -> None:
        """Counts steps that are done."""
        self.done += steps
        now = self._clock()
        if self._bar is not None:
            self._bar.show(now, self.done)
        elif self._shown and now - self._lined >= _LINE_SECONDS:
            self._lined = now
            print(self.line(now), file=sys.stderr, flush=True)
        pause = _REPORT_SECONDS if now - self._begun < 60 else _LATER_SECONDS
        if self._report is not None and now - self._told >= pause:
            self._told = now
            self._report({"step": self._counted(), "rate": self._rate(now), "remaining": _text(self.remaining(now))})

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.stop(self.done)
            self._bar = None

    def remaining(self, now: float | None = None) -> float | None:
        """Seconds that are left if it goes on as it went; None while that is not known."""
        rate = self._rate(self._clock() if now is None else now)
        return None if self.total is None or not rate else max(self.total - self.done, 0) / rate

    def line(self, now: float) -> str:
        """``training: 120 of 1,000, 24 a second, 37 s left``."""
        left = _text(self.remaining(now))
        return f"{self.name}: {self._counted()}, {self._rate(now):.3g} a second" + (f", {left} left" if left else "")

    def _counted(self) -> str:
        return f"{self.done:,}" + (f" of {self.total:,}" if self.total is not None else "")

    def _rate(self, now: float) -> float:
        seconds = now - self._begun
        return (self.done - self._first) / seconds if seconds > 0 else 0.0


def _text(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


class _Bar:
    """A bar of rich on the terminal behind standard error."""

    def __init__(self, name: str, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
        )
        self._bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(name, total=total, rate="")
        self._shown = 0.0
        self._bar.start()

    def show(self, now: float, done: int) -> None:
        if now - self._shown >= _BAR_SECONDS:
            self._shown = now
            speed = self._bar.tasks[0].speed
            self._bar.update(self._task, completed=done, rate=f"{speed:.3g}/s" if speed else "")

    def stop(self, done: int) -> None:
        self._bar.update(self._task, completed=done)
        self._bar.stop()

"""Ctrl-C and SIGTERM while a run is under way: the first asks the run to end, the second ends the process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Interrupt"]

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class Interrupt:
    """Calls `ask` at the first signal while the block runs; in another thread than the main one it does nothing.

    SIGHUP stays ignored where whoever started the process said so: ``nohup`` means that a run goes on when the terminal
    is closed.

    Args:
        ask: asks the run to end.
        working: whether the main thread itself carries out a node, which then is interrupted at once.

    Attributes:
        received: whether a signal came.
    """

    def __init__(self, ask: Callable[[], None], working: Callable[[], bool]) -> None:
        self._ask, self._working = ask, working
        self._before: dict[int, Any] = {}
        self.received = False

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for name in _SIGNALS:
                number = getattr(signal, name, None)
                if number is not None and not (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):
                    self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, before in self._before.items():
            signal.signal(number, before if before is not None else signal.SIG_DFL)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.received:
            raise KeyboardInterrupt("interrupted twice")
        self.received = True
        self._ask()
        if self._working():
            raise KeyboardInterrupt("interrupted")

"""Runs again and again: ``trueline run --every 1h`` and ``trueline run --cron "0 3 * * *"``.

One run at a time: what became due while a run was under way is passed over, and said. A run that fails, or a pipeline
file that is being edited, does not end the schedule unless that is asked for; Ctrl-C does.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import click

from trueline._core.errors import ConfigError
from trueline.cli.cron import parse_cron
from trueline.cli.failures import OK, exit_code_of, print_failure, print_json

__all__ = ["Every", "Times", "keep_running", "times_of"]

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_INTERVAL = re.compile(r"(\d+)\s*(s|min|h|d|w)", re.ASCII)
_NAP = 30.0
"""Seconds after which the clock is looked at again: it may be set, and a machine may sleep."""


class Times(Protocol):
    """When something is due."""

    def after(self, stamp: float) -> float:
        """The first time after another, both in seconds since 1970."""


class Every:
    """From a first time on, again after each interval, whatever the runs take.

    Args:
        seconds: the interval.
        begin: the first time, in seconds since 1970.
    """

    def __init__(self, seconds: float, begin: float) -> None:
        self.seconds, self.begin = seconds, begin

    def after(self, stamp: float) -> float:
        """See `Times`."""
        if stamp < self.begin:
            return self.begin
        return self.begin + ((stamp - self.begin) // self.seconds + 1) * self.seconds


def times_of(every: str | None, cron: str | None) -> Times:
    """The times that the command line asks for; with an interval the first is now.

    Raises:
        ConfigError: both are given, or one cannot be read.
    """
    if every is not None and cron is not None:
        raise ConfigError("--every and --cron are two ways to say when", hint="give one of them.")
    if cron is not None:
        return parse_cron(cron)
    found = _INTERVAL.fullmatch((every or "").strip())
    if found is None or int(found[1]) == 0:
        raise ConfigError(f"--every {every}: no time to wait", hint="write 90s, 15min, 1h, 2d or 1w.")
    return Every(int(found[1]) * _SECONDS[found[2]], time.time())


def keep_running(
    once: Callable[[], int],
    times: Times,
    *,
    stop_on_failure: bool = False,
    quiet: bool = False,
    now: Callable[[], float] = time.time,
    wait: Callable[[float], None] = time.sleep,
) -> int:
    """Carries something out at each of its times until it is interrupted.

    Args:
        once: what to do; gives an exit code.
        times: when.
        stop_on_failure: whether another exit code than 0 ends it, which is then given back.
        quiet: a program reads along: say nothing of the next time, and errors as a line of JSON too.
        now, wait: the clock, in seconds since 1970, and how to wait for some seconds.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    due = times.after(now() - 1) if isinstance(times, Every) else times.after(now())
    while True:
        _sleep_until(due, quiet, now, wait)
        code = _guarded(once, quiet)
        if code != OK and stop_on_failure:
            return code
        missed, begun, due = 0, due, times.after(due)
        while due <= now():
            missed, due = missed + 1, times.after(due)
        if missed:
            click.echo(
                f"({missed} time{'s' if missed > 1 else ''} passed over: the run of {_clock(begun)} took longer)",
                err=True,
            )


def _sleep_until(due: float, quiet: bool, now: Callable[[], float], wait: Callable[[float], None]) -> None:
    if due > now() and not quiet:
        click.echo(f"Next run: {_clock(due)} (Ctrl-C ends)", err=True)
    while (left := due - now()) > 0:
        wait(min(left, _NAP))


def _guarded(once: Callable[[], int], quiet: bool) -> int:
    try:
        return once()
    except Exception as error:
        code = exit_code_of(error)
        if quiet:
            print_json(error, code)
        print_failure(error, debug=False)
        return code


def _clock(stamp: float) -> str:
    return datetime.fromtimestamp(stamp).strftime("%Y-%m-%d %H:%M:%S")

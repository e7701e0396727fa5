"""One trial: `run_fn` is run, its log is watched, and what came of it is said in JSON."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trueline._core.extras import missing_extra_hint
from trueline.models.contract import Fitted
from trueline.training.fn_args import FnArgs
from trueline.training.run import run_training
from trueline.training.tuning.settings import SearchSettings

__all__ = ["Report", "TrialEnd", "run_trial", "taken"]

_PACKAGE = str(Path(__file__).resolve().parents[2])
Report = Callable[[float, int | None], bool]
"""Told each value of the objective with its step; says whether the trial should stop."""


class _Stopped(BaseException):
    """Ends a pruned trial. No `Exception`: a user's ``except Exception`` must not keep a pruned training alive."""


@dataclass(frozen=True)
class TrialEnd:
    """How a trial ended.

    Attributes:
        state: ``COMPLETE``, ``PRUNED`` or ``FAILED``.
        value: the objective where it was measured by the caller's own function; else None.
        logged: the last value of each metric.
        error: why it failed.
        unlogged: whether it failed for the objective was never logged.
    """

    state: str
    value: float | None = None
    logged: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    unlogged: bool = False

    def to_json(self) -> dict[str, Any]:
        """A JSON object; numbers that JSON lacks are text."""
        data = asdict(self)
        data["logged"] = {k: v if math.isfinite(v) else repr(v) for k, v in self.logged.items()}
        data["value"] = self.value if self.value is None or math.isfinite(self.value) else repr(self.value)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TrialEnd:
        """The end that `to_json` described."""
        value = data["value"]
        return cls(
            str(data["state"]),
            None if value is None else float(value),
            {str(k): float(v) for k, v in data["logged"].items()},
            data["error"],
            bool(data["unlogged"]),
        )


def run_trial(
    run_fn: Callable[[FnArgs], Any],
    fn_args: FnArgs,
    objective: str,
    report: Report,
    measure: Callable[[Fitted, FnArgs], float] | None = None,
) -> TrialEnd:
    """Trains once; never raises for what the user's code raises.

    Args:
        run_fn: the Trainer's.
        fn_args: what it is given.
        objective: the metric whose values are reported.
        report: told of them; where it says True, the training is stopped at once.
        measure: measures the objective on the returned model; what is logged under its name is then reported to the
            pruner alone.
    """
    watch = _Watch(objective, report)
    fn_args.tracker.sinks.append(watch)
    value = None
    try:
        fitted = run_training(run_fn, fn_args)
        if measure is not None and not watch.stopped:
            value = float(measure(fitted, fn_args))
    except _Stopped:
        pass
    except (Exception, SystemExit) as error:
        if not watch.stopped:
            return TrialEnd("FAILED", logged=watch.logged, error=_describe(error))
    if watch.stopped:
        return TrialEnd("PRUNED", logged=watch.logged)
    if measure is None and objective not in watch.logged:
        return TrialEnd("FAILED", logged=watch.logged, error=_not_logged(objective, watch.logged), unlogged=True)
    return TrialEnd("COMPLETE", value, watch.logged)


class _Watch:
    """Listens to a training's log, and stops the training where its caller says so."""

    def __init__(self, objective: str, report: Report) -> None:
        self.logged: dict[str, float] = {}
        self.stopped = False
        self._objective, self._report = objective, report

    def add(self, metric: str, value: float, step: int) -> None:
        """One value."""
        if self.stopped:  # the user's code caught what stopped it
            raise _Stopped
        self.logged[metric] = value
        if metric == self._objective and self._report(value, step):
            self.stopped = True
            raise _Stopped

    def close(self, failed: bool = False) -> None:
        """Nothing is held."""


def _not_logged(objective: str, logged: Mapping[str, float]) -> str:
    listed = f"logged were: {', '.join(sorted(logged))}" if logged else "nothing was logged"
    return f"the objective {objective!r} was never logged; {listed}"


def _describe(error: BaseException) -> str:
    """The message, the line of the user's code nearest to the error, notes and the extra that is missing."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith((_PACKAGE, "<")) and "site-packages" not in f.filename]
    where = f" ({own[-1].filename}:{own[-1].lineno})" if own else ""
    hint = missing_extra_hint(error)
    notes = [*getattr(error, "__notes__", ()), *([f"Hint: {hint}"] if hint else [])]
    return "\n".join([f"{type(error).__name__}: {error}{where}", *notes])


def taken(values: list[float], settings: SearchSettings) -> float | None:
    """The objective out of what was reported, in the order in which it came."""
    if not values:
        return None
    if settings.take == "last":
        return values[-1]
    finite = [v for v in values if not math.isnan(v)]
    if not finite:
        return values[-1]
    return max(finite) if settings.direction == "maximize" else min(finite)

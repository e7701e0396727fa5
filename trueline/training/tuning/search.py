"""The search: trials are drawn in batches, run, judged, kept; what is kept already is not run again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Protocol

from trueline._core.errors import ConfigError, ModelError, did_you_mean
from trueline.training.tuning.grid import grid_points, grid_problems
from trueline.training.tuning.pruning import Judge
from trueline.training.tuning.records import Journal, TrialRecord, best_of
from trueline.training.tuning.settings import SearchSettings
from trueline.training.tuning.space import Space, draw_from
from trueline.training.tuning.study import drawn_trials, require_optuna
from trueline.training.tuning.suggest import Suggest
from trueline.training.tuning.trial import Report, TrialEnd, taken

__all__ = ["DEFAULT_TRIALS", "Search", "TrialRunner"]

DEFAULT_TRIALS = 20
_NAMED_ERRORS = 3
_POLL_SECONDS = 0.2


class TrialRunner(Protocol):
    """Runs trials: in this process, or each in one of its own.

    Attributes:
        in_process: run one after the other, in the thread that searches.
    """

    in_process: bool

    def run(self, number: int, hyperparameters: Mapping[str, Any], report: Report) -> TrialEnd:
        """Runs one trial to its end; called from several threads when trials are parallel."""
        ...

    def stop(self) -> None:
        """Ends all that runs, at once where that can be."""
        ...


class _TimeUp(BaseException):
    """The search's time is over. No `Exception`: it passes through a user's code that logs."""


@dataclass
class Search:
    """One search.

    Args:
        space: a checked `Space`, or a function of a trial.
        settings: checked ones.
        runner: runs trials.
        journal: keeps them.
        fixed: hyperparameters that every trial gets beside its own.
        on_trial: told each trial that has ended, those of an earlier attempt first.
    """

    space: Space | Callable[[Suggest], Any]
    settings: SearchSettings
    runner: TrialRunner
    journal: Journal
    fixed: Mapping[str, Any] = field(default_factory=dict)
    on_trial: Callable[[TrialRecord], None] | None = None

    def run(self) -> list[TrialRecord]:
        """All trials in order of their numbers.

        Raises:
            ConfigError: Optuna is missing, the space is no grid, or the objective is never logged.
            ModelError: no trial came to its end.
        """
        require_optuna()
        points = self._points()
        total = len(points) if points is not None else self.settings.trials or DEFAULT_TRIALS
        began = time.monotonic()
        done = {record.number: record for record in self.journal.read() if record.number < total}
        for number in sorted(done):
            self._tell(done[number])
        try:
            for first in range(0, total, self.settings.parallel):
                numbers = range(first, min(first + self.settings.parallel, total))
                self._batch(numbers, done, points, began)
        except _TimeUp:
            pass
        finally:
            self.runner.stop()
        records = [done[number] for number in sorted(done)]
        if best_of(records, self.settings.direction) is None:
            raise _nothing(records)
        return records

    def _points(self) -> list[dict[str, Any]] | None:
        if self.settings.sampler != "grid":
            return None
        problems = grid_problems(self.space)
        if problems or not isinstance(self.space, Space):
            raise ConfigError("the search space cannot be walked as a grid", problems=problems)
        return grid_points(self.space, self.settings)

    def _batch(
        self, numbers: range, done: dict[int, TrialRecord], points: list[dict[str, Any]] | None, began: float
    ) -> None:
        """Runs what is left of one batch; all that decides is drawn from the batches before it."""
        if all(number in done for number in numbers):
            return
        self._in_time(began)
        before = [done[number] for number in range(numbers.start)]
        drawn = self._drawn(before, numbers, points)
        waiting = [pair for number, pair in zip(numbers, drawn, strict=True) if number not in done]
        if self.runner.in_process:
            for trial, hyperparameters in waiting:
                self._keep(self._one(trial, hyperparameters, before, began), done)
            return
        with ThreadPoolExecutor(len(waiting), thread_name_prefix="trial") as pool:
            running = {pool.submit(self._one, *pair, before, began) for pair in waiting}
            try:
                self._gather(running, done, began)
            except BaseException:
                self.runner.stop()
                raise

    def _gather(
        self, running: set[Future[tuple[TrialRecord, bool]]], done: dict[int, TrialRecord], began: float
    ) -> None:
        while running:
            ended, running = wait(running, _POLL_SECONDS, FIRST_COMPLETED)
            for future in ended:
                self._keep(future.result(), done)
            if running:
                self._in_time(began)

    def _keep(self, ended: tuple[TrialRecord, bool], done: dict[int, TrialRecord]) -> None:
        record, unlogged = ended
        if unlogged:
            raise self._unlogged(record)
        self.journal.write(record)
        done[record.number] = record
        self._tell(record)

    def _in_time(self, began: float) -> None:
        if self.settings.timeout is not None and time.monotonic() - began > self.settings.timeout:
            raise _TimeUp

    def _drawn(
        self, before: Sequence[TrialRecord], numbers: range, points: list[dict[str, Any]] | None
    ) -> list[tuple[Suggest, dict[str, Any]]]:
        if points is None:
            return drawn_trials(before, numbers, self.settings, lambda t: draw_from(self.space, t, self.fixed))
        found = []
        for number in numbers:
            trial = Suggest(number, lambda name, _, point=points[number]: point[name])  # type: ignore[misc]
            found.append((trial, draw_from(self.space, trial, self.fixed)))
        return found

    def _one(
        self, trial: Suggest, hyperparameters: dict[str, Any], before: Sequence[TrialRecord], began: float
    ) -> tuple[TrialRecord, bool]:
        """Runs one trial; the flag says that the objective was never logged."""
        start = time.monotonic()
        judge = Judge(trial.number, before, self.settings)

        def report(value: float, step: int | None) -> bool:
            self._in_time(began)
            return judge.report(value, step)

        end = self.runner.run(trial.number, {**self.fixed, **hyperparameters}, report)
        return self._record(trial, hyperparameters, judge, end, time.monotonic() - start), end.unlogged

    def _record(
        self, trial: Suggest, hyperparameters: dict[str, Any], judge: Judge, end: TrialEnd, seconds: float
    ) -> TrialRecord:
        value = end.value if end.value is not None else taken([v for _, v in judge.in_time], self.settings)
        state, error = end.state, end.error
        if state == "COMPLETE" and (value is None or not math.isfinite(value)):
            state, error = "FAILED", f"the objective {self.settings.objective!r} is {value}"
        if state == "PRUNED":
            error = f"stopped at step {judge.in_time[-1][0]}"
        return TrialRecord(
            number=trial.number,
            state=state,  # type: ignore[arg-type]
            hyperparameters=hyperparameters,
            params=trial.params,
            ranges=trial.ranges,
            value=value,
            reported=judge.reported,
            logged=end.logged,
            seconds=round(seconds, 3),
            error=error,
            marks=judge.marks,
        )

    def _tell(self, record: TrialRecord) -> None:
        if self.on_trial is not None:
            self.on_trial(record)

    def _unlogged(self, record: TrialRecord) -> ConfigError:
        name = self.settings.objective
        hint = did_you_mean(name, record.logged) if record.logged else f"call fn_args.log({name!r}, value) in run_fn."
        return ConfigError(f"trial {record.number}: {record.error}", hint=hint)


def _nothing(records: Sequence[TrialRecord]) -> ModelError:
    """Why there is no best trial, with the first errors."""
    if not records:
        return ModelError("the search's time was over before a trial ended", hint="give a longer timeout.")
    errors = dict.fromkeys(f"trial {r.number} {r.state.lower()}: {r.error}" for r in records)
    counts = ", ".join(f"{sum(r.state == s for r in records)} {s.lower()}" for s in ("FAILED", "PRUNED"))
    return ModelError(
        f"none of {len(records)} trials came to its end ({counts})", problems=list(errors)[:_NAMED_ERRORS]
    )

"""A Tuner's work: the search is run or taken up again, and what it found is written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import ConfigError, ModelError
from trueline.components.trainer_job import HYPERPARAMETERS_FILE, given_hyperparameters
from trueline.pipeline.context import ExecutionContext
from trueline.pipeline.params import encode_params
from trueline.pipeline.user_function import UserFunction

if TYPE_CHECKING:
    from trueline.metadata.trial_journal import TrialJournal
    from trueline.training.tuning import SearchSettings, TrialRecord, TuneResult

__all__ = ["RESULTS_FILE", "RESULTS_PAGE", "execute"]

RESULTS_FILE = "tuner_results.json"
RESULTS_PAGE = "tuner_results.html"
_ENTRY = "trueline.components.tuner_trial:run"


def execute(ctx: ExecutionContext) -> None:
    """Searches, writes the best hyperparameters and every trial."""
    from trueline.training.tuning.result import TuneResult
    from trueline.training.tuning.settings import SearchSettings

    settings = SearchSettings(**ctx.params["search"]).check()
    fixed = given_hyperparameters(ctx)
    kept = _journal(ctx)
    try:
        records = _searched(ctx, settings, fixed, kept)
        result = TuneResult(tuple(records), settings, fixed)
        _write(ctx, result)
        if kept is not None:
            kept.finish()
    finally:
        if kept is not None:
            kept.close()


def _journal(ctx: ExecutionContext) -> TrialJournal | None:
    """Where the trials of this very work are kept; None where there is no run's database."""
    from trueline.metadata.trial_journal import TrialJournal

    if not ctx.store_url or not ctx.resume_dir:
        return None
    return TrialJournal(ctx.store_url, f"{ctx.node_id[:150]}/{Path(ctx.resume_dir).name}")


def _searched(
    ctx: ExecutionContext, settings: SearchSettings, fixed: Mapping[str, Any], kept: TrialJournal | None
) -> list[TrialRecord]:
    from trueline.training.tuning.processes import ProcessRunner
    from trueline.training.tuning.records import MemoryJournal
    from trueline.training.tuning.search import Search

    space = _space(ctx, fixed)
    runner = ProcessRunner(
        _ENTRY, _Jobs(ctx, settings), Path(ctx.tmp_dir) / "trials", settings.parallel, settings.trial_timeout
    )
    told = _Told(ctx, settings)
    journal = MemoryJournal() if kept is None else _StoreJournal(kept)
    before = journal.read()
    if before:
        ctx.log.info("%s trials of an earlier attempt are kept and not run again", len(before))
        ctx.report(trials_kept=len(before))
    try:
        return Search(space, settings, runner, journal, fixed, told).run()
    except ModelError:
        if kept is not None:
            kept.finish()  # nothing is worth going on from: the next attempt begins anew
        raise


def _space(ctx: ExecutionContext, fixed: Mapping[str, Any]) -> Any:
    from trueline.training.tuning.space import Space, checked_space

    told = ctx.params["space"]
    found = told.load() if isinstance(told, UserFunction) else Space.from_json(told)
    return checked_space(found, fixed)


class _Jobs:
    """Makes the job of each trial: the node's inputs and parameters, with the trial's hyperparameters.

    Code that changes while the search runs would mix two programs under one key: that ends the search.
    """

    def __init__(self, ctx: ExecutionContext, settings: SearchSettings) -> None:
        self._code: UserFunction = ctx.params["run_fn"]
        self._began = self._code.fingerprint()
        self._ctx = ctx
        left_out = ("search", "space", "hyperparameters")
        params = {name: value for name, value in ctx.params.items() if name not in left_out}
        inputs = {name: found for name, found in ctx.inputs.items() if name != "hyperparameters"}
        self._job = {
            "node_id": ctx.node_id,
            "objective": settings.objective,
            "params": encode_params(params),
            "inputs": {name: [handle.to_json() for handle in handles] for name, handles in inputs.items()},
        }

    def __call__(self, number: int, hyperparameters: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        """The job of one trial."""
        if self._code.fingerprint() != self._began:
            raise ConfigError(
                f"the code of {self._code} changed while the search ran",
                hint="run again: the search begins anew with the code as it is now.",
            )
        kept = str(_kept(self._ctx, number))
        own = {"hyperparameters": dict(hyperparameters), "folder": str(folder), "resume_dir": kept}
        return {**self._job, **own}


def _kept(ctx: ExecutionContext, number: int) -> Path:
    """Where a trial's checkpoints are: one that was struck with the search goes on from them."""
    return Path(ctx.resume_dir or ctx.tmp_dir, "kept-trials", f"{number:05d}")


class _Told:
    """Tells the log and the progress table of each trial that has ended."""

    def __init__(self, ctx: ExecutionContext, settings: SearchSettings) -> None:
        self._ctx, self._settings = ctx, settings
        self._trials: list[TrialRecord] = []

    def __call__(self, record: TrialRecord) -> None:
        """One trial; what it kept for going on is not needed any more."""
        from trueline.training.tuning.records import best_of

        self._trials.append(record)
        shutil.rmtree(_kept(self._ctx, record.number), ignore_errors=True)
        shutil.rmtree(Path(self._ctx.tmp_dir, "trials", f"trial-{record.number:05d}"), ignore_errors=True)
        self._ctx.log.info(
            "trial %s %s: %s = %s with %s%s", record.number, record.state.lower(), self._settings.objective,
            record.value, dict(record.hyperparameters), f" ({record.error})" if record.error else "",
        )  # fmt: skip
        states = [trial.state for trial in self._trials]
        best = best_of(self._trials, self._settings.direction)
        found: dict[str, Any] = {} if best is None else {"best": best.value, "best_trial": best.number}
        self._ctx.report(
            trials=len(states), pruned=states.count("PRUNED"), failed=states.count("FAILED"),
            objective=self._settings.objective, **found,
        )  # fmt: skip


class _StoreJournal:
    """The run's database as a journal of trials."""

    def __init__(self, kept: TrialJournal) -> None:
        self._kept = kept

    def read(self) -> list[TrialRecord]:
        """All that is kept."""
        from trueline.training.tuning.records import TrialRecord

        return [TrialRecord.from_json(json.loads(text)) for text in self._kept.read()]

    def write(self, record: TrialRecord) -> None:
        """Keeps a trial."""
        self._kept.write(record.number, record.to_text())


def _write(ctx: ExecutionContext, result: TuneResult) -> None:
    best, results = ctx.output("best_hyperparameters"), ctx.output("tuner_results")
    text = json.dumps(result.best_hyperparameters, indent=1, sort_keys=True, allow_nan=False)
    store.write_text(best.path(HYPERPARAMETERS_FILE), text + "\n")
    told = json.dumps(result.to_json(), indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    store.write_text(results.path(RESULTS_FILE), told + "\n")
    result.to_html(results.path(RESULTS_PAGE))
    best.properties.update(objective=result.settings.objective, value=result.best.value, trial=result.best.number)
    ctx.report(hyperparameters=dict(result.best.hyperparameters))

"""`tune`: a search without a pipeline, in a notebook or a script."""

from __future__ import annotations

import inspect
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError
from trueline.engine.base import Dataset
from trueline.training.fn_args import FnArgs
from trueline.training.tuning.folder_journal import FolderJournal
from trueline.training.tuning.processes import ProcessRunner
from trueline.training.tuning.records import Journal, MemoryJournal, TrialRecord
from trueline.training.tuning.result import TuneResult
from trueline.training.tuning.search import Search, TrialRunner
from trueline.training.tuning.settings import SearchSettings
from trueline.training.tuning.space import SpaceLike, checked_space
from trueline.training.tuning.trial import Report, TrialEnd, run_trial

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.models.contract import Fitted
    from trueline.transform import TransformOutput

__all__ = ["tune"]

_ENTRY = "trueline.training.tuning.standalone_trial:run"


def tune(
    run_fn: Callable[[FnArgs], Any],
    space: SpaceLike,
    *,
    train: Dataset | pa.Table,
    eval: Dataset | pa.Table | None = None,
    transform: TransformOutput,
    label: str,
    weight: str | None = None,
    features: Sequence[str] | None = None,
    objective: str,
    measure: Callable[[Fitted, FnArgs], float] | None = None,
    direction: str = "maximize",
    trials: int | None = None,
    parallel: int = 1,
    sampler: str = "tpe",
    pruner: str = "none",
    sampler_options: Mapping[str, Any] | None = None,
    pruner_options: Mapping[str, Any] | None = None,
    take: str = "last",
    seed: int = 0,
    timeout: float | None = None,
    trial_timeout: float | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
    custom_config: Mapping[str, Any] | None = None,
    epochs: int | None = None,
    train_steps: int | None = None,
    eval_steps: int | None = None,
    device: str = "cpu",
    folder: str | None = None,
    on_trial: Callable[[TrialRecord], None] | None = None,
) -> TuneResult:
    """Searches hyperparameters.

    Args:
        run_fn: the function that a Trainer takes; it logs the objective with ``fn_args.log(objective, value, step)``.
        space: a `Space`, a dict of ranges, a function without arguments that returns one, or a function of the trial
            that returns hyperparameters.
        train, eval: transformed rows.
        transform, label, weight, features, custom_config, epochs, train_steps, eval_steps, device: as of
            `FnArgs.create`.
        objective: the metric to be made best.
        measure: gives the objective of a returned model, where `run_fn` does not log it.
        direction, trials, parallel, sampler, pruner, sampler_options, pruner_options, take, timeout, trial_timeout:
            see `SearchSettings`. With ``parallel=1`` the trials run in this process; with more, each in a process of
            its own, for which `run_fn` and `measure` stand at the top level of a file.
        seed: of the search, and of every training.
        hyperparameters: fixed ones.
        folder: a local folder that keeps ended trials: the same search, called again, does not run them again.
        on_trial: told each trial that has ended.

    Raises:
        ConfigError: all problems of space and settings, or an objective that is never logged.
        ModelError: no trial came to its end.
    """
    fixed = dict(hyperparameters or {})
    settings = SearchSettings(
        objective, direction, trials, parallel, sampler, pruner, dict(sampler_options or {}),
        dict(pruner_options or {}), seed, timeout, trial_timeout, take,
    ).check()  # fmt: skip
    checked = checked_space(space, fixed)
    given: dict[str, Any] = {
        "train": _dataset(train),
        "eval": None if eval is None else _dataset(eval),
        "transform": transform,
        "label": label,
        "weight": weight,
        "features": None if features is None else list(features),
        "custom_config": dict(custom_config or {}),
        "seed": seed,
        "epochs": epochs,
        "train_steps": train_steps,
        "eval_steps": eval_steps,
        "device": device,
    }
    FnArgs.create(**given)  # wrong names are told before the first trial
    journal: Journal = MemoryJournal()
    if folder is not None:
        journal = FolderJournal(Path(folder), {"settings": settings.to_json(), "fixed": fixed, "space": _told(checked)})
    with tempfile.TemporaryDirectory(prefix="trueline-tune-") as scratch:
        runner: TrialRunner = _InProcess(run_fn, given, objective, measure, Path(scratch))
        if parallel > 1:
            job = _job(run_fn, given, objective, measure, Path(scratch))
            runner = ProcessRunner(
                _ENTRY, lambda _, chosen, at: {**job, "hyperparameters": dict(chosen), "working_dir": str(at / "run")},
                Path(scratch), parallel, trial_timeout,
            )  # fmt: skip
        records = Search(checked, settings, runner, journal, fixed, on_trial).run()
    return TuneResult(tuple(records), settings, fixed)


def _dataset(data: Any) -> Dataset:
    return data if isinstance(data, Dataset) else Dataset.from_table(data)


def _told(space: Any) -> Any:
    """The space as JSON; of a function its source."""
    return space.to_json() if hasattr(space, "to_json") else inspect.getsource(space)


class _InProcess:
    """Runs trials one after the other, here."""

    in_process = True

    def __init__(self, run_fn: Any, given: Mapping[str, Any], objective: str, measure: Any, folder: Path) -> None:
        self._run_fn, self._given, self._objective = run_fn, given, objective
        self._measure, self._folder = measure, folder

    def run(self, number: int, hyperparameters: Mapping[str, Any], report: Report) -> TrialEnd:
        """Runs one trial."""
        working_dir = str(self._folder / f"trial-{number:05d}")
        fn_args = FnArgs.create(**self._given, hyperparameters=hyperparameters, working_dir=working_dir)
        return run_trial(self._run_fn, fn_args, self._objective, report, self._measure)

    def stop(self) -> None:
        """Nothing runs when this is called."""


def _job(run_fn: Any, given: Mapping[str, Any], objective: str, measure: Any, folder: Path) -> dict[str, Any]:
    """What a trial's process needs, as JSON: data and transform as files, functions by name."""
    functions = {"run_fn": _reference(run_fn), "measure": None if measure is None else _reference(measure)}
    data = {name: _written(given[name], folder / f"{name}.parquet") for name in ("train", "eval")}
    given["transform"].save(str(folder / "transform"))
    rest = {name: value for name, value in given.items() if name not in ("train", "eval", "transform")}
    job = {**functions, **data, "transform": str(folder / "transform"), "objective": objective, "given": rest}
    try:
        json.dumps(job, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"custom_config holds what JSON cannot: {error}") from error
    return job


def _written(dataset: Dataset | None, path: Path) -> str | None:
    """The rows as a Parquet file, each block a row group."""
    import pyarrow.parquet as pq

    if dataset is None:
        return None
    with pq.ParquetWriter(str(path), dataset.arrow_schema) as writer:
        for batch in dataset.batches():
            writer.write_batch(batch, row_group_size=max(batch.num_rows, 1))
    return str(path)


def _reference(function: Any) -> dict[str, str]:
    """Where another process finds a function.

    Raises:
        ConfigError: for a lambda, an inner function or one typed into a notebook.
    """
    name, module = getattr(function, "__qualname__", ""), getattr(function, "__module__", "")
    file = getattr(sys.modules.get(module), "__file__", None)
    if not name.isidentifier() or file is None:
        raise ConfigError(
            f"{function!r} cannot be found by the processes of parallel trials",
            hint="write it to the top level of a file and import it, or search with parallel=1.",
        )
    return {"name": name, "module": module, "file": str(Path(file).resolve())}

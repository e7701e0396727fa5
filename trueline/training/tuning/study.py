"""Optuna as it is used here: studies in memory, made anew from the ended trials, so that nothing but these decides.

Each trial is drawn by a sampler seeded by the search's seed and the trial's number, on a study of the ended trials of
earlier batches and the trials already drawn in this one. So the same search draws the same trials whatever each of
them took, and a search that goes on after a kill draws what it would have drawn.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from trueline._core.errors import ConfigError
from trueline._core.extras import missing_extra_hint
from trueline.training.tuning.ranges import Categorical, Float, Int, Range, last_value
from trueline.training.tuning.records import TrialRecord
from trueline.training.tuning.settings import SearchSettings
from trueline.training.tuning.suggest import Suggest

__all__ = ["drawn_trials", "quiet_optuna", "require_optuna", "study_of", "trial_seed"]

STUDY_NAME = "search"
"""Hyperband deals trials to brackets by the study's name and the trial's number: the name is always the same."""


def require_optuna() -> Any:
    """The module.

    Raises:
        ConfigError: when it is not installed, with the command that mends it.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ConfigError(f"a search needs Optuna: {error}", hint=missing_extra_hint(error)) from error
    return optuna


@contextlib.contextmanager
def quiet_optuna() -> Iterator[None]:
    """Its log says warnings and worse; what we ask of it that it calls experimental is our own affair."""
    optuna = require_optuna()
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def trial_seed(seed: int, number: int) -> int:
    """A seed of 32 bits for one trial."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{number}".encode()).digest()[:4], "big")


def study_of(records: Sequence[TrialRecord], settings: SearchSettings, pruner: Any = None) -> Any:
    """A study in memory that holds these trials, in the order of their numbers."""
    optuna = require_optuna()
    study = optuna.create_study(
        storage=optuna.storages.InMemoryStorage(),
        study_name=STUDY_NAME,
        direction=settings.direction,
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=pruner if pruner is not None else optuna.pruners.NopPruner(),
    )
    for record in records:
        study.add_trial(_frozen(optuna, record))
    return study


def _frozen(optuna: Any, record: TrialRecord) -> Any:
    """The trial as Optuna keeps it."""
    state = {"COMPLETE": "COMPLETE", "PRUNED": "PRUNED", "FAILED": "FAIL"}[record.state]
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState[state],
        value=record.value if record.state != "FAILED" else None,
        params={name: _outer(value, record.ranges[name]) for name, value in record.params.items()},
        distributions={name: distribution(range_) for name, range_ in record.ranges.items()},
        intermediate_values=dict(record.reported),
        system_attrs=dict(record.marks),
    )


def distribution(range_: Range) -> Any:
    """A range as Optuna has it; choices are told apart by their JSON text."""
    optuna = require_optuna()
    if isinstance(range_, Float):
        return optuna.distributions.FloatDistribution(range_.low, last_value(range_), log=range_.log, step=range_.step)
    if isinstance(range_, Int):
        return optuna.distributions.IntDistribution(range_.low, last_value(range_), log=range_.log, step=range_.step)
    return optuna.distributions.CategoricalDistribution(tuple(_text(choice) for choice in range_.choices))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _outer(value: Any, range_: Range) -> Any:
    return _text(value) if isinstance(range_, Categorical) else value


def _suggested(asked: Any, name: str, range_: Range) -> Any:
    if isinstance(range_, Float):
        return asked.suggest_float(name, range_.low, last_value(range_), log=range_.log, step=range_.step)
    if isinstance(range_, Int):
        return asked.suggest_int(name, range_.low, last_value(range_), log=range_.log, step=range_.step)
    return json.loads(asked.suggest_categorical(name, tuple(_text(choice) for choice in range_.choices)))


def drawn_trials(
    records: Sequence[TrialRecord],
    numbers: Sequence[int],
    settings: SearchSettings,
    draw: Callable[[Suggest], dict[str, Any]],
) -> list[tuple[Suggest, dict[str, Any]]]:
    """The trials of one batch: what each drew, and its hyperparameters.

    Args:
        records: the ended trials of all earlier batches.
        numbers: of the batch's trials.
        settings: the search's.
        draw: draws hyperparameters from a trial.
    """
    optuna = require_optuna()
    found = []
    with quiet_optuna():
        study = study_of(records, settings)
        for number in numbers:
            study.sampler = _sampler(optuna, settings, number)
            asked = study.ask()

            def one(name: str, range_: Range, asked: Any = asked) -> Any:
                return _suggested(asked, name, range_)

            trial = Suggest(number, one)
            found.append((trial, draw(trial)))
    return found


def _sampler(optuna: Any, settings: SearchSettings, number: int) -> Any:
    seed = trial_seed(settings.seed, number)
    if settings.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, constant_liar=True, **settings.sampler_options)

"""Whether a running trial should stop: judged by its own values and by the ended trials of earlier batches alone.

Trials that run at the same time do not judge each other: which of them reported first is chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueline.training.tuning.records import TrialRecord
from trueline.training.tuning.settings import SearchSettings
from trueline.training.tuning.study import quiet_optuna, require_optuna, study_of

__all__ = ["Judge"]


class Judge:
    """Judges one trial.

    Args:
        number: the trial's.
        records: the ended trials of earlier batches.
        settings: the search's.
    """

    def __init__(self, number: int, records: Sequence[TrialRecord], settings: SearchSettings) -> None:
        self._number = number
        self._records = records
        self._settings = settings
        self._values: dict[int, float] = {}
        self._trial: Any = None

    @property
    def reported(self) -> tuple[tuple[int, float], ...]:
        """(step, value) in order of steps."""
        return tuple(sorted(self._values.items()))

    @property
    def in_time(self) -> list[tuple[int, float]]:
        """(step, value) in the order in which they came, one a step."""
        return list(self._values.items())

    @property
    def marks(self) -> dict[str, Any]:
        """What the pruner wrote down of the trial."""
        if self._trial is None:
            return {}
        return dict(self._trial.study.trials[-1].system_attrs)

    def report(self, value: float, step: int | None = None) -> bool:
        """Takes in a value, and says whether the trial should stop here.

        Args:
            value: the objective.
            step: of at least 0; the number of values before it where there is none. A step's first value counts.
        """
        step = len(self._values) if step is None or step < 0 else step
        if step in self._values:
            return False
        self._values[step] = value
        if self._settings.pruner == "none":
            return False
        with quiet_optuna():
            if self._trial is None:
                self._trial = self._running()
            self._trial.report(value, step)
            return bool(self._trial.should_prune())

    def _running(self) -> Any:
        """The trial as a running one of a study in memory; those drawn with it stand there as failed ones."""
        optuna = require_optuna()
        study = study_of(self._records, self._settings, _pruner(optuna, self._settings))
        for _ in range(self._number - len(self._records)):
            study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL))
        study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING))
        return optuna.trial.Trial(study, study.trials[-1]._trial_id)


def _pruner(optuna: Any, settings: SearchSettings) -> Any:
    options = dict(settings.pruner_options)
    if settings.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(**options)
    return optuna.pruners.MedianPruner(**options)

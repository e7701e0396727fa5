"""How much each parameter mattered: PED-ANOVA (Watanabe et al. 2023) over the complete trials.

It compares where the best trials lie with where all lie, by the Pearson divergence of two Parzen estimates; nothing is
drawn at random, so the same trials give the same figures.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from trueline.training.tuning.records import TrialRecord
from trueline.training.tuning.settings import SearchSettings
from trueline.training.tuning.study import quiet_optuna, require_optuna, study_of

__all__ = ["parameter_importance"]

_LEAST_TRIALS = 4
_BEST_TRIALS = 5
"""So many trials count as the best where there are enough: fewer say little."""


def parameter_importance(trials: Sequence[TrialRecord], settings: SearchSettings) -> dict[str, float]:
    """Shares of 1 by parameter, greatest first; of parameters that every complete trial has.

    Empty with fewer than four complete trials, or where all have the same value: nothing can be told then.
    """
    done = [t for t in trials if t.state == "COMPLETE"]
    if len(done) < _LEAST_TRIALS or len({t.value for t in done}) < 2:
        return {}
    common = [name for name in done[0].params if all(name in t.params for t in done)]
    varied = [name for name in common if len({repr(t.params[name]) for t in done}) > 1]
    still = {name: 0.0 for name in common if name not in varied}
    if len(varied) < 2:
        return dict.fromkeys(varied, 1.0) | still
    optuna = require_optuna()
    quantile = min(0.5, max(0.1, _BEST_TRIALS / len(done)))
    with quiet_optuna(), warnings.catch_warnings():
        # That many equal values leave nothing to compare is seen by the figures, which are equal then.
        warnings.simplefilter("ignore", category=UserWarning)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=quantile)
        study = study_of(done, settings)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, params=varied, normalize=True)
    ordered = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    return {name: float(share) for name, share in ordered} | still

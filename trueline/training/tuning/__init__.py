"""Search of hyperparameters: a typed space, samplers and pruners of Optuna, trials in processes, the result as a page.

Imports what `trueline.training` may; Optuna is loaded when a search begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.training.tuning.ranges import Categorical, Float, Int, ListOf
    from trueline.training.tuning.records import TrialRecord
    from trueline.training.tuning.result import TuneResult
    from trueline.training.tuning.settings import SearchSettings
    from trueline.training.tuning.space import Space
    from trueline.training.tuning.standalone import tune
    from trueline.training.tuning.suggest import Suggest

_HOMES = {
    "Categorical": "ranges",
    "Float": "ranges",
    "Int": "ranges",
    "ListOf": "ranges",
    "SearchSettings": "settings",
    "Space": "space",
    "Suggest": "suggest",
    "TrialRecord": "records",
    "TuneResult": "result",
    "tune": "standalone",
}

__all__ = [
    "Categorical",
    "Float",
    "Int",
    "ListOf",
    "SearchSettings",
    "Space",
    "Suggest",
    "TrialRecord",
    "TuneResult",
    "tune",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)

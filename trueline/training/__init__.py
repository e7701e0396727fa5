"""Training: what a user's `run_fn` is given (data in order, parameters, a log), and the check of what it returns.

Imports `trueline.models` and what lies below it; pyarrow and frameworks are loaded only on use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.models.contract import Fitted
    from trueline.training.batching import Batches, batches
    from trueline.training.checkpoints import Checkpoint, Checkpoints
    from trueline.training.device import resolve_device
    from trueline.training.distributed import group
    from trueline.training.early_stopping import EarlyStopping
    from trueline.training.fn_args import FnArgs
    from trueline.training.forms import RawRows
    from trueline.training.run import run_training
    from trueline.training.split_data import SplitArrays, SplitData
    from trueline.training.tracking import MetricLog, read_metrics
    from trueline.training.tuning.ranges import Categorical, Float, Int, ListOf
    from trueline.training.tuning.result import TuneResult
    from trueline.training.tuning.space import Space
    from trueline.training.tuning.standalone import tune
    from trueline.training.tuning.suggest import Suggest

_HOMES = {
    "Batches": "trueline.training.batching",
    "Categorical": "trueline.training.tuning.ranges",
    "Checkpoint": "trueline.training.checkpoints",
    "Checkpoints": "trueline.training.checkpoints",
    "EarlyStopping": "trueline.training.early_stopping",
    "Fitted": "trueline.models.contract",
    "Float": "trueline.training.tuning.ranges",
    "FnArgs": "trueline.training.fn_args",
    "Int": "trueline.training.tuning.ranges",
    "ListOf": "trueline.training.tuning.ranges",
    "MetricLog": "trueline.training.tracking",
    "RawRows": "trueline.training.forms",
    "Space": "trueline.training.tuning.space",
    "SplitArrays": "trueline.training.split_data",
    "SplitData": "trueline.training.split_data",
    "Suggest": "trueline.training.tuning.suggest",
    "TuneResult": "trueline.training.tuning.result",
    "batches": "trueline.training.batching",
    "group": "trueline.training.distributed",
    "read_metrics": "trueline.training.tracking",
    "resolve_device": "trueline.training.device",
    "run_training": "trueline.training.run",
    "tune": "trueline.training.tuning.standalone",
}

__all__ = [
    "Batches",
    "Categorical",
    "Checkpoint",
    "Checkpoints",
    "EarlyStopping",
    "Fitted",
    "Float",
    "FnArgs",
    "Int",
    "ListOf",
    "MetricLog",
    "RawRows",
    "Space",
    "SplitArrays",
    "SplitData",
    "Suggest",
    "TuneResult",
    "batches",
    "group",
    "read_metrics",
    "resolve_device",
    "run_training",
    "tune",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)

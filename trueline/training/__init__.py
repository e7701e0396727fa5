"""Training: what a user's `run_fn` is given (data in order, parameters, a log), and the check of what it returns.

Imports `trueline.models` and what lies below it; pyarrow and frameworks are loaded only on use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.models.contract import Fitted
    from trueline.training.batching import Batches, batches
    from trueline.training.fn_args import FnArgs
    from trueline.training.run import run_training
    from trueline.training.split_data import SplitData
    from trueline.training.tracking import MetricLog, read_metrics

_HOMES = {
    "Batches": "trueline.training.batching",
    "Fitted": "trueline.models.contract",
    "FnArgs": "trueline.training.fn_args",
    "MetricLog": "trueline.training.tracking",
    "SplitData": "trueline.training.split_data",
    "batches": "trueline.training.batching",
    "read_metrics": "trueline.training.tracking",
    "run_training": "trueline.training.run",
}

__all__ = ["Batches", "Fitted", "FnArgs", "MetricLog", "SplitData", "batches", "read_metrics", "run_training"]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)

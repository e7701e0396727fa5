"""Training: what a user's `run_fn` is given (data in order, parameters, a log), and the check of what it returns.

Imports `trueline.models` and what lies below it; pyarrow and frameworks are loaded only on use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trueline.models.contract import Fitted
    from trueline.training.fn_args import FnArgs
    from trueline.training.run import run_training
    from trueline.training.split_data import SplitData
    from trueline.training.tracking import MetricLog, read_metrics

_HOMES = {
    "Fitted": "trueline.models.contract",
    "FnArgs": "trueline.training.fn_args",
    "MetricLog": "trueline.training.tracking",
    "SplitData": "trueline.training.split_data",
    "read_metrics": "trueline.training.tracking",
    "run_training": "trueline.training.run",
}

__all__ = ["Fitted", "FnArgs", "MetricLog", "SplitData", "read_metrics", "run_training"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Ready-made trainers: `run_fn`s that need no module file, chosen by ``Trainer.xgboost(...)`` and its kin.

Each file is one trainer: a function ``run_fn(fn_args)``. Options come by ``fn_args.hyperparameters``, the structure
(task, query, categorical features) by ``fn_args.custom_config["ready"]``. Frameworks are imported on use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.training.ready.columns import Column, columns_of
    from trueline.training.ready.options import OPTIONS, Option, option_problems
    from trueline.training.ready.task import ReadyTask, task_of

_HOMES = {
    "OPTIONS": "trueline.training.ready.options",
    "Column": "trueline.training.ready.columns",
    "Option": "trueline.training.ready.options",
    "ReadyTask": "trueline.training.ready.task",
    "columns_of": "trueline.training.ready.columns",
    "option_problems": "trueline.training.ready.options",
    "task_of": "trueline.training.ready.task",
}

__all__ = ["OPTIONS", "Column", "Option", "ReadyTask", "columns_of", "option_problems", "task_of"]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)

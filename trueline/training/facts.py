"""What a model remembers of its training: no times and no paths, so that equal work gives equal files."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from trueline.training.fn_args import FnArgs

__all__ = ["training_facts"]


def training_facts(fn_args: FnArgs) -> dict[str, Any]:
    """The facts under ``training`` in ``model.json``, after the training.

    ``metrics`` has for each metric that was logged its last, least and greatest value and how many there were.
    """
    base = fn_args.base_model
    return {
        "seed": fn_args.seed,
        "hyperparameters": dict(fn_args.hyperparameters),
        "epochs": fn_args.epochs,
        "train_steps": fn_args.train_steps,
        "eval_steps": fn_args.eval_steps,
        "rows": fn_args.train.num_rows,
        "missing_labels": fn_args.train.missing_labels,
        "eval_rows": fn_args.eval.num_rows if fn_args.eval is not None else None,
        "device": fn_args.device,
        "world_size": fn_args.world_size,
        "base_model": None if base is None else {"name": base.name, "framework": base.info["framework"]},
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "metrics": {name: summary.to_json() for name, summary in fn_args.tracker.summary.items()},
    }

"""The spaces that a Tuner of a ready-made trainer searches when none is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["READY_SPACES", "ready_space"]

_RATE = {"low": 0.01, "high": 0.3, "log": True}
_SHARE = {"low": 0.5, "high": 1.0}
_NETWORK = {
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "hidden": {"item": {"low": 16, "high": 256, "log": True}, "least": 1, "most": 3},
    "dropout": {"low": 0.0, "high": 0.5},
}

READY_SPACES: dict[str, dict[str, Any]] = {
    "xgboost": {
        "learning_rate": _RATE,
        "max_depth": {"low": 3, "high": 10},
        "min_child_weight": {"low": 0.5, "high": 20.0, "log": True},
        "subsample": _SHARE,
        "colsample_bytree": _SHARE,
        "reg_lambda": {"low": 0.01, "high": 100.0, "log": True},
    },
    "lightgbm": {
        "learning_rate": _RATE,
        "num_leaves": {"low": 7, "high": 255, "log": True},
        "min_child_samples": {"low": 5, "high": 200, "log": True},
        "colsample_bytree": _SHARE,
        "reg_lambda": {"low": 0.01, "high": 100.0, "log": True},
    },
    "torch_mlp": _NETWORK,
    "keras": _NETWORK,
}
"""By trainer, as `Space.of` takes it; only options that the trainer has."""


def ready_space(ready: Any, fixed: Mapping[str, Any]) -> dict[str, Any] | None:
    """The space of the trainer named by ``custom_config["ready"]``, without what is fixed; None where there is none."""
    if not isinstance(ready, Mapping) or ready.get("trainer") not in READY_SPACES:
        return None
    space = READY_SPACES[str(ready["trainer"])]
    return {name: value for name, value in space.items() if name not in fixed}

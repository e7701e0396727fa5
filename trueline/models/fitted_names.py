"""The columns' names that a model keeps of the frame it was fitted on: their order must be the features'.

A model is asked with a matrix, in the order of the features. One that was fitted on a frame with its columns in
another order would take each column for another one, and the framework's own prediction on that matrix, which the
parity gate asks for, would be wrong in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from trueline._core.errors import ModelError
from trueline.models.inputs import ModelInput

__all__ = ["check_fitted_names", "fitted_names"]

# scikit-learn and its like; CatBoost; xgboost.Booster: where each keeps the names. What statsmodels knows by name its
# exporter finds by name.
_HOMES = ("feature_names_in_", "feature_names_", "feature_names")


def fitted_names(model: Any) -> list[str] | None:
    """The names of the columns that `model` was fitted on, in order; None where it knows none."""
    for home in _HOMES:
        found = getattr(model, home, None)
        if not isinstance(found, str | bytes) and isinstance(found, Iterable):
            return [str(name) for name in found]
    named = getattr(model, "feature_name", None)  # lightgbm.Booster
    found = named() if callable(named) else None
    return [str(name) for name in found] if isinstance(found, list | tuple) else None


def check_fitted_names(model: Any, inputs: Sequence[ModelInput]) -> None:
    """Compares the order of a fitted frame's columns with the order in which the model will be given them.

    Raises:
        ModelError: the same names in another order. Other names say nothing: frameworks make up their own.
    """
    if len(inputs) != 1:
        return
    given, fitted = list(inputs[0].column_names), fitted_names(model)
    if fitted is None or fitted == given or sorted(fitted) != sorted(given):
        return
    raise ModelError(
        f"{type(model).__name__} was fitted on the columns {', '.join(fitted)}, "
        f"and is given them in the order {', '.join(given)}: it would take one for another",
        hint="fit on frame[list(fn_args.features)], or on x of fn_args.train.arrays().",
    )

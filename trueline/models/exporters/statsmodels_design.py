"""Which column of x stands for which parameter of a statsmodels model, and where the constant is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError, did_you_mean

__all__ = ["Design", "design_of"]

_INTERCEPT = "Intercept"


@dataclass(frozen=True)
class Design:
    """The model's own matrix, made of x.

    Attributes:
        names: the model's columns, the constant included.
        source: for each of them the column of x, or -1 for the constant.
        constant: the constant's value.
    """

    names: tuple[str, ...]
    source: tuple[int, ...]
    constant: float = 1.0

    def matrix(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """The design matrix ``[N, K]`` of the rows ``[N, F]``."""
        made = np.full((len(x), len(self.source)), self.constant)
        for place, column in enumerate(self.source):
            if column >= 0:
                made[:, place] = x[:, column]
        return made

    def weights(self, params: npt.NDArray[np.float64], width: int) -> tuple[npt.NDArray[np.float64], Any]:
        """Weights of x ``[F, ...]`` and the intercept of parameters ``[K, ...]``."""
        found, intercept = np.zeros((width, *params.shape[1:])), np.zeros(params.shape[1:])
        for place, column in enumerate(self.source):
            if column >= 0:
                found[column] += params[place]
            else:
                intercept = intercept + params[place] * self.constant
        return found, intercept


def design_of(model: Any, columns: Sequence[str]) -> Design:
    """The design of a fitted model over the columns of x.

    A formula's and a DataFrame's columns are found by name. Those of an array are taken in order: all of them, or all
    but the one that `add_constant` put in.

    Raises:
        ModelError: names that are no columns, a formula that transforms columns, another number of columns.
    """
    data, name = model.data, type(model).__name__
    width = int(np.asarray(model.exog).shape[1])
    names = [str(n) for n in model.exog_names][:width]
    constant = getattr(data, "const_idx", None)
    constant = int(constant) if isinstance(constant, int | np.integer) else None
    value = float(np.asarray(model.exog)[0, constant]) if constant is not None else 1.0
    if getattr(data, "formula", None) is not None:
        return _by_name(name, names, columns, _INTERCEPT if _INTERCEPT in names else None, 1.0, formula=True)
    if hasattr(data.orig_exog, "columns"):
        added = names[constant] if constant is not None and names[constant] not in columns else None
        return _by_name(name, names, columns, added, value, formula=False)
    if width == len(columns):
        return Design(tuple(names), tuple(range(width)))
    if width == len(columns) + 1 and constant is not None:
        order = iter(range(len(columns)))
        return Design(tuple(names), tuple(-1 if i == constant else next(order) for i in range(width)), value)
    raise ModelError(
        f"{name} was fitted on {width} columns ({', '.join(names[:10])}) and its features have {len(columns)}",
        problems=list(columns)[:20],
        hint="fit on x as fn_args gives it, or on sm.add_constant(x).",
    )


def _by_name(
    model: str, names: list[str], columns: Sequence[str], constant: str | None, value: float, *, formula: bool
) -> Design:
    unknown = [n for n in names if n not in columns and n != constant]
    if unknown and formula:
        raise ModelError(
            f"the formula of {model} makes columns of its own, which no graph can follow: {', '.join(unknown[:5])}",
            hint="make them in preprocessing_fn, and name features alone in the formula. "
            + did_you_mean(unknown[0], columns),
        )
    if unknown:
        raise ModelError(
            f"{model} was fitted on columns that are no features: {', '.join(unknown[:5])}",
            hint=did_you_mean(unknown[0], columns),
        )
    unused = [c for c in columns if c not in names]
    if unused and not formula:
        raise ModelError(
            f"{model} was not fitted on all features: {', '.join(unused[:5])} are not in it",
            hint="name the features that it reads: Fitted(model, inputs={'x': [...]}).",
        )
    places = {c: i for i, c in enumerate(columns)}
    return Design(tuple(names), tuple(-1 if n == constant else places[n] for n in names), value)

"""Models that are Python functions; imported by name, as from an installed package."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np

__all__ = ["linear", "logit", "mixing", "numbers", "random_answer", "scaled", "two_inputs", "wide"]

_CALLS = count()


def linear(x: Any, slope: float = 1.0) -> Any:
    """A prediction."""
    return slope * np.nan_to_num(x.astype(np.float64)).sum(axis=1)


def logit(x: Any) -> Any:
    """One logit, of the second class."""
    return np.nan_to_num(x[:, 0].astype(np.float64)) * 2 - 0.5


def scaled(x: Any) -> Any:
    """Probabilities of three classes."""
    e = np.exp(np.nan_to_num(x[:, :3].astype(np.float64)))
    return e / e.sum(axis=1, keepdims=True)


def two_inputs(ids: Any, rest: Any) -> Any:
    """A score of ids and numbers."""
    assert ids.dtype == np.int64
    return ids[:, 0] + np.nan_to_num(rest).sum(axis=1)


def wide(x: Any) -> Any:
    """An embedding of twice the columns."""
    return np.concatenate([x, np.nan_to_num(x) ** 2], axis=1)


def mixing(x: Any) -> Any:
    """What no model may do: a row's result depends on the others."""
    return np.nan_to_num(x[:, 0] - x[:, 0].mean())


def random_answer(x: Any) -> Any:
    """What no model may do: another result each time."""
    return np.full(len(x), float(next(_CALLS)))


def numbers(x: Any) -> Any:
    """The wrong number of rows."""
    return np.zeros(len(x) + 1)

"""The options of the ready-made trainers: one table a trainer, checked when a pipeline is built and again at run time.

The boosters' options have the names that their own libraries give them. What is left out is chosen at run time, by the
task, the number of rows and the schema; each trainer's file says how.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueline._core.errors import ConfigError, did_you_mean

__all__ = ["OPTIONS", "Option", "checked_options", "option_problems"]


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: its name.
        kind: ``int``, ``float``, ``bool``, ``ints`` (a list) or ``choice``.
        least: smallest value; with `above`, values must be greater.
        most: greatest value.
        above: whether `least` itself is too small.
        choices: the values of a choice.
    """

    name: str
    kind: str = "float"
    least: float | None = None
    most: float | None = None
    above: bool = False
    choices: tuple[str, ...] = ()

    def problem(self, value: Any) -> str | None:
        """Why the value cannot be, or None."""
        if self.kind == "choice":
            return None if value in self.choices else f"is {value!r}. {did_you_mean(str(value), self.choices)}"
        if self.kind == "bool":
            return None if isinstance(value, bool) else f"is {value!r}; give True or False"
        if self.kind == "ints":
            good = isinstance(value, list | tuple) and all(_number_problem(self, v, "int") is None for v in value)
            return None if good else f"is {value!r}; give a list of whole numbers from {self.least:g} on"
        return _number_problem(self, value, self.kind)


def _number_problem(option: Option, value: Any, kind: str) -> str | None:
    allowed = int if kind == "int" else int | float
    if isinstance(value, bool) or not isinstance(value, allowed) or not math.isfinite(value):
        return f"is {value!r}; give a {'whole ' if kind == 'int' else ''}number"
    if option.least is not None and (value < option.least or (option.above and value == option.least)):
        return f"is {value!r}; it must be {'greater than' if option.above else 'at least'} {option.least:g}"
    if option.most is not None and value > option.most:
        return f"is {value!r}; it must be at most {option.most:g}"
    return None


def _count(name: str, least: int = 1, most: float | None = None) -> Option:
    return Option(name, "int", least, most)


def _share(name: str) -> Option:
    return Option(name, "float", 0, 1, above=True)


def _from_zero(name: str) -> Option:
    return Option(name, "float", 0)


def _positive(name: str) -> Option:
    return Option(name, "float", 0, above=True)


_THREADS = _count("threads")
_BOOSTING = (
    _count("n_estimators"),
    _positive("learning_rate"),
    _count("max_depth", -1),
    _share("subsample"),
    _share("colsample_bytree"),
    _from_zero("reg_lambda"),
    _from_zero("reg_alpha"),
    _count("max_bin", 2, 65535),
    _count("early_stopping_rounds"),
    _positive("scale_pos_weight"),
    _THREADS,
)
_XGBOOST = (
    *_BOOSTING,
    _from_zero("min_child_weight"),
    _from_zero("gamma"),
    _share("colsample_bylevel"),
    _share("colsample_bynode"),
    _count("max_leaves", 0),
    _from_zero("max_delta_step"),
    _count("max_cat_to_onehot"),
    _count("max_cat_threshold"),
    Option("grow_policy", "choice", choices=("depthwise", "lossguide")),
)
_LIGHTGBM = (
    *_BOOSTING,
    _count("num_leaves", 2),
    _count("min_child_samples", 0),
    _from_zero("min_child_weight"),
    _from_zero("min_split_gain"),
    _count("subsample_freq", 0),
    _from_zero("cat_smooth"),
    _from_zero("cat_l2"),
    _count("max_cat_threshold"),
    _count("max_cat_to_onehot"),
    _count("min_data_per_group"),
    _share("feature_fraction_bynode"),
)
_NETWORK = (
    Option("hidden", "ints", 1),
    Option("dropout", "float", 0, 0.95),
    _positive("learning_rate"),
    _from_zero("weight_decay"),
    _count("batch_size"),
    _count("epochs"),
    _count("patience"),
    _count("max_embedding"),
    Option("activation", "choice", choices=("relu", "gelu", "silu", "tanh")),
    _THREADS,
)

OPTIONS: Mapping[str, tuple[Option, ...]] = {
    "xgboost": _XGBOOST,
    "lightgbm": _LIGHTGBM,
    "torch_mlp": _NETWORK,
    "keras": tuple(option for option in _NETWORK if option is not _THREADS),
}
"""Options by trainer; those of scikit-learn are the parameters of the chosen estimator."""


def option_problems(trainer: str, given: Mapping[str, Any], known: Sequence[str] = ()) -> list[str]:
    """Everything that is wrong with a trainer's options.

    Args:
        trainer: a key of `OPTIONS`.
        given: values by name.
        known: further names that exist where these options are given, for a hint on a misspelt one.
    """
    table = {option.name: option for option in OPTIONS[trainer]}
    problems = []
    for name, value in given.items():
        if name not in table:
            problems.append(f"has no option {name!r}. {did_you_mean(name, [*table, *known])}")
        elif problem := table[name].problem(value):
            problems.append(f"option {name!r} {problem}")
    return problems


def checked_options(trainer: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options as they are, checked: at run time a Tuner may have set them.

    Raises:
        ConfigError: every problem at once.
    """
    problems = option_problems(trainer, given)
    if problems:
        raise ConfigError(f"these options of {trainer} cannot be", problems=problems)
    return dict(given)

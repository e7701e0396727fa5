"""How to search: how many trials, by which sampler and pruner, towards what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline.training.tuning.ranges import is_number

__all__ = ["PRUNERS", "SAMPLERS", "SearchSettings"]

SAMPLERS: dict[str, dict[str, Any]] = {
    "tpe": {"n_startup_trials": int, "n_ei_candidates": int, "multivariate": bool},
    "random": {},
    "grid": {},
}
"""Samplers with their options."""

PRUNERS: dict[str, dict[str, Any]] = {
    "hyperband": {"min_resource": int, "max_resource": int, "reduction_factor": int},
    "median": {"n_startup_trials": int, "n_warmup_steps": int, "interval_steps": int, "n_min_trials": int},
    "none": {},
}
"""Pruners with their options. Sources: Li et al. (2018) for Hyperband, Golovin et al. (2017) for the median rule."""

DIRECTIONS = ("maximize", "minimize")
TAKES = ("last", "best")


@dataclass(frozen=True)
class SearchSettings:
    """A search's settings.

    Attributes:
        objective: the metric's name.
        direction: ``maximize`` or ``minimize``.
        trials: how many; None: 20, or the whole grid.
        parallel: how many at once. Trials are drawn in batches of this many: the next batch begins when all of one have
            ended, so that the same seed gives the same trials whatever each took.
        sampler: ``tpe`` (Bergstra et al. 2011), ``random`` or ``grid``.
        pruner: ``hyperband``, ``median`` or ``none``. A trial is judged by the trials of earlier batches.
        sampler_options, pruner_options: see `SAMPLERS` and `PRUNERS`.
        seed: of all drawing.
        timeout: seconds after which the search ends with the trials that have ended; running ones are dropped.
        trial_timeout: seconds after which a single trial counts as failed (only of trials in processes of their own).
        take: which of the values that a trial logged is its objective: the ``last`` or the ``best``.
    """

    objective: str
    direction: str = "maximize"
    trials: int | None = None
    parallel: int = 1
    sampler: str = "tpe"
    pruner: str = "none"
    sampler_options: Mapping[str, Any] = field(default_factory=dict)
    pruner_options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    timeout: float | None = None
    trial_timeout: float | None = None
    take: str = "last"

    def problems(self) -> list[str]:
        """All that is wrong, each one sentence."""
        found = []
        if not isinstance(self.objective, str) or not self.objective:
            found.append(f"objective={self.objective!r}: give the name of a metric")
        named = (("direction", DIRECTIONS), ("sampler", SAMPLERS), ("pruner", PRUNERS), ("take", TAKES))
        for name, known in named:
            value = getattr(self, name)
            if value not in known:
                found.append(f"{name}={value!r}. {did_you_mean(str(value), known)}")
        for name in ("trials", "parallel"):
            value = getattr(self, name)
            if not (name == "trials" and value is None) and (not is_number(value, True) or value < 1):
                found.append(f"{name}={value!r}: give a whole number of at least 1")
        if not is_number(self.seed, True) or self.seed < 0:
            found.append(f"seed={self.seed!r}: give a whole number of at least 0")
        for name in ("timeout", "trial_timeout"):
            value = getattr(self, name)
            if value is not None and (not is_number(value, False) or value <= 0):
                found.append(f"{name}={value!r}: give seconds above 0, or None")
        found += _option_problems("sampler", self.sampler, self.sampler_options, SAMPLERS)
        return found + _option_problems("pruner", self.pruner, self.pruner_options, PRUNERS)

    def check(self) -> SearchSettings:
        """Itself.

        Raises:
            ConfigError: with all problems.
        """
        problems = self.problems()
        if problems:
            raise ConfigError("the search is set up wrongly", problems=problems)
        return self

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)


def _option_problems(what: str, name: str, options: Any, known: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if not isinstance(options, Mapping):
        return [f"{what}_options={options!r}: give a dict"]
    if name not in known:
        return []
    found = []
    for key, value in options.items():
        if key not in known[name]:
            found.append(f"{what} {name!r} has no option {key!r}. {did_you_mean(str(key), known[name])}")
        elif known[name][key] is bool and not isinstance(value, bool):
            found.append(f"{what}_options[{key!r}] is {value!r}: give True or False")
        elif known[name][key] is int and (not is_number(value, True) or value < 0):
            found.append(f"{what}_options[{key!r}] is {value!r}: give a whole number of at least 0")
    least = {"min_resource": 1, "max_resource": 1, "reduction_factor": 2, "n_ei_candidates": 1, "interval_steps": 1,
             "n_min_trials": 1}  # fmt: skip
    found += [f"{what}_options[{key!r}] is {value}: give at least {least[key]}" for key, value in options.items()
              if key in least and is_number(value, True) and 0 <= value < least[key]]  # fmt: skip
    return found

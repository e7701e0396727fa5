"""The passes of a choice: what each of them is given, and expected costs with their noise out of what they sum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ConfigError, did_you_mean
from trueline.engine.base import AccumulatorSpec, Dataset, Engine
from trueline.model_analysis.decision.chosen import Expected
from trueline.model_analysis.decision.rows import model_source
from trueline.model_analysis.decision.threshold import jackknife_error
from trueline.model_analysis.noise import ROW_COLUMN, t_quantile

if TYPE_CHECKING:
    from trueline.models.model import Model

__all__ = ["Task", "costs_of"]

Floats = npt.NDArray[np.float64]


class Task:
    """What every pass is given."""

    def __init__(
        self,
        model: Model,
        plain: Model,
        dataset: Dataset,
        engine: Engine | None,
        groups: int,
        seed: int,
        confidence: float,
    ) -> None:
        from trueline.engine import default_engine

        self.classes = list(model.classes or ())
        self.confidence, self.groups, self.seed = confidence, groups, seed
        self.params = {"model": model_source(model.runtime), "plain": model_source(plain.runtime)}
        wanted = {f.name for f in model.runtime.inputs} | {f.name for f in model.runtime.targets.raw.features}
        if absent := sorted(wanted - set(dataset.columns)):
            shown = [c for c in dataset.columns if not c.startswith("__")]
            raise ConfigError(
                f"the data lacks {len(absent)} columns of {model.name}",
                problems=[f"{name!r}. {did_you_mean(name, shown)}" for name in absent],
            )
        self._dataset, self._engine = dataset, engine if engine is not None else default_engine()
        self._columns = [c for c in dataset.columns if c in wanted | {ROW_COLUMN}]

    def run(self, name: str, **params: Any) -> Any:
        """One pass."""
        every = {**self.params, "groups": self.groups, "seed": self.seed, **params}
        return self._engine.run(AccumulatorSpec(name, every), self._dataset, self._columns)

    def expected(self, costs: Floats, occupied: int) -> Expected:
        """A cost out of its value on all rows and without each group, ``[1 + G]``."""
        value = float(costs[0])
        if occupied < 2:
            return Expected(value)
        error = float(jackknife_error(costs[1:]))
        reach = t_quantile((1 + self.confidence) / 2, occupied - 1) * error
        return Expected(value, error, value - reach, value + reach)

    def expectations(self, after: Floats, sums: Floats, matrix: Floats) -> tuple[Expected, Expected, Expected]:
        """Expected cost, that of before, and the saving."""
        before = costs_of(sums, matrix)
        occupied = int((sums.sum(axis=(1, 2)) > 0).sum())
        return tuple(self.expected(c, occupied) for c in (after, before, before - after))  # type: ignore[return-value]


def costs_of(sums: Floats, matrix: Floats) -> Floats:
    """Cost a row of sums ``[G, C, C]``: of all, then without each group."""
    cost, weight = (sums * matrix).sum(axis=(1, 2)), sums.sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = (cost.sum() - cost) / (weight.sum() - weight)
    return np.concatenate([[cost.sum() / weight.sum()], rest])

"""The accumulators of a decision among more than two classes: rows to calibrate on, and what a rule would say.

The rows to calibrate on are those of the least hashes, so many as are kept: the same ones however blocks are dealt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from trueline._core.errors import EngineError
from trueline.engine.state import pack_state, unpack_state
from trueline.model_analysis.decision.calibrate import CalibrationRows
from trueline.model_analysis.decision.rows import COUNTED, judged_rows
from trueline.models.calibration import Calibration

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ROW_SAMPLE", "RULE_TABLE", "RowSample", "RuleTable", "Sampled"]

ROW_SAMPLE = "trueline.model_analysis.decision.sample:RowSample"
RULE_TABLE = "trueline.model_analysis.decision.sample:RuleTable"
Floats = npt.NDArray[np.float64]
_VERSION = 1
_COLUMNS = ("row", "probabilities", "true", "weight", "half", "group")


@dataclass(frozen=True)
class Sampled:
    """Rows to calibrate on; weights as the model decides now, group x true x said; rows by reason."""

    rows: CalibrationRows
    before: Floats
    counted: dict[str, int]


class RowSample:
    """The rows of the `keep` least hashes.

    Args:
        model, plain: as `judged_rows` takes them.
        classes: how many.
        groups: noise groups.
        seed: of the hash.
        keep: how many rows.
    """

    def __init__(
        self, model: Mapping[str, Any], plain: Mapping[str, Any], classes: int, groups: int, seed: int, keep: int
    ) -> None:
        self._model, self._plain, self._groups, self._seed, self._keep = model, plain, groups, seed, keep
        self._rows: dict[str, npt.NDArray[Any]] = {
            "row": np.zeros(0, np.uint64),
            "probabilities": np.zeros((0, classes), np.float32),
            "true": np.zeros(0, np.int64),
            "weight": np.zeros(0),
            "half": np.zeros(0, np.int64),
            "group": np.zeros(0, np.int64),
        }
        self._before = np.zeros((groups, classes, classes))
        self._counted = np.zeros(len(COUNTED), np.int64)

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        if not batch.num_rows:
            return
        rows = judged_rows(self._model, self._plain, batch, self._groups, self._seed)
        self._counted += rows.counted
        np.add.at(self._before, (rows.group, rows.true, rows.said), rows.weight)
        self._join({name: getattr(rows, name) for name in _COLUMNS})

    def _join(self, other: Mapping[str, npt.NDArray[Any]]) -> None:
        every = {name: np.concatenate([self._rows[name], other[name]]) for name in _COLUMNS}
        order = np.argsort(every["row"], kind="stable")[: self._keep]
        self._rows = {name: column[order] for name, column in every.items()}

    def merge(self, other: Self) -> None:
        """Takes in the state of the blocks that follow."""
        self._join(other._rows)
        self._before += other._before
        self._counted += other._counted

    def state(self) -> bytes:
        """Rows and counts."""
        arrays = {**self._rows, "before": self._before, "counted": self._counted}
        return pack_state("decision-sample", _VERSION, {}, arrays)

    @classmethod
    def load(cls, state: bytes, **params: Any) -> Self:
        """The accumulator that gave this state.

        Raises:
            EngineError: it holds rows of other classes.
        """
        self = cls(**params)
        _, _, arrays = unpack_state(state, "decision-sample", _VERSION)
        if arrays["before"].shape != self._before.shape:
            raise EngineError("the state is of a model with other classes")
        self._rows = {name: arrays[name] for name in _COLUMNS}
        self._before, self._counted = arrays["before"], arrays["counted"]
        return self

    def finish(self) -> Sampled:
        """The rows."""
        r = self._rows
        rows = CalibrationRows(r["probabilities"].astype(np.float64), r["true"], r["weight"], r["half"], r["group"])
        return Sampled(rows, self._before, dict(zip(COUNTED, self._counted.tolist(), strict=True)))


class RuleTable:
    """Weights by noise group, true class and the class of least expected cost: ``[G, C, C]``.

    Args:
        model, plain: as `judged_rows` takes them.
        costs: ``[C][C]``, true class by said class.
        calibration: JSON of a `Calibration`, or None.
        groups: noise groups.
        seed: of the hash that deals rows into them.
    """

    def __init__(
        self,
        model: Mapping[str, Any],
        plain: Mapping[str, Any],
        costs: Sequence[Sequence[float]],
        calibration: Mapping[str, Any] | None,
        groups: int,
        seed: int,
    ) -> None:
        self._model, self._plain, self._groups, self._seed = model, plain, groups, seed
        self._costs = np.asarray(costs, np.float32)
        self._calibration = None if calibration is None else Calibration.from_json(calibration)
        self._sums = np.zeros((groups, len(self._costs), len(self._costs)))

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        if not batch.num_rows:
            return
        rows = judged_rows(self._model, self._plain, batch, self._groups, self._seed)
        p = rows.probabilities
        if self._calibration is not None:
            p = self._calibration.apply(p).astype(np.float32)
        np.add.at(self._sums, (rows.group, rows.true, (p @ self._costs).argmin(axis=1)), rows.weight)

    def merge(self, other: Self) -> None:
        """Takes in the state of the blocks that follow."""
        self._sums += other._sums

    def state(self) -> bytes:
        """The sums."""
        return pack_state("decision-rule", _VERSION, {}, {"sums": self._sums})

    @classmethod
    def load(cls, state: bytes, **params: Any) -> Self:
        """The accumulator that gave this state.

        Raises:
            EngineError: it is of other classes or groups.
        """
        self = cls(**params)
        sums = unpack_state(state, "decision-rule", _VERSION)[2]["sums"]
        if sums.shape != self._sums.shape:
            raise EngineError("the state is of a model with other classes")
        self._sums = sums
        return self

    def finish(self) -> Floats:
        """The sums."""
        return self._sums

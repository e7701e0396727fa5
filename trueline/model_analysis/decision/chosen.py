"""What was chosen, on what, and what it costs: the record that stands in ``model.json`` and in reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from trueline._core.errors import ConfigError
from trueline.display.viewed import Viewed
from trueline.model_analysis.config_json import decode
from trueline.model_analysis.decision.calibrate import Trial
from trueline.model_analysis.decision.cost import Constraint, Cost, CostMatrix, cost_to_json, parse_cost
from trueline.models.calibration import Calibration

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.display.html import Html
    from trueline.models.model import Model

__all__ = ["DECISION_FORMAT", "ChosenDecision", "Expected"]

DECISION_FORMAT = 1


@dataclass(frozen=True)
class Expected:
    """An expected cost a row, with its sampling noise.

    Attributes:
        value: the cost.
        standard_error: by the delete-a-group jackknife; None where fewer than two groups hold rows.
        low, high: the interval of the stated confidence.
    """

    value: float
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ChosenDecision(Viewed):
    """A decision chosen by its cost.

    Attributes:
        threshold: of the calibrated probability of the second class; None for more than two classes.
        calibration: what the model's own probabilities go through, or None.
        cost: what outcomes cost.
        cost_matrix: ``[C, C]`` costs in the order of the classes, for more than two classes; else None.
        constraints: what the threshold keeps.
        split: the rows that it was chosen on, by name.
        rows: how many rows counted; `left_out` says how many did not, by reason.
        expected: cost a row with this decision, on the rows that chose it: a little too good.
        before: cost a row of the model as it decided before.
        saving: before minus expected, the same rows paired.
        threshold_low, threshold_high: the least and the greatest threshold of which noise cannot tell that it costs
            more than the chosen one.
        rates: recall, precision and kin at the threshold; None where undefined.
        trials: how each calibration did on rows that it was not fitted on.
        wanted_calibration: what was asked for: a method, ``auto`` or ``none``.
        confidence: of all intervals.
        error_bound: how far the least cost of all thresholds can be below the chosen one's, where there were too many
            distinct scores to keep; 0 where every threshold was tried.
        curve: thresholds and their costs, thinned out.
        notes: sentences that a reader should see.
    """

    TITLE: ClassVar[str] = "Decision"

    threshold: float | None
    calibration: Calibration | None
    cost: Cost | CostMatrix
    cost_matrix: tuple[tuple[float, ...], ...] | None
    constraints: tuple[Constraint, ...]
    split: str
    rows: int
    left_out: Mapping[str, int]
    expected: Expected
    before: Expected
    saving: Expected
    threshold_low: float | None = None
    threshold_high: float | None = None
    rates: Mapping[str, float | None] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()
    wanted_calibration: str = "none"
    confidence: float = 0.95
    error_bound: float = 0.0
    curve: tuple[tuple[float, float], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def chosen_on(self) -> str:
        """What it was chosen on, in one sentence for people."""
        kept = f"; {', '.join(map(str, self.constraints))}" if self.constraints else ""
        unit = f" {self.cost.unit}" if self.cost.unit else ""
        return (
            f"split {self.split}, {self.rows:,} rows; {self.cost}{kept}; "
            f"expected cost {self.expected.value:.6g}{unit} a row, before {self.before.value:.6g}"
        )

    def apply(self, model: Model, uri: str) -> Model:
        """Writes the model with this decision; see `trueline.models.Model.with_decision`."""
        if self.threshold is None and self.calibration is None and self.cost_matrix is None:
            raise ConfigError("there is nothing to decide: neither threshold, calibration nor costs were chosen")
        return model.with_decision(
            uri,
            threshold=self.threshold,
            calibration=self.calibration,
            chosen_on=self.chosen_on,
            cost_matrix=self.cost_matrix,
            evidence=self.to_dict(),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON values; `from_dict` is the inverse."""
        made: dict[str, Any] = {"format": DECISION_FORMAT, **vars(self)}
        made["calibration"] = None if self.calibration is None else self.calibration.to_json()
        made["cost"] = cost_to_json(self.cost)
        for name in ("expected", "before", "saving"):
            made[name] = vars(made[name]).copy()
        for name in ("constraints", "trials"):
            made[name] = [vars(item).copy() for item in made[name]]
        for name in ("left_out", "rates"):
            made[name] = dict(made[name])
        for name in ("cost_matrix", "curve"):
            made[name] = None if made[name] is None else [list(row) for row in made[name]]
        made["notes"] = list(self.notes)
        return made

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ChosenDecision:
        """The decision that `to_dict` described.

        Raises:
            ConfigError: another format, or another structure.
        """
        if not isinstance(data, Mapping) or data.get("format") != DECISION_FORMAT:
            raise ConfigError(f"the decision's evidence is not of format {DECISION_FORMAT}")
        given = {k: v for k, v in data.items() if k != "format"}
        calibration, cost = given.pop("calibration", None), given.pop("cost", None)
        matrix, curve = given.pop("cost_matrix", None), given.pop("curve", ())
        ready = {
            "calibration": None if calibration is None else Calibration.from_json(calibration),
            "cost": parse_cost(cost),
            "cost_matrix": None if matrix is None else tuple(tuple(float(v) for v in row) for row in matrix),
            "curve": tuple((float(x), float(y)) for x, y in curve),
        }
        return decode(cls, given, ready)

    def to_table(self) -> pa.Table:
        """The calibrations tried, a row each."""
        import pyarrow as pa

        return pa.Table.from_pylist([vars(t) for t in self.trials]) if self.trials else pa.table({"method": ["none"]})

    def view(self) -> Html:
        """The decision as a piece of HTML."""
        from trueline.model_analysis.decision.html import decision_view

        return decision_view(self)

"""Thresholds for each group that keep a criterion and lose the least (Hardt, Price and Srebro 2016, post-processing).

All thresholds that are thousandths are tried, from the histograms of one pass. For a criterion of one rate, every level
c of that rate is tried: each group takes, among its thresholds whose rate lies within c and c + max_gap, the one of the
best objective. For equalized odds two rates must agree at once, which thresholds alone cannot always reach (Hardt and
others then draw lots between two thresholds; nothing is drawn here, so that equal rows are always treated equally):
levels of both are tried on a grid, each group takes the threshold nearest to them, and the gap that remains is stated.
Choices that say the same of all rows of a group are no solution while there is another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError, DataError, did_you_mean
from trueline.engine.base import Engine
from trueline.model_analysis.decision.cost import Cost, cost_to_json, parse_cost
from trueline.model_analysis.fairness.api import evaluate_fairness
from trueline.model_analysis.fairness.gaps import Gap
from trueline.model_analysis.fairness.measure import Measure
from trueline.model_analysis.fairness.rates import CRITERIA
from trueline.model_analysis.fairness.result import FairnessResult
from trueline.model_analysis.fairness.search import STEPS, ThresholdTask, search_thresholds
from trueline.model_analysis.fairness.spec import FairnessSpec, spec_of
from trueline.model_analysis.fairness.what_if import count_grid, rates_of, threshold_what_if
from trueline.model_analysis.metrics.confusion import Confusion
from trueline.model_analysis.rows import Floats, Ints

if TYPE_CHECKING:
    from trueline.models.model import Model

__all__ = ["CONSTRAINTS", "FairThresholds", "optimise_thresholds"]

CONSTRAINTS = tuple(n for n, c in CRITERIA.items() if "binary" in c.tasks and c.decision and n != "predictive_parity")


@dataclass(frozen=True)
class FairThresholds:
    """Chosen thresholds and what they do on the rows that chose them, which is a little too good.

    Attributes:
        column: whose values have thresholds of their own.
        values, thresholds: those values, and the threshold of each.
        default: of all other rows: small groups, unseen and missing values.
        constraint: the criterion.
        max_gap: the difference that was aimed at.
        before, after: the criterion's difference, with its interval, as the model decided and as it would.
        objective: ``accuracy``, or the costs.
        objective_before, objective_after: the share of right decisions, or the mean cost a row.
        reached: whether the difference is within `max_gap` on these rows.
        notes: sentences that a reader should see.
    """

    column: str
    values: tuple[Any, ...]
    thresholds: tuple[float, ...]
    default: float
    constraint: str
    max_gap: float
    before: Gap
    after: Gap
    objective: Any
    objective_before: float
    objective_after: float
    reached: bool
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def per_group(self) -> dict[Any, float]:
        """Value -> threshold, as `threshold_what_if` and `Model.with_group_thresholds` take it."""
        return dict(zip(self.values, self.thresholds, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        made = asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in made.items()}

    def apply(self, model: Model, uri: str) -> Model:
        """Writes the model with these thresholds inside; see `Model.with_group_thresholds`.

        Deciding by a protected attribute may be unlawful where the model is used: ask before you serve it.
        """
        said = f"{self.constraint} within {self.max_gap:g}, by {self.column}"
        return model.with_group_thresholds(
            uri, self.column, self.per_group, self.default, chosen_on=said, evidence={"fair_thresholds": self.to_dict()}
        )


def optimise_thresholds(
    model: Model | FairnessResult,
    data: Any = None,
    spec: FairnessSpec | Mapping[str, Any] | None = None,
    *,
    constraint: str = "equal_opportunity",
    objective: str | Cost | Mapping[str, Any] = "accuracy",
    max_gap: float | None = None,
    column: str | None = None,
    default: float | None = None,
    engine: Engine | None = None,
    split: str | None = None,
) -> FairThresholds:
    """Thresholds for each group of a two-class model.

    Using a protected attribute at decision time may be unlawful where you are, however fair its effect: ask before you
    serve such a model. Choose on other rows than those that judge it.

    Args:
        model: the model, or an evaluation of it, which needs neither data nor spec.
        data: rows, as `evaluate_fairness` takes them.
        spec: groups; small ones get the default threshold.
        constraint: one of `CONSTRAINTS`.
        objective: ``accuracy``, or what outcomes cost: `Cost` or ``{"false_positive": 1, "false_negative": 5}``.
        max_gap: the difference between groups that is aimed at; by default 0.01, and 0.05 for equalized odds.
        column: which of the spec's columns; needed where there are several.
        default: threshold of all other rows; by default the one that suits rows without a value, where there are
            enough of them, else the model's own, or 0.5.
        engine: where it runs.
        split: of Examples.

    Raises:
        ConfigError: no two-class model, another constraint, objective or column; all problems at once.
        DataError: fewer than two groups are large enough.
    """
    own = None
    if isinstance(model, FairnessResult):
        result = model
    else:
        if spec is None or data is None:
            raise ConfigError("a model needs data and a spec", hint="or give a FairnessResult.")
        decision = model.decision
        own = decision.threshold if decision is not None else None
        result = evaluate_fairness(model, data, spec_of(spec), engine=engine, split=split)
    name = column or (result.spec.groups[0] if len(result.spec.groups) == 1 else "")
    gap = max_gap if max_gap is not None else 0.05 if constraint == "equalized_odds" else 0.01
    _checked(result, constraint, objective, name, gap)
    rest = round(float(default if default is not None else 0.5 if own is None else own), 3)
    return _optimise(result, name, constraint, objective, gap, (rest, default is not None))


def _checked(result: FairnessResult, constraint: str, objective: Any, column: str, gap: Any) -> None:
    problems = [] if result.task == "binary" else [f"thresholds are of two classes, and this is a {result.task} model"]
    if constraint not in CONSTRAINTS:
        problems.append(f"there is no constraint {constraint!r}. {did_you_mean(str(constraint), CONSTRAINTS)}")
    if column not in result.spec.groups:
        problems.append(f"column {column!r} is none of the groups. {did_you_mean(column, result.spec.groups)}")
    if column in result.spec.buckets:
        problems.append(f"column {column!r} is cut into buckets: a model decides by values of a raw column")
    if isinstance(gap, bool) or not isinstance(gap, int | float) or not 0 <= gap <= 1:
        problems.append(f"max_gap is {gap!r}, a number from 0 to 1 is expected")
    if objective != "accuracy":
        if isinstance(objective, str):
            problems.append(
                f"there is no objective {objective!r}. {did_you_mean(objective, ['accuracy'])} Or give costs."
            )
        else:
            try:
                if not isinstance(parse_cost(objective), Cost):
                    problems.append("costs by class are of more than two classes: give those of the four outcomes")
            except ConfigError as error:
                problems += error.problems or [error.message]
    if problems:
        raise ConfigError("no thresholds can be chosen", problems=problems)


def _optimise(
    result: FairnessResult, column: str, constraint: str, objective: Any, gap: float, rest: tuple[float, bool]
) -> FairThresholds:
    """`rest` is the default threshold, and whether it was given: else rows without a value decide it with the others,
    for a model cannot tell them from unseen values."""
    from dataclasses import replace

    spec = replace(result.spec, groups=(column,), intersections=0, criteria=(), buckets={}, reference="overall")
    measure = Measure(result.sums, spec)
    own = [i for i in measure.family((column,)) if not measure.small(i)]
    own = [i for i in own if not rest[1] or measure.groups[i].values != (None,)]
    rates = CRITERIA[constraint].rates
    levels = np.arange(STEPS + 1) / STEPS
    counts = count_grid(measure, levels)
    grid = rates_of(measure, counts)
    usable = [i for i in own if all(np.isfinite(grid[r][:, i]).all() for r in rates)]
    if len(usable) < 2:
        raise DataError(
            f"fewer than two groups of {column} can be given thresholds",
            hint=f"a group needs {spec.min_group_size} labelled rows, and rows of both classes for rates of one.",
        )
    gains = _gains(counts, objective)[:, usable]
    share = grid["positive_rate"][:, usable]
    task = ThresholdTask(tuple(grid[r][:, usable] for r in rates), gains, (share > 0) & (share < 1), gap)
    chosen = search_thresholds(task)
    default, each = (
        rest[0],
        {measure.groups[i].values[0]: float(levels[t]) for i, t in zip(usable, chosen, strict=True)},
    )
    default = each.pop(None, default)
    values, thresholds = tuple(each), tuple(each.values())
    # Other groupings of the spec keep their own numbers: the what-if is of all of it.
    what_if = threshold_what_if(result, dict(zip(values, thresholds, strict=True)), column=column, default=default)
    after, before = what_if.criterion(constraint).difference, result.criterion(constraint, column).difference
    reached = after.value is not None and after.value <= gap + 1e-12
    return FairThresholds(
        column, values, thresholds, default, constraint, gap, before, after,
        "accuracy" if objective == "accuracy" else cost_to_json(parse_cost(objective)),
        _own_objective(measure, objective), _after_objective(measure, counts, chosen, usable, default, objective),
        reached, tuple(_notes(measure, column, usable, after, gap, default)),
    )  # fmt: skip


def _costs(objective: Any) -> tuple[float, float, float, float]:
    """What tp, fp, fn and tn cost; accuracy is a gain of 1 for what is right."""
    if objective == "accuracy":
        return -1.0, 0.0, 0.0, -1.0
    cost = parse_cost(objective)
    assert isinstance(cost, Cost)
    return cost.true_positive, cost.false_positive, cost.false_negative, cost.true_negative


def _gains(counts: Confusion, objective: Any) -> Floats:
    tp, fp, fn, tn = _costs(objective)
    gained: Floats = -(tp * counts.tp + fp * counts.fp + fn * counts.fn + tn * counts.tn)
    return gained


def _own_objective(measure: Measure, objective: Any) -> float:
    whole = measure.sums.sums[:, 0].sum(axis=(0, 2))
    look = dict(zip(measure.sums.moments, whole, strict=True))
    gained = -sum(c * look[n] for c, n in zip(_costs(objective), ("tp", "fp", "fn", "tn"), strict=True))
    return _shown(gained / look["weight"], objective)


def _after_objective(
    measure: Measure, counts: Confusion, chosen: Ints, usable: list[int], default: float, objective: Any
) -> float:
    """Of all rows: those of other groups are decided at the default."""
    other = _gains(count_grid(measure, np.array([default])), objective)[0]
    gains = _gains(counts, objective)
    gained = other[0] + sum(gains[t, i] - other[i] for t, i in zip(chosen, usable, strict=True))
    return _shown(float(gained) / float(measure.sums.sums[:, 0, 0].sum()), objective)


def _shown(gain: float, objective: Any) -> float:
    return float(gain if objective == "accuracy" else -gain) + 0.0


def _notes(measure: Measure, column: str, usable: list[int], after: Gap, gap: float, default: float) -> list[str]:
    said = []
    others = [measure.groups[i].name for i in measure.family((column,)) if i not in usable]
    if others:
        said.append(f"{', '.join(others)}: decided at {default:g}, for they are too small, undefined or left out.")
    if after.value is None or after.value > gap + 1e-12:
        shown = "undefined" if after.value is None else f"{after.value:.4g}"
        said.append(f"No thresholds bring the difference within {gap:g}; {shown} remains.")
    said.append(
        "The thresholds were chosen on these rows: judge them on others. Deciding by a protected attribute may be "
        "unlawful where the model is used."
    )
    return said

"""`choose_decision`: calibration by held-out log loss, threshold or rule by expected cost, in passes over the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core import store
from trueline._core.errors import ConfigError, DataError, ModelError, TruelineError, did_you_mean
from trueline.engine.base import Engine
from trueline.model_analysis.datasets import as_dataset, features_read
from trueline.model_analysis.decision.calibrate import METHODS, CalibrationRows, Trial, choose_calibration
from trueline.model_analysis.decision.chosen import ChosenDecision, Expected
from trueline.model_analysis.decision.cost import Constraint, Cost, CostMatrix, matrix_of, parse_constraints, parse_cost
from trueline.model_analysis.decision.passes import Task, costs_of
from trueline.model_analysis.decision.sample import ROW_SAMPLE, RULE_TABLE, Sampled
from trueline.model_analysis.decision.scores import SCORE_TABLE, Scores
from trueline.model_analysis.decision.threshold import Best, best_threshold
from trueline.models.calibration import Calibration

if TYPE_CHECKING:
    from trueline.models.model import Model

__all__ = ["AUTO", "choose_decision", "decision_problems", "served_cost"]

AUTO = "auto"
Floats = npt.NDArray[np.float64]
_SAMPLE = 20_000


def choose_decision(
    model: Model,
    dataset: Any,
    cost: Cost | CostMatrix | Mapping[str, Any],
    calibration: str = AUTO,
    split: str = "eval",
    *,
    constraints: Sequence[Constraint | Mapping[str, Any]] | None = None,
    confidence: float = 0.95,
    noise_groups: int = 32,
    seed: int = 0,
    engine: Engine | None = None,
    work_dir: str | None = None,
) -> ChosenDecision:
    """Chooses how a classifier decides, by what its decisions cost.

    For two classes the threshold of least expected cost among all that keep the constraints is found; for more, the
    rule is the class of least expected cost under the calibrated probabilities. Memory does not grow with rows.

    Args:
        model: a classifier; a decision that it has already is what the new one is compared with.
        dataset: raw rows with the label, a `Dataset` or what `as_dataset` makes one of; better not those that judge the
            model afterwards.
        cost: what outcomes cost; see `Cost` and `CostMatrix`.
        calibration: ``none``, ``sigmoid``, ``isotonic``, ``temperature``, or ``auto``: the best on held-out halves, or
            none where none helps beyond noise.
        split: the name of these rows, for the record; of Examples, which of them are read.
        constraints: bounds that the threshold must keep, for two classes; see `Constraint`.
        confidence: of all intervals.
        noise_groups: random groups of rows for the delete-a-group jackknife.
        seed: of the hash of ``__row__`` that deals rows into halves and groups.
        engine: where it runs; threads of this machine by default.
        work_dir: a folder that all workers reach, for a copy of a model that has a calibration already, without it; a
            temporary one of this machine by default.

    Raises:
        ConfigError: cost, constraints or calibration that cannot work; all problems at once.
        ModelError: no classifier, or a calibration asked for by name that cannot be fitted.
        DataError: rows without a usable label, of one class, or with probabilities that are none.
        GateError: no threshold keeps all constraints.
    """
    _checked(model, cost, calibration, constraints, confidence)
    rows = as_dataset(dataset, split, features_read(model.runtime))
    parsed, bounds = parse_cost(cost), parse_constraints(constraints)
    matrix = matrix_of(parsed, model.classes or ())
    with ExitStack() as stack:
        plain = _plain(model, stack, work_dir)
        task = Task(model, plain, rows, engine, noise_groups, seed, confidence)
        if len(matrix) == 2:
            return _two_classes(task, parsed, matrix, bounds, calibration, split)
        return _more_classes(task, parsed, matrix, calibration, split)


def served_cost(
    model: Model,
    dataset: Any,
    cost: Cost | CostMatrix | Mapping[str, Any],
    *,
    confidence: float = 0.95,
    noise_groups: int = 32,
    seed: int = 0,
    engine: Engine | None = None,
) -> Expected:
    """What the labels that a model gives cost a row, whatever decides them.

    Raises:
        ConfigError, ModelError, DataError: as `choose_decision` does.
    """
    _checked(model, cost, "none", None, confidence)
    matrix = np.asarray(matrix_of(parse_cost(cost), model.classes or ()))
    rows = as_dataset(dataset, features=features_read(model.runtime))
    task = Task(model, model, rows, engine, noise_groups, seed, confidence)
    found: Sampled = task.run(ROW_SAMPLE, classes=len(matrix), keep=1)
    _check_counted(found.counted, np.ones(len(matrix)), task.classes)
    return task.expectations(np.zeros(1 + noise_groups), found.before, matrix)[1]


def decision_problems(cost: Any, calibration: Any, constraints: Any, confidence: Any = 0.95) -> list[str]:
    """What is wrong with the arguments, without a model in view."""
    problems = []
    for what, parse, given in (("cost", parse_cost, cost), ("constraints", parse_constraints, constraints)):
        try:
            parse(given)
        except TruelineError as error:
            problems += [f"{what}: {p}" for p in error.problems or [error.message]]
    if calibration not in (AUTO, *METHODS):
        problems.append(f"no calibration {calibration!r}. {did_you_mean(str(calibration), (AUTO, *METHODS))}")
    if not isinstance(confidence, float) or not 0.5 < confidence < 1:
        problems.append(f"confidence is {confidence!r}; write a number between 0.5 and 1")
    return problems


def _checked(model: Model, cost: Any, calibration: Any, constraints: Any, confidence: Any) -> None:
    if not model.classes or model.runtime.python is not None:
        raise ModelError(
            f"{model.name} gives no probabilities to decide on ({model.task})", where=model.uri,
            hint="a decision is of a classifier whose graph computes probabilities.",
        )  # fmt: skip
    problems = decision_problems(cost, calibration, constraints, confidence)
    if len(model.classes) != 2 and constraints:
        problems.append(f"constraints are of two classes, and {model.name} has {len(model.classes)}")
    if not problems:
        try:
            matrix_of(parse_cost(cost), model.classes)
        except ConfigError as error:
            problems += [f"cost: {p}" for p in error.problems or [error.message]]
    if problems:
        raise ConfigError(f"no decision can be chosen for {model.name}", problems=problems)


def _plain(model: Model, stack: ExitStack, work_dir: str | None) -> Model:
    """The model without calibration: itself, or a copy for as long as the stack is open."""
    if model.decision is None or model.decision.calibration is None:
        return model
    folder = stack.enter_context(TemporaryDirectory(prefix="trueline-decision-", dir=work_dir))
    return model.with_decision(store.join(folder, "plain"))


def _check_counted(counted: Mapping[str, int], true: Floats, classes: Sequence[Any]) -> None:
    """Refuses rows on which nothing can be chosen; `true` is the weight of each class."""
    problems = []
    if bad := counted["bad_probabilities"]:
        problems.append(f"{bad:,} rows have probabilities that are NaN or outside 0..1")
    if not counted["rows"]:
        left = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in counted.items() if n)
        problems.append(f"no row has a label, a weight and probabilities ({left or 'there are no rows'})")
    elif len(classes) == 2 and (absent := [c for c, w in zip(classes, true, strict=True) if not w > 0]):
        problems.append(f"no row of class {absent[0]!r} has a weight: one class has no threshold")
    if problems:
        raise DataError("no decision can be chosen on these rows", problems=problems)


def _two_classes(
    task: Task, cost: Any, matrix: Any, bounds: tuple[Constraint, ...], wanted: str, split: str
) -> ChosenDecision:
    table: Scores = task.run(SCORE_TABLE)
    _check_counted(table.counted, table.before.sum(axis=(0, 2)), task.classes)
    p = table.score.astype(np.float64)
    rows = CalibrationRows(
        np.stack([1 - p, p], axis=1), table.positive.astype(np.int64), table.weight, table.half, table.group
    )
    calibration, trials = choose_calibration(rows, wanted)
    if calibration is not None:
        calibration = replace(calibration, rows=table.counted["rows"])  # cells were rows to the fit
    paid = Cost(matrix[0][1], matrix[1][0], matrix[1][1], matrix[0][0])
    best = _search(task, table, calibration, paid, bounds)
    expected, before, saving = task.expectations(best.costs, table.before, np.asarray(matrix))
    return ChosenDecision(
        best.threshold,
        calibration,
        cost,
        None,
        bounds,
        split,
        table.counted["rows"],
        {k: v for k, v in table.counted.items() if k != "rows" and v},
        expected,
        before,
        saving,
        best.low,
        best.high,
        best.rates,
        trials,
        wanted,
        task.confidence,
        best.error_bound,
        best.curve,
        _notes(trials, wanted, saving, best),
    )


def _search(
    task: Task, table: Scores, calibration: Calibration | None, cost: Cost, bounds: tuple[Constraint, ...]
) -> Best:
    score = table.score
    if calibration is not None:
        score = calibration.apply(score).astype(np.float32)
    distinct, place = np.unique(score, return_inverse=True)
    cells, size = place * task.groups + table.group, len(distinct) * task.groups
    positive, negative = (
        np.bincount(cells[of], table.weight[of], size).astype(np.float64).reshape(-1, task.groups)
        for of in (table.positive, ~table.positive)
    )
    return best_threshold(distinct, positive, negative, cost, bounds, confidence=task.confidence, exact=table.exact)


def _more_classes(task: Task, cost: Any, matrix: Any, wanted: str, split: str) -> ChosenDecision:
    found: Sampled = task.run(ROW_SAMPLE, classes=len(matrix), keep=_SAMPLE)
    _check_counted(found.counted, found.before.sum(axis=(0, 2)), task.classes)
    calibration, trials = choose_calibration(found.rows, wanted)
    told = None if calibration is None else calibration.to_json()
    sums = task.run(RULE_TABLE, costs=[list(row) for row in matrix], calibration=told)
    expected, before, saving = task.expectations(costs_of(sums, np.asarray(matrix)), found.before, np.asarray(matrix))
    notes = _notes(trials, wanted, saving, None)
    if (rows := found.counted["rows"]) > _SAMPLE and wanted != "none":
        notes = (*notes, f"The calibration was chosen on {_SAMPLE:,} of {rows:,} rows.")
    left_out = {k: v for k, v in found.counted.items() if k != "rows" and v}
    return ChosenDecision(
        None,
        calibration,
        cost,
        matrix,
        (),
        split,
        rows,
        left_out,
        expected,
        before,
        saving,
        trials=trials,
        wanted_calibration=wanted,
        confidence=task.confidence,
        notes=notes,
    )


def _notes(trials: tuple[Trial, ...], wanted: str, saving: Expected, best: Best | None) -> tuple[str, ...]:
    said = []
    chosen = next(t for t in trials if t.chosen)
    if wanted == AUTO and chosen.method == "none":
        said.append("No calibration lowers the held-out log loss by more than its noise, so there is none.")
    elif wanted == AUTO:
        said.append(
            f"{chosen.method} has the least held-out log loss, {chosen.log_loss:.6g}, "
            f"{chosen.improvement:.3g} less than without calibration."
        )
    elif chosen.improvement is not None and chosen.improvement <= 0:
        said.append(f"{chosen.method} was asked for and does not lower the held-out log loss.")
    if saving.value < 0:
        said.append(f"The decision costs {-saving.value:.6g} a row more than the one before.")
    elif saving.low is not None and saving.low <= 0:
        said.append("The saving is within sampling noise.")
    if best is not None and best.error_bound > 0:
        said.append(
            f"There are too many distinct scores to try each: another threshold could cost at most "
            f"{best.error_bound:.3g} a row less."
        )
    return tuple(said)

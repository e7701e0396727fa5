"""Decisions by cost: the search equals trying every threshold, calibrations are judged held out, the model obeys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from model_analysis_line import built, served

from trueline._core.errors import ConfigError, DataError, GateError, ModelError
from trueline.engine import Dataset, LocalEngine
from trueline.model_analysis import ChosenDecision, Cost, CostMatrix, choose_decision, decision_threshold, split_warning
from trueline.model_analysis.decision import served_cost
from trueline.models import Model, fit_calibration

COST = {"false_positive": 1, "false_negative": 5, "unit": "EUR"}


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return built()


@pytest.fixture(scope="module")
def rows(made: dict[str, Any]) -> Dataset:
    return Dataset.from_table(made["table"], 400)


def labelled(model: Model, table: pa.Table) -> tuple[Any, Any, Any]:
    """Probability of the second class, truth and weight of the rows with a label."""
    label, weight = model.targets(table)
    kept = np.asarray(label.is_valid())
    w = np.ones(len(kept)) if weight is None else weight
    return model.predict_proba(table)[kept, 1], np.array(label.drop_null().to_pylist()), w[kept].astype(float)


def cost_at(p: Any, y: Any, w: Any, threshold: float) -> float:
    said = p >= np.float32(threshold)
    return float((w * (1.0 * (said & ~y) + 5.0 * (~said & y))).sum() / w.sum())


@pytest.mark.parametrize("name", ["late", "weighted"])
def test_no_threshold_costs_less_on_these_rows(made: Any, rows: Dataset, name: str) -> None:
    chosen = choose_decision(made[name], rows, COST, "none")
    p, y, w = labelled(made[name], made["table"])
    every = [cost_at(p, y, w, t) for t in [0.0, *np.unique(p).tolist(), 1.0]]
    assert chosen.expected.value == pytest.approx(min(every), abs=1e-12)
    assert cost_at(p, y, w, chosen.threshold) == pytest.approx(min(every), abs=1e-12)
    assert chosen.before.value == pytest.approx(cost_at(p, y, w, np.nextafter(0.5, 1)), abs=1e-12)
    assert chosen.saving.value == pytest.approx(chosen.before.value - chosen.expected.value)
    assert chosen.error_bound == 0
    assert chosen.threshold_low <= chosen.threshold <= chosen.threshold_high
    assert chosen.left_out == {"missing_labels": int(made["table"]["late"].null_count)}


def test_noise_is_the_jackknife_of_the_cost_and_the_interval_holds_equal_thresholds(made: Any, rows: Dataset) -> None:
    from trueline.model_analysis.noise import row_groups

    chosen = choose_decision(made["late"], rows, COST, "none")
    label, _ = made["late"].targets(made["table"])
    kept = np.asarray(label.is_valid())
    p, y, w = labelled(made["late"], made["table"])
    group = row_groups(made["table"].combine_chunks().to_batches()[0], 32, 0)[kept]

    def error(values: list[float]) -> float:
        return float(np.sqrt(31 / 32 * np.square(np.array(values) - np.mean(values)).sum()))

    def without(t: float) -> list[float]:
        return [cost_at(p[group != g], y[group != g], w[group != g], t) for g in range(32)]

    at = without(chosen.threshold)
    assert chosen.expected.standard_error == pytest.approx(error(at))
    for edge, inside in ((chosen.threshold_low, True), (chosen.threshold_high, True), (0.6, False)):
        gap = [b - a for a, b in zip(at, without(edge), strict=True)]
        costs = cost_at(p, y, w, edge) - chosen.expected.value
        assert (costs <= 2.0396 * error(gap)) is inside


def test_dealing_the_rows_otherwise_changes_no_bit(made: Any, rows: Dataset) -> None:
    one = choose_decision(made["sure"], rows, COST, engine=LocalEngine(1))
    two = choose_decision(made["sure"], rows.deal(3), COST, engine=LocalEngine(2))
    assert json.dumps(one.to_dict()) == json.dumps(two.to_dict())


def test_constraints_hold_and_cost_more(made: Any, rows: Dataset) -> None:
    free = choose_decision(made["late"], rows, COST, "none")
    bounds = [
        {"metric": "false_positive_rate", "at_most": 0.3},
        {"metric": "predicted_positive_rate", "at_most": 0.45},
        {"metric": "recall", "at_least": 0.5},
    ]
    kept = choose_decision(made["late"], rows, COST, "none", constraints=bounds)
    assert free.rates["false_positive_rate"] > 0.3
    assert kept.rates["false_positive_rate"] <= 0.3
    assert kept.rates["predicted_positive_rate"] <= 0.45
    assert kept.rates["recall"] >= 0.5
    assert kept.expected.value > free.expected.value
    p, y, w = labelled(made["late"], made["table"])
    able = [
        cost_at(p, y, w, t)
        for t in np.unique(p).tolist()
        if (p[~y] >= t).mean() <= 0.3 and (p >= t).mean() <= 0.45 and (p[y] >= t).mean() >= 0.5
    ]
    assert kept.expected.value == pytest.approx(min(able), abs=1e-12)


def test_constraints_that_no_threshold_keeps_say_how_near_it_comes(made: Any, rows: Dataset) -> None:
    bounds = [{"metric": "recall", "at_least": 0.99}, {"metric": "precision", "at_least": 0.95}]
    with pytest.raises(GateError) as caught:
        choose_decision(made["late"], rows, COST, constraints=bounds)
    recall, precision = caught.value.problems
    assert recall.startswith("recall at least 0.99: with the others kept it ")
    assert precision.startswith("precision at least 0.95: with the others kept it reaches from ")


def test_auto_takes_what_helps_held_out_and_says_so(made: Any, rows: Dataset) -> None:
    sure = choose_decision(made["sure"], rows, COST)
    trials = {t.method: t for t in sure.trials}
    best = next(t for t in sure.trials if t.chosen)
    assert best.method in ("sigmoid", "temperature")
    assert best.log_loss == min(t.log_loss for t in sure.trials) < trials["none"].log_loss - 0.2
    assert best.ece < 0.05 < trials["none"].ece
    assert best.improvement > best.standard_error > 0
    assert f"{best.method} has the least held-out log loss" in sure.notes[0]
    assert sure.calibration.method == best.method
    p, y, _ = labelled(made["sure"], made["table"])
    fitted = fit_calibration(p, y, method=best.method)
    assert sure.calibration.rows == fitted.rows == len(y)
    np.testing.assert_allclose(sure.calibration.apply(p), fitted.apply(p), atol=1e-8)
    fine = choose_decision(made["late"], rows, COST)
    assert fine.calibration is None
    assert "No calibration lowers" in fine.notes[0]
    assert [t.method for t in fine.trials if t.chosen] == ["none"]


def test_the_written_model_decides_so_and_can_be_chosen_anew(made: Any, rows: Dataset, tmp_path: Path) -> None:
    chosen = choose_decision(made["sure"], rows, COST, split="calibration")
    written = chosen.apply(made["sure"], str(tmp_path / "m"))
    assert served_cost(written, rows, COST).value == pytest.approx(chosen.expected.value, abs=1e-12)
    assert decision_threshold(written.info) == chosen.threshold
    assert decision_threshold(made["sure"].info) is None
    said = written.info["decision"]
    assert said["chosen_on"].startswith("split calibration, 1,471 rows; false positive 1 EUR, false negative 5 EUR;")
    assert ChosenDecision.from_dict(said["evidence"]) == chosen
    again = choose_decision(written, rows, COST)  # tried without the calibration it has
    assert again.before.value == pytest.approx(chosen.expected.value, abs=1e-12)
    assert again.threshold == chosen.threshold
    assert again.calibration == chosen.calibration
    assert split_warning(written.info, ["eval"]) is None
    assert "chosen on the split 'calibration' that it is judged on" in str(split_warning(written.info, ["calibration"]))
    assert split_warning(made["sure"].info, ["eval"]) is None


def test_three_classes_say_the_class_of_least_expected_cost(made: Any, rows: Dataset, tmp_path: Path) -> None:
    cost = {"costs": {"wild": {"calm": 10, "busy": 3}}}
    chosen = choose_decision(made["kind"], rows, cost, "temperature")
    classes = made["kind"].classes
    matrix = np.array(chosen.cost_matrix)
    assert matrix[classes.index("wild"), classes.index("calm")] == 10
    assert matrix[classes.index("calm"), classes.index("busy")] == 1
    assert (matrix.diagonal() == 0).all()
    written = chosen.apply(made["kind"], str(tmp_path / "m"))
    label, _ = written.targets(made["table"])
    true = np.array([classes.index(v) for v in label.to_pylist()])
    p = written.predict_proba(made["table"])
    rule = (p @ matrix.astype(np.float32)).argmin(axis=1)
    said = written.predict(made["table"]).column("label").to_pylist()
    assert said == [classes[i] for i in rule]
    assert chosen.expected.value == pytest.approx(matrix[true, rule].mean())
    assert chosen.saving.value > 0
    plain = made["kind"].predict(made["table"]).column("label").to_pylist()
    before = matrix[true, [classes.index(v) for v in plain]].mean()
    assert chosen.before.value == pytest.approx(before)
    few = [{f.name: r[f.name] for f in written.runtime.inputs} for r in made["table"].slice(0, 60).to_pylist()]
    assert [answer["label"] for answer in served(written.uri, few)] == said[:60] != plain[:60]


def test_costs_that_do_not_fit_a_model_are_refused_and_nothing_is_written(made: Any, tmp_path: Path) -> None:
    square = [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    for costs, threshold, said in (
        ([[0, 1], [1, 0]], None, "3 classes need a square"),
        ([[0, 1, float("inf")], [1, 0, 1], [1, 1, 0]], None, "not finite"),
        (square, 0.5, "two decisions: give one"),
    ):
        with pytest.raises(ModelError, match=said):
            made["kind"].with_decision(str(tmp_path / "m"), cost_matrix=costs, threshold=threshold)
    assert not (tmp_path / "m").exists()
    with pytest.raises(ModelError, match="nothing would change"):
        made["kind"].with_decision(str(tmp_path / "m"))
    written = made["kind"].with_decision(str(tmp_path / "m"), cost_matrix=square)  # equal costs: the greatest
    table = made["table"]
    assert written.predict(table).column("label").equals(made["kind"].predict(table).column("label"))
    assert written.decision.cost_matrix == tuple(tuple(map(float, row)) for row in square)
    undone = written.with_decision(str(tmp_path / "u"))
    assert undone.decision.cost_matrix is None


def test_a_matrix_of_two_classes_is_the_cost_of_its_four_outcomes(made: Any, rows: Dataset) -> None:
    matrix = choose_decision(made["late"], rows, CostMatrix([[0, 1], [5, 0]]), "none")
    named = choose_decision(made["late"], rows, CostMatrix({"true": {"false": 5}}), "none")
    plain = choose_decision(made["late"], rows, Cost(1, 5), "none")
    assert matrix.threshold == plain.threshold == named.threshold
    assert matrix.cost_matrix is None


def test_all_that_is_wrong_is_told_at_once(made: Any, rows: Dataset) -> None:
    bounds = [{"metric": "recal", "at_least": 0.9}, {"metric": "precision"}, {"metric": "recall", "at_least": 2.0}]
    with pytest.raises(ConfigError) as caught:
        choose_decision(made["late"], rows, {"false_positive": 0, "false_negative": -1}, "platt", constraints=bounds)
    said = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 6
    for part in ("being wrong must cost more", "'recal'", "no bound", "bound 2.0", "no calibration 'platt'"):
        assert part in said
    with pytest.raises(ConfigError, match="false positives and negatives are of two classes, and there are 3"):
        choose_decision(made["kind"], rows, COST)
    with pytest.raises(ConfigError, match=r"'wildd' is no class. Did you mean 'wild'"):
        choose_decision(made["kind"], rows, {"costs": {"wildd": {"calm": 2}}})
    with pytest.raises(ModelError, match="no probabilities to decide on"):
        choose_decision(made["minutes"], rows, COST)
    with pytest.raises(ConfigError, match="lacks 1 columns"):
        choose_decision(made["late"], Dataset.from_table(made["table"].drop_columns(["miles"])), COST)


def test_rows_that_can_decide_nothing_are_refused_with_the_reason(made: Any) -> None:
    table = made["table"]
    one = table.filter(pa.array([v is True for v in table["late"].to_pylist()]))
    with pytest.raises(DataError, match="no row of class False"):
        choose_decision(made["late"], Dataset.from_table(one), COST)
    none = table.set_column(table.schema.get_field_index("late"), "late", pa.nulls(len(table), pa.bool_()))
    with pytest.raises(DataError, match="1,500 missing labels"):
        choose_decision(made["late"], Dataset.from_table(none), COST)


def test_the_page_says_it_all_and_escapes_what_comes_from_users(made: Any, rows: Dataset) -> None:
    chosen = choose_decision(made["sure"], rows, COST | {"unit": "<b>EUR</b>"}, split="<script>")
    page = chosen.to_html()
    assert "<script>alert" not in page
    assert "&lt;b&gt;EUR&lt;/b&gt;" in page
    assert "rows of &lt;script&gt;" in page
    assert f"{chosen.threshold:.4g}" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_evidence_of_another_format_is_refused(made: Any, rows: Dataset) -> None:
    data = choose_decision(made["late"], rows, COST, "none").to_dict()
    with pytest.raises(ConfigError, match="not of format"):
        ChosenDecision.from_dict(data | {"format": 9})
    with pytest.raises(ConfigError, match="rows"):
        ChosenDecision.from_dict(data | {"rows": "many"})

"""Cards made of real results: fairness, importances, robustness and operation beside the evaluation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from model_analysis_line import built

from trueline._core.errors import ConfigError
from trueline.engine import Dataset
from trueline.model_analysis import (
    Constraint,
    Cost,
    EvalConfig,
    EvalOptions,
    MetricConfig,
    MetricsSpec,
    SlicingSpec,
    choose_decision,
    counterfactuals,
    evaluate,
    evaluate_fairness,
    evaluate_robustness,
    load_card,
    make_card,
    measure_operations,
    permutation_importance,
    shap_values,
)
from trueline.model_analysis.config import ConfidenceIntervalOptions
from trueline.model_analysis.robustness import Perturbation, RobustnessSpec

pytestmark = pytest.mark.frameworks
CONFIG = EvalConfig(
    (MetricsSpec((MetricConfig("AUC"), MetricConfig("Precision"), MetricConfig("ConfusionMatrixPlot"))),),
    (SlicingSpec(), SlicingSpec(("company",))),
    EvalOptions(
        compute_confidence_intervals=True, confidence_intervals=ConfidenceIntervalOptions("JACKKNIFE"),
        min_slice_size=20,
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    made = built()
    data, model = Dataset.from_table(made["table"]), made["late"]
    table = made["table"].slice(0, 400)
    return {
        "model": model,
        "evaluation": evaluate(model, data, CONFIG, baseline=made["weighted"]),
        "fairness": evaluate_fairness(model, data, {"groups": ["company"], "min_group_size": 20}),
        "explanation": permutation_importance(model, table, n_repeats=2),
        "robustness": evaluate_robustness(model, data, RobustnessSpec((Perturbation("missing", rate=0.3),), "AUC")),
        "operations": measure_operations(model, table.slice(0, 20), rounds=2, calls=3, batches=2, memory=False),
    }


@pytest.fixture(scope="module")
def card(parts: dict[str, Any]) -> Any:
    return make_card(**parts)


def test_the_numbers_are_those_of_the_results(card: Any, parts: dict[str, Any]) -> None:
    data, result = card.data, parts["evaluation"]
    auc = next(x for x in data.evaluation.overall if x.name == "auc")
    estimate, change = result.metric("auc"), result.measured.slices[0].changes["auc"]
    assert (auc.value, auc.low, auc.high) == (estimate.value, estimate.low, estimate.high)
    assert (auc.baseline, auc.change) == (result.metric("auc", baseline=True).value, change.value)
    by_slice = {s.name: s.metrics["auc"].value for s in result.measured.slices if s.key}
    worst = next(w for w in data.evaluation.worst if w.metric == "auc")
    assert (worst.slice, worst.value) == min(by_slice.items(), key=lambda pair: pair[1])
    groups = {g.name: g for g in parts["fairness"].groups}
    for rate in data.fairness.groups:
        if rate.group in groups:
            assert rate.value == groups[rate.group].rates[rate.rate].value
    assert {r.group for r in data.fairness.groups} == {"All rows", *(n for n, g in groups.items() if g.columns)}
    own = {c.key for c in parts["fairness"].criteria if "@" not in c.key}
    assert {c.name for c in data.fairness.criteria} == {f"{key} by company" for key in own}
    assert "@" not in "".join(r.rate for r in data.fairness.groups)
    assert {x.name: x.value for x in data.explanation.importances} == parts["explanation"].importance()
    assert data.robustness.losses[0].loss == max(x.loss for x in parts["robustness"].losses)
    figures = {x.name: x.value for x in data.operations.figures}
    assert figures["size of all files, bytes"] == parts["operations"].candidate.model_bytes
    assert next(x for x in data.operations.figures if x.name.startswith("peak")).undefined
    assert not any("not measured for this card" in s for s in data.limits if "server" not in s)


def test_the_page_draws_them_and_the_text_has_them(card: Any, tmp_path: Any) -> None:
    html, text = card.to_html(), card.to_markdown()
    for said in ("by group", "Permutation importance", "auc by slice", "99th percentile"):
        assert said in html
    assert html.count("<svg") >= 5  # slices, importances, groups, and the plot
    assert "undefined: " in text  # the memory that was not measured
    card.save(str(tmp_path))
    again = load_card(str(tmp_path))
    assert again.to_html() == html
    assert again.to_markdown() == text
    assert json.loads(card.data.to_json())["format"] == 1


def test_a_decision_and_shapley_values_stand_in_it(parts: dict[str, Any], tmp_path: Any) -> None:
    made = built()
    data = Dataset.from_table(made["table"])
    bound = Constraint("recall", at_least=0.2)
    chosen = choose_decision(made["late"], data, Cost(1, 5), "sigmoid", "calibration", constraints=[bound])
    model = chosen.apply(made["late"], str(tmp_path / "decided"))
    table = made["table"]
    values = shap_values(model, table.slice(0, 12), background=table.slice(100, 12))
    card = make_card(model, explanation=values)
    assert card.data.model.decision.threshold == chosen.threshold
    assert card.data.model.decision.calibration == "sigmoid"
    assert "after sigmoid calibration on" in card.to_markdown()
    assert [x.name for x in card.data.explanation.importances] == list(values.importance())


def test_an_explanation_of_single_rows_has_no_place_in_it(parts: dict[str, Any]) -> None:
    table = built()["table"]
    single = counterfactuals(parts["model"], table.slice(0, 1), table)
    with pytest.raises(ConfigError, match="cannot stand in a model card"):
        make_card(parts["model"], explanation=single)

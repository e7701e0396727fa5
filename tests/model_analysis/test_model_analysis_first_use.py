"""What somebody meets who evaluates a DataFrame for the first time: wrong types are told before a row is read, and a
result says in one line what it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from trueline._core.errors import ConfigError
from trueline.model_analysis import (
    EvalConfig,
    GenericValueThreshold,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    SlicingSpec,
    analyze_raw_data,
)

AUC = EvalConfig((MetricsSpec(("AUC",)),))  # type: ignore[arg-type]


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    score = rng.random(100)
    return pd.DataFrame(
        {
            "label": (rng.random(100) < score).astype(int),
            "prediction": score,
            "city": rng.choice(["Zürich", "東京"], 100),
        }
    )


EXPECTED = roc_auc_score(frame()["label"], frame()["prediction"])


def changed(**columns: Any) -> pd.DataFrame:
    return frame().assign(**columns)


@pytest.mark.parametrize(
    "data",
    [
        frame(),
        changed(label=frame()["label"].astype(bool)),
        changed(label=frame()["label"].astype(str)),
        changed(prediction=frame()["prediction"].astype("Float64")),
        changed(prediction=frame()["prediction"].astype(object)),
        changed(city=frame()["city"].astype("category")),
    ],
    ids=["plain", "bool", "digits", "nullable", "object", "category"],
)
def test_columns_of_every_type_that_holds_numbers_give_the_same(data):
    assert analyze_raw_data(data, AUC).metric("auc").value == pytest.approx(EXPECTED, abs=1e-12)


@pytest.mark.parametrize("kind", [str, "category"])
def test_labels_that_are_words_need_their_classes(kind):
    data = changed(label=pd.Series(np.where(frame()["label"] == 1, "yes", "no")).astype(kind))
    with pytest.raises(ConfigError) as caught:
        analyze_raw_data(data, AUC)
    (problem,) = caught.value.problems
    assert problem.startswith("label column 'label' holds texts ('no', 'yes'): give their values as classes")
    found = analyze_raw_data(data, AUC, classes=["no", "yes"]).metric("auc")
    assert found.value == pytest.approx(EXPECTED, abs=1e-12)


@pytest.mark.parametrize(
    ("data", "given", "said"),
    [
        (changed(prediction="high"), {}, "column 'prediction' holds texts, and AUC needs predictions that are numbers"),
        (changed(prediction=pd.Timestamp("2020-01-01")), {}, "Columns of numbers: label."),
        (changed(prediction=None), {}, "column 'prediction' holds"),
        (frame(), {"task": "binry"}, "there is no task 'binry'. Did you mean 'binary'?"),
        (frame(), {"task": "multiclass"}, "a prediction is a list of numbers a row"),
        (frame(), {"task": "regression", "label_key": "city"}, "a label of the task 'regression' is a number a row"),
        (frame(), {"example_weight_key": "wt"}, "the data has no column 'wt'"),
        (frame(), {"label_key": "labl"}, "Did you mean 'label'?"),
    ],
)
def test_wrong_columns_are_told_at_once_with_what_would_do(data, given, said):
    with pytest.raises(ConfigError) as caught:
        analyze_raw_data(data, AUC, **given)
    assert any(said in problem for problem in caught.value.problems), caught.value.problems


@pytest.mark.parametrize("config", ["AUC", {"metrics_specs": []}, None])
def test_what_is_no_config_is_refused_by_its_type(config):
    with pytest.raises(ConfigError, match=f"an EvalConfig is needed, not a {type(config).__name__}") as caught:
        analyze_raw_data(frame(), config)
    assert "from_text" in str(caught.value.hint)


def test_names_of_metrics_stand_for_their_configs_and_live_through_json():
    assert MetricsSpec("AUC") == MetricsSpec(MetricConfig("AUC")) == MetricsSpec((MetricConfig("AUC"),))  # type: ignore[arg-type]
    assert EvalConfig.from_json(AUC.to_json()) == AUC


def test_a_result_says_in_one_line_what_it_is():
    def said(lower: float | None) -> str:
        bound = None if lower is None else MetricThreshold(GenericValueThreshold(lower_bound=lower))
        specs = (MetricsSpec((MetricConfig("AUC", threshold=bound), MetricConfig("Recall"))),)
        return repr(analyze_raw_data(frame(), EvalConfig(specs, (SlicingSpec(), SlicingSpec(("city",))))))

    assert said(None) == "EvalResult(binary, 100 rows, 3 slices, 2 metrics, not judged)"
    assert said(0.1) == "EvalResult(binary, 100 rows, 3 slices, 2 metrics, gate open)"
    assert said(0.999) == "EvalResult(binary, 100 rows, 3 slices, 2 metrics, gate closed: 3 failed)"

"""A configuration that cannot work is refused before any data is read, with every problem at once."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest

import trueline.model_analysis
from trueline._core.errors import ConfigError
from trueline.model_analysis import (
    METRICS,
    EvalConfig,
    EvalOptions,
    GenericChangeThreshold,
    GenericValueThreshold,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    ModelSpec,
    PerSliceMetricThreshold,
    SlicingSpec,
    analyze_raw_data,
)
from trueline.model_analysis.metrics import TASKS
from trueline.model_analysis.metrics.record import REQUIRED
from trueline.model_analysis.rules import PlannedMetric

BOUND = MetricThreshold(GenericValueThreshold(0.5, 0.9), GenericChangeThreshold(-0.01, None, "HIGHER_IS_BETTER"))
FULL = EvalConfig(
    metrics_specs=[
        MetricsSpec(
            metrics=[
                MetricConfig("AUC", {"curve": "PR", "name": "pr"}, BOUND),
                MetricConfig(
                    "Recall",
                    {"thresholds": [0.3]},
                    per_slice_thresholds=[PerSliceMetricThreshold([SlicingSpec(["company"])], BOUND)],
                ),
            ],
            thresholds={"recall": BOUND},
            per_slice_thresholds={"pr": [PerSliceMetricThreshold([SlicingSpec()], BOUND)]},
        )
    ],
    slicing_specs=[SlicingSpec(), SlicingSpec(["company"], {"hour": 3}), SlicingSpec(["company"])],
    options=EvalOptions(min_slice_size=20, confidence=0.99),
    model_specs=[ModelSpec(label_key="tips"), ModelSpec("baseline", prediction_key="old", is_baseline=True)],
)


def test_config_survives_json() -> None:
    FULL.validate()
    again = EvalConfig.from_json(FULL.to_json())
    assert again == FULL
    assert again.to_json() == FULL.to_json()
    assert json.loads(FULL.to_json())["format"] == 1


def refused(config: EvalConfig) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        config.validate()
    return caught.value.problems


def test_all_problems_are_reported_at_once() -> None:
    config = EvalConfig(
        [
            MetricsSpec(
                [
                    MetricConfig("AUCC"),
                    MetricConfig("AUC", {"kurve": "PR"}),
                    MetricConfig("MeanLabel", threshold=MetricThreshold(change_threshold=GenericChangeThreshold(0.0))),
                ],
                thresholds={"ouc": BOUND},
            )
        ],
        [SlicingSpec(["a"], {"a": "1"}), SlicingSpec(expression="fare >")],
        EvalOptions(confidence=1.5),
    )
    problems = refused(config)
    for text in (
        "there is no metric 'AUCC'. Did you mean 'AUC'?",
        "metric 'AUC' has no option 'kurve'. Did you mean 'curve'?",
        "threshold on 'mean_label': the metric has no better direction of its own",
        "threshold on 'ouc': this metric is not computed. Did you mean 'auc'?",
        "'a' stands in feature_keys and feature_values",
        "slice 'fare >'",
        "options.confidence is 1.5",
    ):
        assert any(text in p for p in problems), (text, problems)
    assert len(problems) == 7


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        (MetricConfig("AUC", {"curve": "pr"}), "'pr' is none of PR, ROC"),
        (MetricConfig("Recall", {"thresholds": []}), "a number or a list of numbers is expected"),
        (MetricConfig("Recall", {"thresholds": "0.5"}), "a number is expected"),
        (MetricConfig("PrecisionAtRecall"), "needs the option 'recall'"),
        (MetricConfig("AUC", threshold=MetricThreshold()), "it would check nothing"),
        (MetricConfig("AUC", threshold=MetricThreshold(GenericValueThreshold(0.9, 0.1))), "is above upper_bound"),
        (MetricConfig("AUC", threshold=MetricThreshold(GenericValueThreshold())), "neither lower_bound nor upper"),
        (MetricConfig("AUC", threshold=MetricThreshold(GenericValueThreshold(float("nan")))), "a bound is NaN"),
        (
            MetricConfig("AUC", threshold=MetricThreshold(change_threshold=GenericChangeThreshold())),
            "neither absolute nor relative",
        ),
        (
            MetricConfig("AUC", threshold=MetricThreshold(change_threshold=GenericChangeThreshold(0.0, None, "UP"))),
            "direction 'UP' is none of",
        ),
        (
            MetricConfig("AUC", per_slice_thresholds=[PerSliceMetricThreshold([SlicingSpec(["hour"])], BOUND)]),
            "slice 'hour' is not among the slicing_specs (Overall)",
        ),
        (MetricConfig("AUC", per_slice_thresholds=[PerSliceMetricThreshold([], BOUND)]), "need slicing_specs"),
    ],
)
def test_each_problem_has_its_sentence(metric: MetricConfig, text: str) -> None:
    problems = refused(EvalConfig([MetricsSpec([metric])]))
    assert len(problems) == 1
    assert text in problems[0]


def test_same_key_twice_and_no_metric_at_all() -> None:
    assert "2 metrics have the key 'recall'" in refused(
        EvalConfig([MetricsSpec([MetricConfig("Recall"), MetricConfig("Recall", {"thresholds": 0.1})])])
    )[0]  # fmt: skip
    assert "nothing would be measured" in refused(EvalConfig())[0]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("{", "no JSON"),
        ("[]", "must be a JSON object"),
        ('{"format": 9}', "format 9"),
        ('{"metric_specs": []}', "Did you mean 'metrics_specs'"),
        ('{"metrics_specs": [{"metrics": [{}]}]}', r"metrics_specs\[0\].metrics\[0\]: field 'class_name' is missing"),
        ('{"options": {"min_slice_size": "3"}}', "options.min_slice_size: int is expected, not '3'"),
        ('{"options": {"min_slice_size": true}}', "options.min_slice_size: int is expected"),
        ('{"slicing_specs": {}}', "slicing_specs: a list is expected"),
    ],
)
def test_json_from_outside_is_checked(data: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        EvalConfig.from_json(data)


def test_data_and_task_are_held_against_the_config() -> None:
    table = pa.table({"label": [1.0], "prediction": pa.array([[0.1, 0.9]]), "company": ["a"]})
    config = EvalConfig([MetricsSpec([MetricConfig("ResidualPlot")])], [SlicingSpec(["compani"])])
    with pytest.raises(ConfigError) as caught:
        analyze_raw_data(table, config, label_key="labl")
    assert len(caught.value.problems) == 3
    assert "'ResidualPlot' is not defined for a multiclass model" in caught.value.problems[0]
    assert "no column 'compani'. Did you mean 'company'" in caught.value.problems[1]
    assert "no column 'labl'. Did you mean 'label'" in caught.value.problems[2]


def test_every_metric_record_is_complete() -> None:
    for (cls, task), metric in METRICS.items():
        assert metric.class_name == cls
        assert task in TASKS
        ways = (metric.finish, metric.curve, metric.data, metric.own, metric.parts)
        assert sum(bool(way) for way in ways) == 1, cls
        assert metric.undefined or metric.moments == ("weight",) or metric.name.split("_")[0] in (
            "true", "false", "tp", "tn", "fp", "fn")  # fmt: skip
        options: dict[str, Any] = {k: 0.5 if v is None or v is REQUIRED else v for k, v in metric.options.items()}
        planned = PlannedMetric("x", metric, {**options, "classes": 3})
        assert planned.moments(3) or planned.tables(3) or metric.curve or metric.own or metric.parts, cls


def test_public_names_are_all_there_and_importing_the_room_is_cheap() -> None:
    for name in trueline.model_analysis.__all__:
        assert getattr(trueline.model_analysis, name) is not None
    code = (
        "import sys, trueline.model_analysis as m; m.EvalConfig;"
        "print([n for n in ('pyarrow', 'onnx', 'onnxruntime', 'sklearn', 'numpy') if n in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"

"""A configuration that cannot work is refused before any data is read, with every problem at once."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings

import trueline.model_analysis
from trueline._core.errors import ConfigError
from trueline.model_analysis import (
    METRICS,
    AggregationOptions,
    BinarizationOptions,
    ConfidenceIntervalOptions,
    CrossSliceMetricThreshold,
    CrossSlicingSpec,
    EvalConfig,
    EvalOptions,
    ExampleWeightOptions,
    GenericChangeThreshold,
    GenericValueThreshold,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    ModelSpec,
    PerSliceMetricThreshold,
    SlicingSpec,
    analyze_raw_data,
    default_binary_classification_specs,
    default_multi_class_classification_specs,
    default_regression_specs,
    specs_from_metrics,
)
from trueline.model_analysis.check import config_problems
from trueline.model_analysis.check_slices import could_give
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


def test_a_text_is_no_list_of_its_letters() -> None:
    with pytest.raises(ConfigError, match=r"SlicingSpec.feature_keys is the text 'company', a list is expected"):
        SlicingSpec("company")  # type: ignore[arg-type]


OURS = FULL.to_json()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(OURS)), st.integers(0, 12), st.text('{}[]:,"\\01.e-nul', max_size=3))
def test_damaged_json_of_ours_is_a_config_or_a_config_error(at: int, gone: int, new: str) -> None:
    try:
        made = EvalConfig.from_json(OURS[:at] + new + OURS[at + gone :])
    except ConfigError:
        return
    assert EvalConfig.from_json(made.to_json()) == made


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
        ('{"metrics_specs": [{"aggregate": {"class_weights": {"x": 1}}}]}', "a whole number is expected for the name"),
        ('{"options": {"confidence": 1' + "0" * 400 + "}}", "options.confidence: float is expected, not 1000"),
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


BINARY = MetricConfig("AUC")


def problems_of(spec: MetricsSpec, task: str | None = "multiclass", **known: Any) -> list[str]:
    return config_problems(EvalConfig([spec]), task, **known)


@pytest.mark.parametrize(
    ("spec", "known", "text"),
    [
        (MetricsSpec([BINARY], binarize=BinarizationOptions()), {}, "none of class_ids, k_list, top_k_list"),
        (MetricsSpec([BINARY], binarize=BinarizationOptions((3,))), {"classes": 3}, "class_ids has 3; whole numbers"),
        (MetricsSpec([BINARY], binarize=BinarizationOptions((-1,))), {}, "class_ids has -1"),
        (MetricsSpec([BINARY], binarize=BinarizationOptions((1, 1))), {}, "class_ids names one number twice"),
        (MetricsSpec([BINARY], binarize=BinarizationOptions(k_list=(0,))), {}, "k_list has 0; whole numbers are"),
        (MetricsSpec([BINARY], binarize=BinarizationOptions(k_list=(4,))), {"classes": 3}, "from 1 to 3, since there"),
        (MetricsSpec([BINARY], binarize=BinarizationOptions(top_k_list=(4,))), {"classes": 3}, "top_k_list has 4"),
        (MetricsSpec([BINARY], aggregate=AggregationOptions()), {}, "exactly one of micro_average"),
        (MetricsSpec([BINARY], aggregate=AggregationOptions(True, True)), {}, "found micro_average and macro_average"),
        (MetricsSpec([BINARY], aggregate=AggregationOptions(macro_average=True)), {}, "needs class_weights"),
        (MetricsSpec([BINARY], aggregate=AggregationOptions(weighted_macro_average=True)), {}, "needs class_weights"),
        (
            MetricsSpec([BINARY], aggregate=AggregationOptions(macro_average=True, class_weights={5: 1.0})),
            {"classes": 3},
            "class_weights has 5; there are the classes 0 to 2",
        ),
        (
            MetricsSpec([BINARY], aggregate=AggregationOptions(macro_average=True, class_weights={0: 0.0, 1: 0.0})),
            {},
            "class_weights are all 0",
        ),
        (
            MetricsSpec([BINARY], aggregate=AggregationOptions(macro_average=True, class_weights={0: float("nan")})),
            {},
            "class_weights['0'] is nan",
        ),
        (MetricsSpec([MetricConfig("Accuracy")], model_names=("a",)), {"models": ["b"]}, "there is no model 'a'"),
        (MetricsSpec([MetricConfig("Accuracy")], output_names=("a",)), {"outputs": ["b"]}, "there is no output 'a'"),
        (
            MetricsSpec([MetricConfig("Accuracy")], output_names=("a",), output_weights={"b": 1.0}),
            {},
            "output_weights: there is no output 'b'. Did you mean",
        ),
        (MetricsSpec([MetricConfig("Accuracy")], query_key="q"), {"columns": ["x"]}, "the data has no column 'q'"),
        (
            MetricsSpec([MetricConfig("Accuracy")], example_weights=ExampleWeightOptions(weighted=True)),
            {"has_weight": False},
            "asks for weighted values, but rows have no weight",
        ),
    ],
)
def test_each_problem_of_a_metrics_spec_has_its_sentence(spec: MetricsSpec, known: dict[str, Any], text: str) -> None:
    problems = problems_of(spec, **known)
    assert len(problems) == 1, problems
    assert text in problems[0].replace("There is: a.", "Did you mean")


def test_what_is_not_known_is_not_held_against_a_config() -> None:
    spec = MetricsSpec(
        [BINARY], model_names=("m",), output_names=("o",), binarize=BinarizationOptions((70,), (70,), (70,)),
        aggregate=AggregationOptions(macro_average=True, class_weights={70: 1.0}), query_key="q",
        example_weights=ExampleWeightOptions(True, True),
    )  # fmt: skip
    assert problems_of(spec) == []
    assert problems_of(spec, None) == []
    counts = MetricsSpec([MetricConfig("WeightedExampleCount")], example_weights=ExampleWeightOptions(weighted=True))
    assert problems_of(counts, has_weight=False) == []


def test_binarize_needs_classes_and_a_baseline_is_asked_for() -> None:
    spec = MetricsSpec([BINARY], binarize=BinarizationOptions((0,)))
    assert problems_of(spec, "binary") == [
        "binarize makes binary problems out of classes, which a binary model does not have"
    ]
    flips = MetricsSpec([MetricConfig("SymmetricFlipRate")])
    assert problems_of(flips, "binary") == problems_of(flips, "binary", has_baseline=True) == []
    assert "there is no baseline" in problems_of(flips, "binary", has_baseline=False)[0]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (EvalOptions(multiplicity="holms"), "options.multiplicity is 'holms'. Did you mean 'holm'"),
        (EvalOptions(confidence_intervals=ConfidenceIntervalOptions("JACK")), "method is 'JACK'"),
        (EvalOptions(confidence_intervals=ConfidenceIntervalOptions(resamples=1)), "resamples is 1"),
        (EvalOptions(noise_groups=1), "noise_groups is 1, it must be a whole number from 2 to 255"),
        (EvalOptions(min_slice_size="3"), "min_slice_size is '3'"),  # type: ignore[arg-type]
        (EvalOptions(confidence=float("nan")), "confidence is nan"),
    ],
)
def test_each_problem_of_the_options_has_its_sentence(options: EvalOptions, text: str) -> None:
    problems = refused(EvalConfig([MetricsSpec([BINARY])], options=options))
    assert len(problems) == 1
    assert text in problems[0]


@pytest.mark.parametrize(
    ("specs", "text"),
    [
        ([ModelSpec("a", is_baseline=True), ModelSpec("b", is_baseline=True)], "2 model specs are the baseline"),
        ([ModelSpec(), ModelSpec("b")], "2 model specs need names"),
        ([ModelSpec("b"), ModelSpec("b")], "2 model specs have the name 'b'"),
        ([ModelSpec("m", "y", label_keys={"o": "z"})], "model spec 'm' has label_key and label_keys"),
        ([ModelSpec(padding_options={"label": 1})], "padding_options has no 'label'"),
        ([ModelSpec(inference_batch_size=0)], "inference_batch_size is 0"),
    ],
)
def test_each_problem_of_model_specs_has_its_sentence(specs: list[ModelSpec], text: str) -> None:
    problems = refused(EvalConfig([MetricsSpec([BINARY])], model_specs=specs))
    assert len(problems) == 1
    assert text in problems[0]
    known = [ModelSpec("a"), ModelSpec("b")]
    unknown = EvalConfig([MetricsSpec([BINARY], model_names=("c",))], model_specs=known)
    assert "model_names: there is no model 'c'" in refused(unknown)[0]


def change(**more: Any) -> MetricThreshold:
    return MetricThreshold(change_threshold=GenericChangeThreshold(0.0, **more))


CROSS = CrossSlicingSpec(SlicingSpec(), (SlicingSpec(["a"]),))


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        (MetricConfig("AUC", threshold=change(test="better")), "test 'better' is none of worse, non_inferior, value"),
        (MetricConfig("AUC", threshold=change(confidence=0.3)), "confidence is 0.3"),
        (MetricConfig("AUC", threshold=MetricThreshold(GenericValueThreshold(0.5), undefined="skip")), "is 'skip'"),
        (
            MetricConfig("AUC", cross_slice_thresholds=[CrossSliceMetricThreshold([CROSS], BOUND)]),
            "cross-slice thresholds need cross_slicing_specs in the evaluation config",
        ),
        (
            MetricConfig("AUC", cross_slice_thresholds=[CrossSliceMetricThreshold([], BOUND)]),
            "cross-slice thresholds need cross_slicing_specs of their own",
        ),
    ],
)
def test_each_problem_of_a_threshold_has_its_sentence(metric: MetricConfig, text: str) -> None:
    problems = refused(EvalConfig([MetricsSpec([metric])]))
    assert len(problems) == 1
    assert text in problems[0]


def test_cross_slice_thresholds_name_configured_pairs_whose_slices_are_made() -> None:
    asked = CrossSlicingSpec(SlicingSpec(), (SlicingSpec(feature_values={"a": "1"}),))
    metric = MetricConfig("AUC", cross_slice_thresholds=[CrossSliceMetricThreshold([asked], BOUND)])
    config = EvalConfig([MetricsSpec([metric])], cross_slicing_specs=[CROSS])
    config.validate()
    assert config.slices == (SlicingSpec(), SlicingSpec(["a"]))
    other = CrossSlicingSpec(SlicingSpec(), (SlicingSpec(["b"]),))
    problems = refused(replace(config, cross_slicing_specs=(other,)))
    assert "'Overall minus a=1' is not among the cross_slicing_specs (Overall minus b)" in problems[0]
    same = CrossSlicingSpec(SlicingSpec(), (SlicingSpec(),))
    problems = refused(EvalConfig([MetricsSpec([BINARY])], cross_slicing_specs=[same]))
    assert problems == ("cross slice 'Overall' would be compared with itself",)


@pytest.mark.parametrize(
    ("specs", "text"),
    [
        ([SlicingSpec(buckets={"a": (2, 1)})], "buckets of 'a': boundaries must ascend"),
        ([SlicingSpec(["a"], buckets={"a": (1,)})], "'a' stands in feature_keys and buckets"),
        ([SlicingSpec(["a"]), SlicingSpec(buckets={"a": (1,)})], "by its values and by buckets"),
        ([SlicingSpec(slice_keys_sql="SELECT a")], "STRUCT is expected"),
        ([SlicingSpec(["a"], slice_keys_sql="SELECT STRUCT(b)")], "slice_keys_sql stands alone"),
        ([SlicingSpec(slice_keys_sql="SELECT STRUCT(b)")], "the data has no column 'b'"),
        ([SlicingSpec(buckets={"b": (1,)})], "the data has no column 'b'"),
    ],
)
def test_each_problem_of_a_slice_has_its_sentence(specs: list[SlicingSpec], text: str) -> None:
    problems = config_problems(EvalConfig([MetricsSpec([BINARY])], specs), columns=["a"])
    assert any(text in p for p in problems), problems
    assert all("slic" in p for p in problems)


@pytest.mark.parametrize(
    ("made", "asked", "could"),
    [
        (SlicingSpec(buckets={"a": (1, 2)}), SlicingSpec(buckets={"a": (1, 2)}), True),
        (SlicingSpec(buckets={"a": (1, 2)}), SlicingSpec(feature_values={"a": "[1, 2)"}), True),
        (SlicingSpec(buckets={"a": (1, 2)}), SlicingSpec(feature_values={"a": "[1, 3)"}), False),
        (SlicingSpec(buckets={"a": (1, 2)}), SlicingSpec(["a"]), True),
        (SlicingSpec(["a"]), SlicingSpec(buckets={"a": (1, 2)}), False),
        (SlicingSpec(feature_values={"a": "1"}), SlicingSpec(feature_values={"a": "1.0"}), True),
        (SlicingSpec(feature_values={"a": "1"}), SlicingSpec(feature_values={"a": "2"}), False),
        (SlicingSpec(feature_values={"a": "1"}), SlicingSpec(["a"]), True),
        (SlicingSpec(slice_keys_sql="SELECT STRUCT(a)"), SlicingSpec(feature_values={"a": "1"}), True),
        (SlicingSpec(slice_keys_sql="SELECT"), SlicingSpec(["a"]), False),
        (SlicingSpec(["a"], expression="b > 1"), SlicingSpec(["a"]), False),
    ],
)
def test_a_threshold_can_find_its_slice(made: SlicingSpec, asked: SlicingSpec, could: bool) -> None:
    assert could_give(made, asked) is could


def test_every_metric_of_the_table_can_be_configured_with_its_own_defaults() -> None:
    for (name, task), metric in METRICS.items():
        needed = {
            n: "f" if n.endswith("key") else [1] if n.endswith("ids") else 1
            for n, v in metric.options.items()
            if v is REQUIRED
        }
        query = "q" if metric.query else ""
        for options in (needed, {**metric.options, **needed}):
            assert problems_of(MetricsSpec([MetricConfig(name, options)], query_key=query), task) == [], name
        for option in needed:
            (problem,) = problems_of(MetricsSpec([MetricConfig(name, {**needed, option: None})], query_key=query), task)
            assert problem == f"metric {name!r} needs the option {option!r}"


@pytest.mark.parametrize(
    ("name", "module", "text"),
    [
        ("nope", "sklearn.metrics", "metric 'nope' of module 'sklearn.metrics': the function does not exist"),
        ("x", "no_such_module", "the module cannot be imported"),
        ("x", "", "there is no metric 'x'"),
    ],
)
def test_a_metric_of_a_module_that_does_not_exist_is_one_problem(name: str, module: str, text: str) -> None:
    metric = MetricConfig(name, {}, BOUND, module=module)
    (problem,) = refused(EvalConfig([MetricsSpec([metric], thresholds={name: BOUND})]))
    assert text in problem


def test_one_key_for_two_metrics_in_different_specs() -> None:
    again = MetricsSpec([BINARY], example_weights=ExampleWeightOptions(unweighted=True))
    EvalConfig([MetricsSpec([BINARY]), MetricsSpec([BINARY], binarize=BinarizationOptions((0,)))]).validate()
    EvalConfig([MetricsSpec([BINARY], output_names=("a",)), MetricsSpec([BINARY], output_names=("b",))]).validate()
    other = MetricConfig("AUC", {"curve": "PR"})
    assert "2 metrics have the key 'auc'" in refused(EvalConfig([MetricsSpec([other]), again]))[0]


@pytest.mark.parametrize(
    ("specs", "task"),
    [
        (default_regression_specs(min_value=0.0, max_value=9.0), "regression"),
        (default_regression_specs(loss_functions=["MeanAbsoluteError"]), "regression"),
        (default_binary_classification_specs(), "binary"),
        (default_multi_class_classification_specs(), "multiclass"),
        (default_multi_class_classification_specs(binarize=BinarizationOptions((0, 1), top_k_list=(2,))), "multiclass"),
        (default_multi_class_classification_specs(binarize=BinarizationOptions(top_k_list=(2,))), "multiclass"),
    ],
)
def test_default_metrics_exist_and_can_be_computed(specs: tuple[MetricsSpec, ...], task: str) -> None:
    assert config_problems(EvalConfig(specs), task, classes=3, has_weight=False) == []
    names = [m.class_name for s in specs for m in s.metrics]
    assert names[:2] == ["ExampleCount", "WeightedExampleCount"]
    assert names.count("ExampleCount") == 1


def test_specs_from_metrics_by_output_and_without_weight() -> None:
    made = specs_from_metrics({"a": ["AUC"], "b": ["Recall"]}, unweighted_metrics={"b": ["Precision"]})
    assert [(s.output_names, [m.class_name for m in s.metrics]) for s in made] == [
        ((), ["ExampleCount"]),
        (("a",), ["WeightedExampleCount"]),
        (("a",), ["AUC"]),
        (("b",), ["WeightedExampleCount"]),
        (("b",), ["Recall"]),
        (("b",), ["Precision"]),
    ]
    assert made[-1].example_weights == ExampleWeightOptions(unweighted=True)
    EvalConfig(made).validate()
    with pytest.raises(ConfigError, match="exclude each other"):
        specs_from_metrics({"a": ["AUC"]}, output_names=("a",))
    with pytest.raises(ConfigError, match="Did you mean 'AUC'"):
        specs_from_metrics(["AUCC"])

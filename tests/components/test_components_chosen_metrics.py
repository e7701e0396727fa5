"""Searches and choices by metrics of every form: averages over classes, queries, one's own direction; none is passed by
for having another key than its name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("sklearn")

from sklearn.metrics import f1_score, ndcg_score

import trueline.transform as tlt
from trueline._core.errors import ConfigError, ModelError
from trueline._core.values import RawFeature
from trueline.components import CsvExampleGen, ImportSchemaGen, Transform, Tuner
from trueline.components.model_optimiser import Tried, _judge, _metrics
from trueline.components.tuner_measure import measured_value
from trueline.engine import Dataset
from trueline.model_analysis import (
    AggregationOptions,
    BinarizationOptions,
    EvalConfig,
    MetricConfig,
    MetricsSpec,
    ModelsResult,
    analyze_raw_data,
)
from trueline.model_analysis.config_json import encode
from trueline.models.exporters.python_function import PythonModel
from trueline.training import FnArgs

KINDS = ["calm", "busy", "wild"]
MACRO = MetricsSpec(
    (MetricConfig("F1Score"),), aggregate=AggregationOptions(macro_average=True, class_weights={0: 1, 1: 1, 2: 1})
)
MICRO = MetricsSpec((MetricConfig("AUC"),), aggregate=AggregationOptions(micro_average=True))


def as_json(spec: MetricsSpec) -> dict[str, Any]:
    return {"class_name": spec.metrics[0].class_name, "spec": encode(spec)}


def softmax(x: Any) -> Any:
    """The three inputs as logits."""
    powers = np.exp(x - x.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def first(x: Any) -> Any:
    """The first input as a score."""
    return x[:, 0]


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    rng = np.random.default_rng(4)
    x = rng.normal(0, 1, (300, 3))
    kind = np.array(KINDS)[(x + rng.normal(0, 1, (300, 3))).argmax(1)]
    gain = np.clip(np.round(x[:, 0] + rng.normal(0, 1, 300) + 1), 0, 4)
    return pa.table(
        {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "kind": kind, "gain": gain, "query": np.arange(300) % 30}
    )


def args(rows: pa.Table, label: str) -> FnArgs:
    """What a run function gets, the eval split being all rows."""
    floats = [RawFeature(n, "float64", optional=False) for n in ("a", "b", "c", "gain")]
    raw = [*floats, RawFeature("kind", "utf8", optional=False), RawFeature("query", "int64", optional=False)]
    transform = tlt.analyze(tlt.trace(lambda i: dict(i.items()), raw), Dataset.from_table(rows))
    data = Dataset.from_table(transform.transform(rows), 70)
    return FnArgs.create(train=data, eval=data, transform=transform, label=label, features=["a", "b", "c"])


def test_a_search_by_macro_f1_measures_what_scikit_learn_does(rows):
    from trueline.models import Fitted

    fn_args = args(rows, "kind")
    model = Fitted(PythonModel(softmax, "probabilities", classes=KINDS))
    x = np.stack([rows[n].to_numpy() for n in "abc"], 1)
    found = measured_value(model, fn_args, as_json(MACRO))
    above = softmax(x) > 0.5
    truth = np.array(rows["kind"].to_pylist())[:, None] == np.array(KINDS)[None]
    assert found == pytest.approx(f1_score(truth, above, average="macro"), abs=1e-6)


def test_a_search_by_ndcg_finds_the_rows_of_a_query_wherever_they_lie(rows):
    from trueline.models import Fitted

    fn_args = args(rows, "gain")
    model = Fitted(PythonModel(first, "score"))
    spec = MetricsSpec((MetricConfig("NDCG"),), query_key="query")
    found = measured_value(model, fn_args, as_json(spec))
    query, gain, score = (rows[n].to_numpy() for n in ("query", "gain", "a"))
    groups = [query == q for q in range(30)]
    expected = np.mean([ndcg_score([gain[g]], [score[g]]) for g in groups])
    assert found == pytest.approx(expected, abs=1e-6)


def test_several_values_structures_and_absent_columns_are_refused_in_one_sentence(rows):
    from trueline.models import Fitted

    model, fn_args = Fitted(PythonModel(softmax, "probabilities", classes=KINDS)), args(rows, "kind")
    two = MetricsSpec((MetricConfig("AUC"),), binarize=BinarizationOptions(class_ids=(0, 2)))
    with pytest.raises(ModelError, match=r"AUC has several values: auc\[class_id=0\], auc\[class_id=2\]"):
        measured_value(model, fn_args, as_json(two))
    plot = MetricsSpec((MetricConfig("MultiClassConfusionMatrixPlot"),))
    with pytest.raises(ModelError, match="is no number"):
        measured_value(model, fn_args, as_json(plot))
    score = Fitted(PythonModel(first, "score"))
    absent = MetricsSpec((MetricConfig("NDCG"),), query_key="questions")
    with pytest.raises(ConfigError) as caught:
        measured_value(score, args(rows, "gain"), as_json(absent))
    assert any("questions" in problem for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("metric", "direction", "said"),
    [
        ("BinaryCrossEntropy", "maximize", "BinaryCrossEntropy is best when minimized"),
        ("AUC", "minimize", "AUC is best when maximized"),
        ("NDCG", "maximize", "query_key"),
        (MetricsSpec((MetricConfig("AUC"), MetricConfig("F1Score"))), "maximize", "has 2 metrics"),
        (3, "maximize", "metric is a int"),
    ],
)
def test_a_tuner_says_what_is_wrong_with_its_metric_when_it_is_made(metric, direction, said):
    gen = CsvExampleGen(input_base=".")
    schema = ImportSchemaGen(schema_file="schema.pbtxt").outputs["schema"]
    transform = Transform(examples=gen.outputs["examples"], schema=schema, preprocessing_fn=f"{__file__}:first")
    wired = {
        "examples": transform.outputs["transformed_examples"], "transform_graph": transform.outputs["transform_graph"]
    }  # fmt: skip
    node = Tuner(**wired, label="y", run_fn=f"{__file__}:first", space={"x": [1]}, metric=metric, direction=direction)
    assert any(said in problem for problem in node.problems), node.problems


def scored(seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, 400)
    good, bad = (rng.dirichlet(np.ones(3), 400) + weight * np.eye(3)[label] for weight in (0.6, 0.1))
    tables = {n: pa.array((p / p.sum(1, keepdims=True)).tolist(), pa.list_(pa.float64())) for n, p in
              (("good", good), ("bad", bad))}  # fmt: skip
    return pa.table({"label": label, **tables})


def results(*specs: MetricsSpec) -> ModelsResult:
    """Two candidates; the second one is better."""
    rows, made = scored(1), {}
    for name in ("bad", "good"):
        made[name] = analyze_raw_data(rows, EvalConfig(specs), prediction_key=name)
    return ModelsResult(made)


@pytest.mark.parametrize("metric", ["AUC", "auc", "auc[micro_average]"])
def test_a_choice_by_an_average_is_made_in_the_metrics_own_direction(metric):
    choice = results(MICRO).choose(metric).choice
    assert choice is not None
    assert (choice.metric, choice.direction, choice.winner) == ("auc[micro_average]", "higher", "good")
    loss = results(MetricsSpec((MetricConfig("BrierScore"),), aggregate=AggregationOptions(micro_average=True)))
    choice = loss.choose("BrierScore").choice
    assert choice is not None
    assert (choice.direction, choice.winner) == ("lower", "good")


def test_a_choice_among_several_values_asks_for_one_and_a_structure_is_never_chosen():
    both = results(MICRO, MetricsSpec((MetricConfig("AUC"),), binarize=BinarizationOptions(class_ids=(1,))))
    with pytest.raises(ConfigError, match="several ways") as caught:
        both.choose("AUC")
    assert "auc[micro_average], auc[class_id=1]" in str(caught.value.hint)
    assert both.choose("auc[class_id=1]").choice.winner == "good"
    plots = results(MetricsSpec((MetricConfig("MultiClassConfusionMatrixPlot"),)))
    choice = plots.choose("MultiClassConfusionMatrixPlot", "higher").choice
    assert choice is not None
    assert choice.winner is None
    assert all("is no number" in s.excluded for s in choice.standings)


def test_a_variant_is_held_to_every_average_of_a_metric_and_never_passes_unmeasured():
    """`max_loss` names AUC; what was measured is its micro average."""
    rows, config = scored(2), EvalConfig((MICRO,))
    worse = analyze_raw_data(rows, config, prediction_key="bad", baseline_prediction_key="good")
    same = analyze_raw_data(rows, config, prediction_key="good", baseline_prediction_key="good")
    known = _metrics(config)

    def judged(result: Any, limits: dict[str, float], metrics: Any = known) -> list[str]:
        entry, original = (Tried(size) for size in (50, 100))
        _judge(entry, original, result, limits, metrics)
        return entry.reasons

    (reason,) = judged(worse, {"AUC": 0.01})
    assert reason.startswith("auc[micro_average] on Overall gets worse by")
    assert judged(same, {"AUC": 0.0}) == []
    other = {"Recall": ("recall", "HIGHER_IS_BETTER")}
    (reason,) = judged(same, {"Recall": 0.1}, other)
    assert "Recall was a number on no slice" in reason

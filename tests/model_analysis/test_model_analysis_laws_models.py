"""Models are measured as the table of their own predictions is, alone or beside others, in any order of classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from model_analysis_line import FEATURES, built, preprocessing, rides

from trueline.engine import Dataset
from trueline.model_analysis import (
    EvalConfig,
    EvalOptions,
    MetricConfig,
    MetricsSpec,
    SlicingSpec,
    analyze_raw_data,
    evaluate,
    evaluate_models,
)
from trueline.model_analysis.measured import SliceMetrics

pytestmark = pytest.mark.frameworks
METRICS = {
    "late": ["AUC", "AUCPrecisionRecall", "F1Score", "LogLoss", "ExpectedCalibrationError", "Prevalence", "BrierScore"],
    "weighted": ["AUC", "Precision", "ExampleCount", "Calibration"],
    "kind": ["Accuracy", "LogLoss", "MultiClassAUC", "F1Score", "CohenKappa", "BrierScore"],
    "minutes": ["RootMeanSquaredError", "R2Score", "MedianAbsoluteError", "MeanPrediction"],
}
SLICES = [SlicingSpec(), SlicingSpec(["company"]), SlicingSpec(expression="fare > 20")]


def config_of(name: str) -> EvalConfig:
    entries = [MetricConfig(m, {"average": "macro"} if m == "F1Score" and name == "kind" else {})
               for m in METRICS[name]]  # fmt: skip
    return EvalConfig([MetricsSpec(entries)], SLICES, EvalOptions(compute_confidence_intervals=True, noise_groups=8))


def predictions(name: str, model: Any, table: pa.Table) -> Any:
    if name == "minutes":
        return model.predict(table).column("prediction")
    p = np.asarray(model.predict_proba(table), dtype=np.float64)
    return p.tolist() if name == "kind" else p[:, 1]


@pytest.mark.parametrize("name", METRICS)
def test_a_model_is_measured_as_its_predictions_in_a_table_are(name: str) -> None:
    made = built()
    model, table = made[name], made["table"]
    whole = evaluate(model, Dataset.from_table(table, 400), config_of(name))
    label = {"weighted": "late"}.get(name, name)
    beside = table.append_column("prediction", pa.array(predictions(name, model, table)))
    classes = list(model.runtime.classes) if name == "kind" else None
    other = analyze_raw_data(
        Dataset.from_table(beside, 400), config_of(name), label_key=label, classes=classes, task=whole.task,
        example_weight_key="heavy" if name == "weighted" else None,
    )  # fmt: skip
    assert other.measured.missing_labels == whole.measured.missing_labels
    # numbers as labels and weights went through the transform and its graph as float32
    same(whole.measured.slices, other.measured.slices, 1e-6 if name in ("weighted", "minutes") else 1e-12)


def same(one: tuple[SliceMetrics, ...], two: tuple[SliceMetrics, ...], rel: float) -> None:
    assert [s.key for s in one] == [s.key for s in two]
    for mine, theirs in zip(one, two, strict=True):
        assert (mine.rows, mine.groups) == (theirs.rows, theirs.groups)
        for key, estimate in mine.metrics.items():
            for field in ("value", "standard_error", "low", "high"):
                a, b = getattr(estimate, field), getattr(theirs.metrics[key], field)
                assert (a is None) == (b is None), (mine.key, key, field)
                assert a is None or a == pytest.approx(b, rel=rel, abs=rel), (mine.key, key, field)


def test_many_models_in_one_pass_are_each_measured_as_alone_to_the_last_bit() -> None:
    made = built()
    rows = Dataset.from_table(made["table"], 400)
    together = evaluate_models({"late": made["late"], "sure": made["sure"]}, rows, config_of("late"),
                               baseline=made["sure"])  # fmt: skip
    for name in ("late", "sure"):
        alone = evaluate(made[name], rows, config_of("late"), baseline=made["sure"])
        assert repr(together.models[name].measured) == repr(alone.measured)


def test_a_baseline_model_is_measured_as_a_column_of_its_predictions_is() -> None:
    made = built()
    table = made["table"]
    models = evaluate(made["late"], Dataset.from_table(table, 400), config_of("late"), baseline=made["sure"])
    beside = table
    for column, name in (("prediction", "late"), ("base", "sure")):
        beside = beside.append_column(column, pa.array(predictions("late", made[name], table)))
    columns = analyze_raw_data(Dataset.from_table(beside, 400), config_of("late"), label_key="late",
                               baseline_prediction_key="base")  # fmt: skip
    same(models.measured.slices, columns.measured.slices, 1e-12)
    for mine, theirs in zip(models.measured.slices, columns.measured.slices, strict=True):
        assert mine.baseline == theirs.baseline
        assert mine.changes == theirs.changes


def test_a_baseline_with_its_classes_in_another_order_is_read_by_their_values(tmp_path: Path) -> None:
    """The same model with the rows of its coefficients turned round: the same scores of each class, so no change."""
    from sklearn.linear_model import LogisticRegression

    import trueline.transform as tlt
    from trueline.models import build_model
    from trueline.training import FnArgs

    table = rides(600)
    output = tlt.analyze_and_transform(table, preprocessing)[1]
    train = Dataset.from_table(output.transform(table))
    args = FnArgs.create(train=train, transform=output, label="kind", features=FEATURES)
    x, y, _ = args.train.arrays()
    fitted = LogisticRegression().fit(x, y)
    models = {}
    for name, order in (("plain", [0, 1, 2]), ("turned", [2, 0, 1])):
        model = LogisticRegression().fit(x, y)
        model.classes_, model.coef_, model.intercept_ = (
            a[order] for a in (fitted.classes_, fitted.coef_, fitted.intercept_)
        )
        models[name] = build_model(
            model, uri=str(tmp_path / name), transform=output, label="kind", features=FEATURES, sample=table
        )
    assert models["plain"].runtime.classes != models["turned"].runtime.classes
    for candidate, baseline in (("plain", "turned"), ("turned", "plain")):
        config = config_of("kind")
        found = evaluate(models[candidate], Dataset.from_table(table), config, baseline=models[baseline]).measured
        for part in found.slices:
            assert part.metrics["accuracy"].value is not None
            for name, change in part.changes.items():
                same_bits = part.metrics[name].undefined and change.value is None
                assert same_bits or change.value == pytest.approx(0.0, abs=1e-6), (part.key, name)
            assert part.metrics["accuracy"].value > 0.5 or part.rows < 30

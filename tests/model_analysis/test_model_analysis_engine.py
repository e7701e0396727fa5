"""One pass for all models, metrics and slices gives the same bits however it is run."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from trueline._core.errors import DataError
from trueline.engine import AccumulatorSpec, Dataset, LocalEngine, check_accumulator
from trueline.model_analysis import (
    EvalConfig,
    EvalOptions,
    GenericChangeThreshold,
    MetricAccumulator,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    SlicingSpec,
    analyze_raw_data,
)
from trueline.model_analysis.measured import Measured
from trueline.model_analysis.plan import make_plan
from trueline.model_analysis.sources import BATCH_EVALUATOR

MARGIN = MetricThreshold(change_threshold=GenericChangeThreshold(absolute=0.0))
METRICS = (
    "ExampleCount",
    "AUC",
    "AUCPrecisionRecall",
    "BinaryCrossentropy",
    "Calibration",
    "MeanSquaredError",
    "F1Score",
)
SLICES = (
    SlicingSpec(),
    SlicingSpec(["company"]),
    SlicingSpec(["company", "hour"]),
    SlicingSpec(expression="fare > 20"),
)


def config_with(cap: int, **options: int) -> EvalConfig:
    metrics = [MetricConfig(m, threshold=MARGIN if m == "AUC" else None) for m in METRICS]
    return EvalConfig([MetricsSpec(metrics)], SLICES, EvalOptions(exact_rank_rows=cap, **options))


def spec_of(config: EvalConfig) -> AccumulatorSpec[Measured]:
    columns = {"label": "label", "weight": "w", "predictions": {"candidate": "prediction", "baseline": "base"}}
    source = {"kind": "table", "outputs": {"": columns}}
    return AccumulatorSpec(BATCH_EVALUATOR, {"source": source, "plan": make_plan(config, "binary", 0, True).to_json()})


def test_same_bits_for_any_shards_workers_threads_and_processes(scored: pa.Table) -> None:
    """Also: states round-trip, merging is associative to 1e-12, and other blocks agree to 1e-9. Cap 400 keeps the
    small slices exact and turns the large ones into histograms, within one pass."""
    measured: Measured = check_accumulator(spec_of(config_with(400)), scored, block_rows=1000, rtol=1e-9, atol=1e-12)
    assert len(measured.slices) == 1 + 3 + 12 + 1
    bounds = {s.name: s.metrics["auc"].error_bound for s in measured.slices}
    assert bounds["Overall"] is not None
    assert bounds["company=cab, hour=1"] is None


def test_table_in_one_block_or_many_agrees_with_the_dataset_given_by_the_user(scored: pa.Table) -> None:
    config = config_with(20_000)
    whole = analyze_raw_data(scored, config, baseline_prediction_key="base")
    cut = analyze_raw_data(
        Dataset.from_table(scored, 500).deal(3), config, baseline_prediction_key="base", engine=LocalEngine(2)
    )
    assert cut.validation_result == whole.validation_result
    for (key, one), (other_key, two) in zip(whole.plain_slicing_metrics, cut.plain_slicing_metrics, strict=True):
        assert key == other_key
        assert one == pytest.approx(two, rel=1e-12)


def test_rows_in_another_order_give_the_same_noise(scored: pa.Table) -> None:
    """Groups follow `__row__`, not the place in a file."""
    order = np.random.default_rng(1).permutation(scored.num_rows)
    one = analyze_raw_data(scored, config_with(9999), baseline_prediction_key="base").measured.slices
    two = analyze_raw_data(scored.take(order), config_with(9999), baseline_prediction_key="base").measured.slices
    for a, b in zip(one, two, strict=True):
        for name, change in a.changes.items():
            assert change.standard_error == pytest.approx(b.changes[name].standard_error, rel=1e-6, abs=1e-12)


def test_memory_does_not_grow_with_rows_beyond_the_cap(scored: pa.Table) -> None:
    metrics = [MetricConfig("AUC", threshold=MARGIN), MetricConfig("F1Score")]
    config = EvalConfig([MetricsSpec(metrics)], options=EvalOptions(exact_rank_rows=1000))
    spec, sizes = spec_of(config), []
    accumulator = spec.new()
    for _ in range(3):
        accumulator.update(scored.combine_chunks().to_batches()[0])
        sizes.append(len(accumulator.state()))
    assert max(sizes) - min(sizes) < 16  # a digit more in the counts of rows


def test_too_many_slices_are_an_error_that_names_one(scored: pa.Table) -> None:
    config = EvalConfig(
        [MetricsSpec([MetricConfig("MeanLabel")])], [SlicingSpec(["fare"])], EvalOptions(max_slices=100)
    )
    with pytest.raises(DataError, match="more than 100 slices, among them 'fare="):
        analyze_raw_data(scored, config)


def test_core_takes_plain_arrays_without_models_or_engine() -> None:
    config = EvalConfig([MetricsSpec([MetricConfig("MeanLabel"), MetricConfig("AUC")])], [SlicingSpec(["c"])])
    accumulator = MetricAccumulator(make_plan(config, "binary", 0, False))
    batch = pa.RecordBatch.from_pydict({"c": ["a", "a", "b", None]})
    accumulator.update_arrays([1, 0, 1, 1], {"candidate": [0.9, 0.2, 0.3, 0.4]}, None, batch)
    found = {s.name: s.metrics for s in accumulator.finish().slices}
    assert found["c=a"]["mean_label"].value == 0.5
    assert found["c=a"]["auc"].value == 1.0
    assert set(found) == {"c=a", "c=b"}

"""What changes row by row from the baseline to the candidate, means and samples of columns, and attributions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline._core.errors import ConfigError, TruelineError
from trueline.model_analysis import (
    EvalConfig,
    EvalOptions,
    MetricAccumulator,
    MetricConfig,
    MetricsSpec,
    analyze_raw_data,
)
from trueline.model_analysis.check import config_problems
from trueline.model_analysis.measured import Estimate
from trueline.model_analysis.plan import make_plan

FLIPS = ("neg_to_neg", "neg_to_pos", "pos_to_neg", "pos_to_pos")


def measured(rows: pa.Table, *metrics: MetricConfig, noise: bool = False, **more: Any) -> dict[str, Estimate]:
    config = EvalConfig([MetricsSpec(metrics)], options=EvalOptions(compute_confidence_intervals=noise, noise_groups=8))
    return dict(analyze_raw_data(rows, config, **more).measured.slices[0].metrics)


def compared(rows: pa.Table, *metrics: MetricConfig, **more: Any) -> dict[str, Estimate]:
    return measured(rows, *metrics, baseline_prediction_key="base", **more)


def two_models(n: int = 40) -> pa.Table:
    rng = np.random.default_rng(2)
    return pa.table({"label": rng.integers(0, 2, n), "prediction": rng.random(n), "base": rng.random(n),
                     "weight": rng.random(n)})  # fmt: skip


def test_flip_rates_are_weighted_shares_of_rows() -> None:
    rows = two_models()
    found = compared(rows, MetricConfig("BooleanFlipRates", {"threshold": 0.4, "neg_to_pos_flip_rate_name": "up"}),
                     example_weight_key="weight", noise=True)  # fmt: skip
    before, after, weight = (
        rows["base"].to_numpy() > 0.4,
        rows["prediction"].to_numpy() > 0.4,
        rows["weight"].to_numpy(),
    )
    assert found["up"].value == pytest.approx(np.average(~before & after, weights=weight))
    assert found["symmetric_flip_rate"].value == pytest.approx(np.average(before != after, weights=weight))
    names = [n if n != "neg_to_pos" else "up" for n in FLIPS]
    values = [found[n if n == "up" else f"{n}_flip_rate"].value or 0 for n in names]
    assert sum(values) == pytest.approx(1.0)
    assert (found["symmetric_flip_rate"].standard_error or 0) > 0


def test_differences_of_equal_models_are_none() -> None:
    rows = pa.table({"label": [0, 1, 1], "prediction": [0.0, 0.5, 0.9], "base": [0.0, 0.5, 0.9]})
    found = compared(rows, MetricConfig("SymmetricPredictionDifference"), MetricConfig("SymmetricFlipRate"))
    assert {k: e.value for k, e in found.items()} == {
        "symmetric_prediction_difference": 0.0,
        "symmetric_flip_rate": 0.0,
    }


def test_prediction_difference_and_cosine_by_hand() -> None:
    rows = pa.table({"label": [0, 0], "prediction": [[0.6, 0.8], [1.0, 0.0]], "base": [[0.8, 0.6], [0.0, 1.0]]})
    found = compared(rows, MetricConfig("ModelCosineSimilarity"))
    assert found["model_cosine_similarity"].value == pytest.approx((0.96 + 0.0) / 2)
    rows = pa.table({"label": [0, 1], "prediction": [0.2, 0.8], "base": [0.1, 0.9]})
    found = compared(rows, MetricConfig("SymmetricPredictionDifference"))
    assert found["symmetric_prediction_difference"].value == pytest.approx((0.2 / 0.3 + 0.2 / 1.7) / 2)


def test_differences_need_a_baseline_and_its_predictions() -> None:
    rows = two_models(4)
    config = EvalConfig([MetricsSpec([MetricConfig("SymmetricFlipRate"), MetricConfig("ModelCosineSimilarity")])])
    assert len(config_problems(config, "binary", has_baseline=False)) == 2
    alone = MetricAccumulator(make_plan(config, "binary", 0, False))
    batch = rows.to_batches()[0]
    alone.update_arrays(rows["label"].to_numpy(), {"candidate": rows["prediction"].to_numpy()}, None, batch)
    assert all("no baseline" in str(e.undefined) for e in alone.finish().slices[0].metrics.values())
    holes = rows.set_column(2, "base", pa.array([0.1, None, 0.2, 0.3]))
    found = compared(holes, MetricConfig("SymmetricFlipRate"))["symmetric_flip_rate"]
    assert "1 predictions are missing" in str(found.undefined)


# columns of the data


def features(n: int = 30) -> pa.Table:
    rng = np.random.default_rng(4)
    return pa.table({
        "label": rng.integers(0, 2, n), "prediction": rng.random(n), "price": rng.random(n), "volume": rng.random(n),
        "id": [f"e{i}" for i in range(n)], "attribution:price": rng.normal(size=n),
        "attribution:volume": rng.normal(size=(n, 3)).tolist(), "__row__": pa.array(range(n)),
    })  # fmt: skip


def test_means_of_a_column_with_weights_of_another() -> None:
    rows = features()
    price, volume = rows["price"].to_numpy(), rows["volume"].to_numpy()
    plain = measured(rows, MetricConfig("Mean", {"feature_key_path": "price"}), noise=True)["mean"]
    assert plain.value == pytest.approx(price.mean())
    assert (plain.standard_error or 0) > 0
    options = {"feature_key_path": "price", "example_weights_key_path": "volume"}
    weighted = measured(rows, MetricConfig("Mean", options), example_weight_key="label")["mean"]
    counted = rows["label"].to_numpy() > 0
    assert weighted.value == pytest.approx(np.average(price[counted], weights=volume[counted]))
    holes = pa.table({"label": [0, 1, 1], "prediction": [0.1] * 3, "price": [1.0, None, 5.0]})
    assert measured(holes, MetricConfig("Mean", {"feature_key_path": "price"}))["mean"].value == 3.0


def test_columns_that_are_not_there_or_hold_no_numbers() -> None:
    with pytest.raises(ConfigError, match="no column 'prize'"):
        measured(features(), MetricConfig("Mean", {"feature_key_path": "prize"}))
    with pytest.raises(TruelineError, match="column 'id' of type string holds no numbers"):
        measured(features(), MetricConfig("Mean", {"feature_key_path": "id"}))
    with pytest.raises(ConfigError, match="needs the option 'sampled_key'"):
        measured(features(), MetricConfig("FixedSizeSample", {"size": 3}))


@settings(max_examples=8, deadline=None)
@given(st.permutations(range(12)))
def test_a_sample_does_not_depend_on_the_order_of_rows(order: list[int]) -> None:
    rows = features(12)
    metric = MetricConfig("FixedSizeSample", {"sampled_key": "id", "size": 4})
    first, again = (measured(t, metric)["fixed_size_sample"].data for t in (rows, rows.take(order)))
    assert first == again
    assert len(set(first)) == 4


def test_samples_are_uniform_over_seeds_and_whole_when_small() -> None:
    rows = features(10)
    drawn = [
        tuple(measured(rows, MetricConfig("FixedSizeSample", {"sampled_key": "id", "size": 3, "random_seed": s}))
              ["fixed_size_sample"].data) for s in range(30)
    ]  # fmt: skip
    assert {i for sample in drawn for i in sample} == set(rows["id"].to_pylist())
    whole = measured(rows, MetricConfig("FixedSizeSample", {"sampled_key": "id", "size": 99}))
    assert sorted(whole["fixed_size_sample"].data) == sorted(rows["id"].to_pylist())


def test_samples_of_wrong_decisions() -> None:
    rows = pa.table({"label": [0, 0, 1, 1, 0], "prediction": [0.9, 0.1, 0.2, 0.8, 0.5], "id": list("abcde")})
    options = {"feature_key": "id", "sample_size": 5}
    found = measured(rows, *(MetricConfig(f"False{s}FeatureSampler", options) for s in ("Positive", "Negative")))
    assert found["false_positive_feature_sampler"].data == ["a"]
    assert found["false_negative_feature_sampler"].data == ["c"]
    none = measured(rows.slice(1, 1), MetricConfig("FalsePositiveFeatureSampler", options))
    assert none["false_positive_feature_sampler"].undefined == "there is no false positive"


def test_attributions_by_feature_and_class() -> None:
    rows = features()
    price, volume = (np.array(rows[f"attribution:{n}"].to_pylist()) for n in ("price", "volume"))
    names = ("TotalAttributions", "TotalAbsoluteAttributions", "MeanAttributions", "MeanAbsoluteAttributions")
    found = measured(rows, *map(MetricConfig, names))
    assert found["total_attributions"].data["price"] == pytest.approx(price.sum())
    assert found["mean_absolute_attributions"].data["volume"] == pytest.approx(np.abs(volume).mean(axis=0))
    volumes = rows.drop_columns(["attribution:price"])
    picked = measured(volumes, MetricConfig("MeanAttributions", {"class_id": 2, "name": "c"}),
                      MetricConfig("MeanAttributions", {"k": 1, "name": "k"}),
                      MetricConfig("TotalAbsoluteAttributions", {"top_k": 2, "name": "t"}))  # fmt: skip
    ordered = -np.sort(-volume, axis=1)
    assert picked["c"].data["volume"] == pytest.approx(volume[:, 2].mean())
    assert picked["k"].data["volume"] == pytest.approx(ordered[:, 0].mean())
    assert picked["t"].data["volume"] == pytest.approx(np.abs(ordered[:, :2]).sum(axis=0))


def test_attributions_that_are_missing_are_counted() -> None:
    holes = pa.table({"label": [0, 1], "prediction": [0.1, 0.2], "attribution:a": [1.0, None]})
    found = measured(holes, MetricConfig("TotalAttributions"))["total_attributions"]
    assert found.undefined == "1 attributions are missing or NaN"
    with pytest.raises(ConfigError, match="no column attribution:<feature>"):
        measured(holes.drop_columns(["attribution:a"]), MetricConfig("TotalAttributions"))

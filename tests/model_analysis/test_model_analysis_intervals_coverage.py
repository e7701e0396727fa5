"""Simulation: how often 95 % intervals hold the true value, of values and of paired changes, and p-values of no change.

Every sample is a slice, so that one pass measures all of them. The true value is that of a sample of two million rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from trueline.model_analysis import (
    ConfidenceIntervalOptions,
    EvalConfig,
    EvalOptions,
    MetricConfig,
    MetricsSpec,
    SlicingSpec,
    analyze_raw_data,
)
from trueline.model_analysis.measured import Measured

METHODS = ("JACKKNIFE", "POISSON_BOOTSTRAP", "CLOSED_FORM")
Columns = dict[str, Any]


def binary(rng: np.random.Generator, n: int) -> Columns:
    label = (rng.random(n) < 0.3).astype(float)
    z = rng.normal(size=n) + 1.2 * label - 0.9
    other = z + 0.3 * rng.normal(size=n)
    return {"label": label, "prediction": 1 / (1 + np.exp(-z)), "base": 1 / (1 + np.exp(-other))}


def regression(rng: np.random.Generator, n: int) -> Columns:
    x = rng.normal(size=n)
    return {"label": x, "prediction": 0.7 * x + 0.6 * rng.normal(size=n)}


def classes(rng: np.random.Generator, n: int) -> Columns:
    label = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    raw = np.exp(1.3 * rng.normal(size=(n, 3)) + 1.5 * (label[:, None] == np.arange(3)))
    flat = pa.array((raw / raw.sum(axis=1, keepdims=True)).ravel())
    return {"label": label, "prediction": pa.FixedSizeListArray.from_arrays(flat, 3)}


def queries(rng: np.random.Generator, n: int) -> Columns:
    gain = rng.integers(0, 4, n).astype(float)
    return {"label": gain, "prediction": gain + 2 * rng.normal(size=n), "query": np.arange(n) // 10}


Case = tuple[str, Callable[[np.random.Generator, int], Columns], tuple[str, ...]]
CASES: dict[str, Case] = {
    "binary": ("binary", binary, ("BinaryAccuracy", "Precision", "AUC", "MeanSquaredError", "LogLoss")),
    "regression": ("regression", regression, ("MeanSquaredError", "R2Score", "SquaredPearsonCorrelation")),
    "classes": ("multiclass", classes, ("F1Score", "CategoricalAccuracy")),
    "ranking": ("ranking", queries, ("NDCG",)),
}


def measure(case: str, method: str | None, n: int, samples: int, seed: int, base: str | None = None) -> Measured:
    task, draw, names = CASES[case]
    columns = draw(np.random.default_rng(seed), n * samples)
    table = pa.table(
        columns | {"sample": np.repeat(np.arange(samples), n), "__row__": np.arange(n * samples) + (seed << 40)}
    )
    options = EvalOptions(
        compute_confidence_intervals=method is not None,
        exact_rank_rows=0 if method is None else 20_000,
        confidence_intervals=ConfidenceIntervalOptions(method or "JACKKNIFE", 100),
    )
    query = "query" if case == "ranking" else ""
    spec = MetricsSpec([MetricConfig(name) for name in names], query_key=query)
    config = EvalConfig([spec], [SlicingSpec()] if samples == 1 else [SlicingSpec(["sample"])], options)
    found = analyze_raw_data(table, config, task=task, baseline_prediction_key=base)
    return found.measured


@lru_cache(maxsize=8)
def truth(case: str, rows: int) -> dict[str, float]:
    found = measure(case, None, rows, 1, 99).slices[0].metrics
    return {key: float(e.value or 0) for key, e in found.items()}


def coverage(case: str, method: str, n: int, samples: int, seed: int = 1, rows: int = 2_000_000) -> dict[str, float]:
    """The share of samples whose interval holds the true value; a sample without an interval does not count."""
    found, right = measure(case, method, n, samples, seed), truth(case, rows)
    held: dict[str, float] = {}
    for key, value in right.items():
        ends = [(e.low, e.high) for e in (s.metrics[key] for s in found.slices)]
        known = [low <= value <= high for low, high in ends if low is not None and high is not None]
        assert len(known) > 0.97 * samples, (case, method, key)
        held[key] = float(np.mean(known))
    return held


def test_intervals_of_small_samples_hold_the_true_value() -> None:
    """200 samples of 200 rows: 95 % minus four standard errors of a share at most."""
    for case in ("binary", "regression"):
        for method in ("JACKKNIFE", "CLOSED_FORM"):
            held = coverage(case, method, 200, 200, rows=200_000)
            assert all(0.885 <= share <= 1 for share in held.values()), (case, method, held)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", sorted(CASES))
@pytest.mark.parametrize(("n", "samples"), [(200, 1000), (2000, 500), (20_000, 60)])
def test_intervals_hold_the_true_value(case: str, method: str, n: int, samples: int) -> None:
    """Within four standard errors of 95 %, less one per cent for small samples' bias.

    A sample of 200 rows holds 20 queries, of which intervals hold the true NDCG in 91 %; so there are 100 at least.
    """
    n = max(n, 1000) if case == "ranking" else n
    held = coverage(case, method, n, samples)
    off = 4 * np.sqrt(0.95 * 0.05 / samples) + 0.01
    assert all(abs(share - 0.95) <= off for share in held.values()), held


@pytest.mark.slow
@pytest.mark.parametrize(("n", "samples"), [(200, 1000), (2000, 400)])
def test_paired_changes_hold_the_true_change_and_are_tight(n: int, samples: int) -> None:
    found = measure("binary", "JACKKNIFE", n, samples, 3, base="base")
    right = measure("binary", None, 2_000_000, 1, 98, base="base").slices[0].changes
    for key in right:
        changes = [s.changes[key] for s in found.slices]
        held = np.mean([c.low <= right[key].value <= c.high for c in changes])  # type: ignore[operator]
        assert abs(held - 0.95) <= 4 * np.sqrt(0.95 * 0.05 / samples) + 0.015, (key, held)
        paired = np.median([c.standard_error for c in changes])  # type: ignore[type-var]
        errors = [
            np.hypot(s.metrics[key].standard_error or 0, s.baseline[key].standard_error or 0) for s in found.slices
        ]
        assert paired < 0.6 * np.median(errors), key


@pytest.mark.slow
def test_p_values_of_no_change_are_uniform() -> None:
    """Both predictions are drawn in the same way: no metric of them differs, and 5 % of p-values are below 0.05."""

    def same(rng: np.random.Generator, n: int) -> Columns:
        label = (rng.random(n) < 0.4).astype(float)
        z = 1.2 * label - 0.9 + rng.normal(size=n)
        noisy = [1 / (1 + np.exp(-(z + 0.4 * rng.normal(size=n)))) for _ in range(2)]
        return {"label": label, "prediction": noisy[0], "base": noisy[1]}

    CASES["same"] = ("binary", same, ("BinaryAccuracy", "AUC", "MeanSquaredError", "LogLoss"))
    try:
        found = measure("same", "JACKKNIFE", 2000, 800, 5, base="base")
    finally:
        del CASES["same"]
    for key in ("auc", "mean_squared_error", "log_loss", "binary_accuracy"):
        p = [s.changes[key].p_value for s in found.slices]
        assert stats.kstest(p, "uniform").pvalue > 0.001, key
        assert abs(np.mean(np.array(p) < 0.05) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / len(p)), key

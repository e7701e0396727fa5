"""Memory does not grow with rows, is bounded for many slices, and every road through a batch gives the same bits."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from trueline.engine.base import AccumulatorSpec
from trueline.engine.testing import check_accumulator
from trueline.model_analysis import (
    ConfidenceIntervalOptions,
    EvalConfig,
    EvalOptions,
    MetricConfig,
    MetricsSpec,
    SlicingSpec,
    analyze_raw_data,
)
from trueline.model_analysis.curves import CURVE_AREAS, Curve, average_precision
from trueline.model_analysis.measured import Measured
from trueline.model_analysis.plan import CANDIDATE, make_plan
from trueline.model_analysis.rank import RankStore, pack_ranks, unpack_ranks
from trueline.model_analysis.slice_sums import cell_limit
from trueline.model_analysis.sources import BATCH_EVALUATOR

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "model_analysis.py"
METRICS = ("AUC", "Precision", "MeanSquaredError", "ExpectedCalibrationError", "LogLoss", "CalibrationPlot")
SLICES = (SlicingSpec(), SlicingSpec(["a"]), SlicingSpec(["a", "b"]), SlicingSpec(["tags"]))


def table(n: int, seed: int = 0) -> pa.Table:
    """Two columns, a list column (which has no cells), weights, few and many distinct scores."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n).astype(float)
    return pa.table(
        {
            "label": label,
            "prediction": np.clip(rng.normal(0.4 + 0.2 * label, 0.2), 0, 1),
            "w": rng.random(n) + 0.1,
            "a": rng.choice(["x", "y", "z"], n, p=[0.8, 0.15, 0.05]),
            "b": rng.integers(0, 5, n),
            "tags": pa.array([["p", "q", "r"][: k % 4] for k in rng.integers(0, 4, n)]),
            "__row__": np.arange(n) + (5 << 40),
        }
    )


def spec_of(config: EvalConfig) -> AccumulatorSpec[Measured]:
    columns = {"label": "label", "weight": "w", "predictions": {CANDIDATE: "prediction"}}
    plan = make_plan(config, "binary", 0, False)
    source = {"kind": "table", "outputs": {"": columns}}
    return AccumulatorSpec(BATCH_EVALUATOR, {"source": source, "plan": plan.to_json()})


def config_of(method: str, cap: int = 300) -> EvalConfig:
    options = EvalOptions(
        compute_confidence_intervals=True,
        noise_groups=8,
        exact_rank_rows=cap,
        confidence_intervals=ConfidenceIntervalOptions(method, 12),
    )
    return EvalConfig([MetricsSpec([MetricConfig(m) for m in METRICS])], SLICES, options)


@pytest.mark.parametrize(
    "method", ["CLOSED_FORM", pytest.param("POISSON_BOOTSTRAP", marks=pytest.mark.slow),
               pytest.param("JACKKNIFE", marks=pytest.mark.slow)]
)  # fmt: skip
def test_same_bits_of_intervals_histograms_and_tables_for_any_shards_and_workers(method: str) -> None:
    """Also with a list column beside cells, and with slices on both sides of the cap of exact ranks."""
    measured: Measured = check_accumulator(
        spec_of(config_of(method, 200)),
        table(800),
        block_rows=200,
        rtol=1e-9,
        atol=1e-12,
        processes=method == "JACKKNIFE",
    )
    bounds = [s.metrics["auc"].error_bound for s in measured.slices]
    assert any(b is None for b in bounds)
    assert any(b is not None for b in bounds)
    assert {s.name for s in measured.slices} >= {"Overall", "a=x", "a=x, b=0", "tags=p"}


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=60),
    st.lists(st.integers(0, 60), max_size=4),
    st.integers(0, 15),
    st.integers(1, 3),
)
def test_ranks_are_exact_while_rows_or_distinct_scores_are_few(
    levels: list[int], cuts: list[int], cap: int, groups: int
) -> None:
    """However rows are cut, merged and written, the curve is that of the scores, or of their histogram."""
    rng = np.random.default_rng(len(levels))
    score = np.array(levels) / 12 + 0.0001
    score[np.array(levels) == 12] = -np.inf
    label, group = rng.integers(0, 2, len(score)).astype(float), rng.integers(0, groups, len(score))

    def store(rows: slice) -> RankStore:
        made = RankStore(groups, cap)
        made.add(label[rows], 1 - label[rows], score[rows], group[rows])
        return made

    ends = sorted({0, len(score), *(min(cut, len(score)) for cut in cuts)})
    merged = RankStore(groups, cap)
    for start, end in pairwise(ends):
        part, again = store(slice(start, end)), RankStore(groups, cap)
        again.restore(unpack_ranks(pack_ranks([part]))[0])
        merged.merge(again)
    whole = store(slice(None))
    distinct = len(np.unique(score))
    assert merged.exact == whole.exact == (len(score) <= cap or distinct <= cap)
    for one, two in ((merged.curve()[0], whole.curve()[0]), (merged.curve()[0], _exact(label, score))):
        assert one.tp[:, -1] == pytest.approx(two.tp[:, -1])
        assert average_precision(one) == pytest.approx(average_precision(two), nan_ok=True)
        assert CURVE_AREAS["ROC", "interpolation"](one) == pytest.approx(
            CURVE_AREAS["ROC", "interpolation"](two), nan_ok=True
        )


def _exact(label: Any, score: Any) -> Curve:
    scores, places = np.unique(score, return_inverse=True)
    sides = [np.bincount(places, side, len(scores))[None] for side in (label, 1 - label)]
    if np.isneginf(scores[0]):
        return Curve.of(sides[0][:, 1:], sides[1][:, 1:], scores[1:], np.stack([side[:, 0] for side in sides]))
    return Curve.of(sides[0], sides[1], scores)


def test_many_rows_of_few_scores_are_exact() -> None:
    """A small tree's 60,000 rows: the area equals scikit-learn's, and only its noise comes from buckets."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 60_000).astype(float)
    score = np.round(np.clip(rng.normal(0.4 + 0.2 * label, 0.2), 0, 1), 3) ** 3
    config = EvalConfig([MetricsSpec([MetricConfig("AUC")])], options=EvalOptions(compute_confidence_intervals=True))
    found = analyze_raw_data(pa.table({"label": label, "prediction": score}), config).measured.slices[0].metrics["auc"]
    assert found.value == pytest.approx(roc_auc_score(label, score), abs=1e-12)
    assert found.error_bound is None
    assert found.standard_error == pytest.approx(0.0018, rel=0.5)


def test_cells_and_slices_give_the_same_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a batch may have one cell alone, each spec is summed by itself."""
    import trueline.model_analysis.accumulator as accumulator

    def measured() -> Measured:
        made = spec_of(config_of("CLOSED_FORM")).new()
        for batch in table(1200, 3).to_batches(max_chunksize=500):
            made.update(batch)
        return made.finish()

    by_cells = measured()
    monkeypatch.setattr(accumulator, "cell_limit", lambda _: 1)
    by_slices = measured()
    for one, two in zip(by_cells.slices, by_slices.slices, strict=True):
        assert (one.key, one.rows, one.groups) == (two.key, two.rows, two.groups)
        for key, estimate in one.metrics.items():
            other = two.metrics[key]
            assert estimate.method == other.method
            ends = ((estimate.value, estimate.low, estimate.high), (other.value, other.low, other.high))
            for a, b in zip(*ends, strict=True):
                assert a == b if a is None or b is None else a == pytest.approx(b, rel=1e-9), key


def test_cells_of_a_batch_are_bounded_by_the_numbers_that_they_hold() -> None:
    plan = make_plan(config_of("JACKKNIFE"), "binary", 0, False)
    limit = cell_limit(plan)
    assert limit * len(plan.models) * len(plan.sums) * plan.groups <= 4_000_000
    assert limit > 100


def _peak(code: str) -> int:
    """Peak memory in MB of a process of its own; `code` names the benchmark's module ``bench``."""
    command = [sys.executable, "-P", "-c", f"{code}\nprint(bench.peak_mb())"]
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(made.stdout.split()[-1])


@pytest.mark.slow
def test_peak_memory_is_flat_in_rows() -> None:
    """24 metrics on 49 slices with intervals: eight times the rows of a file take less than half more memory."""

    def peak(rows: int) -> int:
        command = [sys.executable, "-P", str(BENCHMARK), "--alone", str(rows)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    small, large = peak(1_000_000), peak(8_000_000)
    assert large < 1.4 * small, (small, large)


@pytest.mark.slow
def test_ten_thousand_slices_of_many_metrics_take_bounded_memory() -> None:
    """10,000 slices of 24 metrics with a jackknife of 20 groups: below 1.2 GB with the libraries, 120 KB a slice."""
    code = f"""
import importlib.util, pathlib
import numpy as np, pyarrow as pa
spec = importlib.util.spec_from_file_location("bench", {str(BENCHMARK)!r})
bench = importlib.util.module_from_spec(spec); spec.loader.exec_module(bench)
n = 300_000
table = bench.make_rows(n).append_column("place", pa.array(np.arange(n) % 9_999))
options = bench.EvalOptions(compute_confidence_intervals=True, noise_groups=20)
config = bench.EvalConfig([bench.MetricsSpec(bench.METRICS)], [bench.SlicingSpec(), bench.SlicingSpec(["place"])],
                          options)
found = bench.analyze_raw_data(bench.Dataset.from_table(table), config, example_weight_key="weight",
                               engine=bench.LocalEngine(workers=1))
assert len(found.measured.slices) == 10_000
"""
    assert _peak(code) < 1200

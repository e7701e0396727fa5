"""Laws that hold for any rows: what must not change a metric, and what must change it in a known way."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from model_analysis_oracles import BINARY, CLASSES, ERRORS
from test_model_analysis_real_data import configured

from trueline.model_analysis import EvalConfig, EvalOptions, EvalResult, MetricsSpec, SlicingSpec, analyze_raw_data
from trueline.model_analysis.measured import Estimate, SliceMetrics

Array = np.ndarray[Any, Any]
LAWFUL = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
SPECS = {task: MetricsSpec(configured(oracles, task)) for task, oracles in
         (("binary", BINARY), ("regression", ERRORS))}  # fmt: skip
CLASS_ORACLES = {k: v for k, v in CLASSES.items() if "TopK" not in k}
SPECS["multiclass"] = MetricsSpec(configured(CLASS_ORACLES, "multiclass"))
COUNTS = {"ExampleCount", "WeightedExampleCount", "TruePositives", "TP", "TrueNegatives", "TN", "FalsePositives", "FP",
          "FalseNegatives", "FN"}  # fmt: skip


@st.composite
def binary_rows(draw: st.DrawFn) -> pa.Table:
    """Few rows with ties, scores at 0 and 1, weights of 0, missing labels."""
    n = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    score = np.where(rng.random(n) < 0.2, rng.choice([0.0, 1.0, 0.25], n), np.round(rng.random(n), 2))
    label = (rng.random(n) < draw(st.sampled_from([0.0, 0.3, 0.5, 1.0]))).astype(float)
    return pa.table({
        "label": pa.array(label, mask=rng.random(n) < 0.1), "prediction": score,
        "base": np.clip(score + rng.normal(0, 0.1, n), 0, 1), "w": rng.choice([0.0, 0.25, 1.0, 1.5, 3.0], n),
        "part": pa.array(rng.choice(["a", "b", "c"], n), mask=rng.random(n) < 0.1), "__row__": np.arange(n),
    })  # fmt: skip


@st.composite
def number_rows(draw: st.DrawFn) -> pa.Table:
    n = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    label = np.round(rng.gamma(2, 5, n), 2) - draw(st.sampled_from([0.0, 4.0]))
    return pa.table({
        "label": pa.array(label, mask=rng.random(n) < 0.1), "prediction": np.round(rng.gamma(2, 5, n), 2),
        "w": rng.choice([0.0, 0.25, 1.0, 3.0], n), "part": rng.choice(["a", "b"], n), "__row__": np.arange(n),
    })  # fmt: skip


@st.composite
def class_rows(draw: st.DrawFn) -> pa.Table:
    n, classes = draw(st.integers(1, 40)), 4
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    p = rng.dirichlet(np.ones(classes) * 0.5, n)
    label = rng.integers(0, draw(st.sampled_from([1, 2, 4])), n)
    return pa.table({
        "label": pa.array(label.astype(float), mask=rng.random(n) < 0.1), "prediction": p.tolist(),
        "w": rng.choice([0.0, 0.25, 1.0, 3.0], n), "part": rng.choice(["a", "b"], n), "__row__": np.arange(n),
    })  # fmt: skip


ANY_ROWS = st.one_of(
    st.tuples(st.just("binary"), binary_rows()),
    st.tuples(st.just("regression"), number_rows()),
    st.tuples(st.just("multiclass"), class_rows()),
)


def measure(task: str, table: pa.Table, slices: Any = (), noise: bool = False, **options: Any) -> EvalResult:
    config = EvalConfig([SPECS[task]], slices, EvalOptions(compute_confidence_intervals=noise))
    return analyze_raw_data(table, config, example_weight_key="w", task=task, **options)


def slices_of(result: EvalResult) -> dict[Any, SliceMetrics]:
    return {found.key: found for found in result.measured.slices}


def same(a: Mapping[str, Estimate], b: Mapping[str, Estimate], rel: float, factor: float = 1.0) -> None:
    """Equal values, and the same reasons where there is none; counts are `factor` times as great."""
    assert a.keys() == b.keys()
    for key, mine in a.items():
        theirs = b[key]
        if mine.value is None or theirs.value is None:
            assert mine.value == theirs.value, (key, mine, theirs)
            reasons = [re.sub(r"\d+ are|class_id=\d", "some", e.undefined or "") for e in (mine, theirs)]
            assert reasons[0] == reasons[1], key
        else:
            times = factor if key in COUNTS else 1.0
            assert mine.value * times == pytest.approx(theirs.value, rel=rel, abs=rel), key


@LAWFUL
@given(ANY_ROWS)
def test_every_row_twice_is_every_weight_doubled(rows: tuple[str, pa.Table]) -> None:
    task, table = rows
    twice = pa.concat_tables([table, table]).combine_chunks()
    heavy = table.set_column(table.column_names.index("w"), "w", pa.array(2 * table["w"].to_numpy()))
    spec = [SlicingSpec(), SlicingSpec(["part"])]
    mine, theirs = (slices_of(measure(task, t, spec)) for t in (twice, heavy))
    assert mine.keys() == theirs.keys()
    for key, found in mine.items():
        assert found.rows == 2 * theirs[key].rows
        same(found.metrics, theirs[key].metrics, 1e-11)


@LAWFUL
@given(ANY_ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_is_nothing(rows: tuple[str, pa.Table], random: Any) -> None:
    task, table = rows
    order = list(range(table.num_rows))
    random.shuffle(order)
    spec = [SlicingSpec(["part"])]
    mine, theirs = (slices_of(measure(task, t, spec, noise=True)) for t in (table, table.take(order)))
    assert mine.keys() == theirs.keys()
    for key, found in mine.items():
        assert (found.rows, found.missing_labels, found.groups) == (
            theirs[key].rows, theirs[key].missing_labels, theirs[key].groups)  # fmt: skip
        same(found.metrics, theirs[key].metrics, 1e-11)
        for name, estimate in found.metrics.items():
            error, other = estimate.standard_error, theirs[key].metrics[name].standard_error
            assert (error is None) == (other is None), name
            assert error is None or error == pytest.approx(other, rel=1e-6, abs=1e-9), name


@LAWFUL
@given(ANY_ROWS)
def test_rows_that_do_not_count_are_as_if_absent(rows: tuple[str, pa.Table]) -> None:
    """Without a label or with a weight of 0, whatever else stands there."""
    task, table = rows
    label, weight = table["label"].to_numpy(zero_copy_only=False), table["w"].to_numpy()
    counted = ~np.isnan(label) & (weight > 0)
    assume(counted.any())
    mine = slices_of(measure(task, table))[()].metrics
    same(mine, slices_of(measure(task, table.filter(pa.array(counted))))[()].metrics, 1e-12)
    if task != "multiclass":
        odd = pa.table({
            "label": pa.array([None, None, -3.0] if task == "regression" else [None, None, 1.0], pa.float64()),
            "prediction": [-7.0, 1e200, -7.0] if task == "regression" else [0.0, 1.0, 0.5], "w": [1.0, 1.0, 0.0],
        })  # fmt: skip
        more = pa.concat_tables([table.select(["label", "prediction", "w"]), odd]).combine_chunks()
        same(mine, slices_of(measure(task, more))[()].metrics, 1e-12)


@LAWFUL
@given(ANY_ROWS)
def test_the_unit_of_weights_is_nothing(rows: tuple[str, pa.Table]) -> None:
    """Multiplied by a power of two all ratios keep their bits, and their errors too."""
    task, table = rows
    heavy = table.set_column(table.column_names.index("w"), "w", pa.array(1024 * table["w"].to_numpy()))
    mine, theirs = (slices_of(measure(task, t, noise=True))[()].metrics for t in (table, heavy))
    same(mine, theirs, 0, factor=1024)
    for name, estimate in mine.items():
        if name not in COUNTS:
            assert estimate.standard_error == theirs[name].standard_error, name


@LAWFUL
@given(ANY_ROWS)
def test_a_slice_of_all_rows_is_the_overall_slice_to_the_last_bit(rows: tuple[str, pa.Table]) -> None:
    task, table = rows
    found = slices_of(measure(task, table, [SlicingSpec(), SlicingSpec(expression="w >= 0")], noise=True))
    if not found[()].rows:  # no slice but the overall one is told of without a labelled row
        assert len(found) == 1
        return
    whole, everything = found[()], found[(("w >= 0", None),)]
    assert whole.metrics == everything.metrics
    assert (whole.rows, whole.groups) == (everything.rows, everything.groups)


@LAWFUL
@given(binary_rows())
def test_parts_and_their_complement_add_up(table: pa.Table) -> None:
    spec = [SlicingSpec(), SlicingSpec(expression="part == 'a'"), SlicingSpec(expression="part != 'a' or part is None")]
    found = slices_of(measure("binary", table, spec))
    whole = found.pop(())
    assert sum(f.rows for f in found.values()) == whole.rows
    for name in COUNTS:
        if whole.metrics[name].value is not None:
            total = sum(f.metrics[name].value or 0.0 for f in found.values())
            assert total == pytest.approx(whole.metrics[name].value, rel=1e-12), name


SWAPPED = {
    "TP": "TN", "FP": "FN", "Precision": "NegativePredictiveValue", "Recall": "Specificity", "FallOut": "MissRate",
    "FalseDiscoveryRate": "FalseOmissionRate", "AUC": "AUC", "LogLoss": "LogLoss", "BrierScore": "BrierScore",
    "MatthewsCorrelationCoefficient": "MatthewsCorrelationCoefficient", "BinaryAccuracy": "BinaryAccuracy",
    "BalancedAccuracy": "BalancedAccuracy", "CoefficientOfDiscrimination": "CoefficientOfDiscrimination",
    "Informedness": "Informedness", "Markedness": "Markedness",
}  # fmt: skip


@LAWFUL
@given(binary_rows())
def test_swapping_the_classes(table: pa.Table) -> None:
    y, p = table["label"].to_numpy(zero_copy_only=False), table["prediction"].to_numpy()
    p = np.where(p == 0.5, 0.625, p)  # a score on the threshold is negative, before and after
    one = table.set_column(1, "prediction", pa.array(p))
    other = one.set_column(1, "prediction", pa.array(1 - p)).set_column(0, "label", pa.array(1 - y, from_pandas=True))
    mine, theirs = (slices_of(measure("binary", t))[()].metrics for t in (one, other))
    for a, b in SWAPPED.items():
        for left, right in ((a, b), (b, a)):
            x, z = mine[left].value, theirs[right].value
            assert (x is None) == (z is None), (left, mine[left], theirs[right])
            assert x is None or x == pytest.approx(z, rel=1e-9, abs=1e-12), left


@LAWFUL
@given(binary_rows())
def test_a_rising_function_of_scores_keeps_what_is_made_of_their_order(table: pa.Table) -> None:
    risen = table.set_column(1, "prediction", pa.array(table["prediction"].to_numpy() ** 3 / 2 + 0.25))
    mine, theirs = (slices_of(measure("binary", t, noise=True))[()].metrics for t in (table, risen))
    for name in ("AUC", "AveragePrecision", "AUCPrecisionRecall", "SensitivityAtSpecificity", "PrecisionAtRecall",
                 "RecallAtPrecision", "SpecificityAtSensitivity", "RecallAtFalsePositiveRate"):  # fmt: skip
        assert mine[name] == theirs[name], name


@LAWFUL
@given(number_rows())
def test_moving_and_scaling_numbers(table: pa.Table) -> None:
    y, p = table["label"].to_numpy(zero_copy_only=False), table["prediction"].to_numpy()
    moved = table.set_column(0, "label", pa.array(y * 4 + 64, from_pandas=True)).set_column(
        1, "prediction", pa.array(p * 4 + 64))  # fmt: skip
    mine, theirs = (slices_of(measure("regression", t))[()].metrics for t in (table, moved))
    powers = {"MeanAbsoluteError": 4, "MeanSquaredError": 16, "RootMeanSquaredError": 4, "MeanError": 4, "MaxError": 4,
              "MedianAbsoluteError": 4, "PinballLoss": 4, "R2Score": 1, "ExplainedVariance": 1,
              "SquaredPearsonCorrelation": 1}  # fmt: skip
    for name, factor in powers.items():
        a, b = mine[name], theirs[name]
        assert a.undefined == b.undefined, name
        assert a.value is None or b.value == pytest.approx(a.value * factor, rel=1e-9, abs=1e-9), name


@LAWFUL
@given(class_rows(), st.permutations(range(4)))
def test_the_numbering_of_classes_is_nothing(table: pa.Table, order: list[int]) -> None:
    p = np.array(table["prediction"].to_pylist())
    label = [None if v is None else float(order.index(int(v))) for v in table["label"].to_pylist()]
    other = table.set_column(0, "label", pa.array(label, pa.float64())).set_column(
        1, "prediction", pa.array(p[:, order].tolist()))  # fmt: skip
    mine, theirs = (slices_of(measure("multiclass", t))[()].metrics for t in (table, other))
    ordinal = {"CohenKappa_linear", "CohenKappa_quadratic"}
    same({k: v for k, v in mine.items() if k not in ordinal}, {k: v for k, v in theirs.items() if k not in ordinal},
         1e-11)  # fmt: skip


@LAWFUL
@given(binary_rows())
def test_changes_are_differences_of_pairs_and_intervals_hold_their_value(table: pa.Table) -> None:
    found = slices_of(measure("binary", table, [SlicingSpec(), SlicingSpec(["part"])], noise=True,
                              baseline_prediction_key="base"))  # fmt: skip
    alone = slices_of(measure("binary", table.drop_columns("prediction").rename_columns(
        ["prediction" if c == "base" else c for c in table.column_names if c != "prediction"]),
        [SlicingSpec(), SlicingSpec(["part"])], noise=True))  # fmt: skip
    for key, own in found.items():
        assert own.baseline == alone[key].metrics
        for name, mine in own.metrics.items():
            change, base = own.changes[name], own.baseline[name]
            if mine.value is None or base.value is None:
                assert change.value is None, name
                continue
            assert change.value == mine.value - base.value
            for estimate in (mine, base, change):
                if estimate.low is not None:
                    assert estimate.low - 1e-12 <= estimate.value <= estimate.high + 1e-12, (name, estimate)
            errors = (mine.standard_error, base.standard_error, change.standard_error)
            if None not in errors:
                assert errors[2] <= errors[0] + errors[1] + 1e-9, (name, errors)  # the triangle of the jackknife
            if change.p_value is not None:
                assert 0 <= change.p_value <= 1
                assert not math.isnan(change.p_value)

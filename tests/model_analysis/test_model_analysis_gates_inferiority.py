"""Non-inferiority: the candidate has to show that it is not worse than the margin, absolute and relative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_analysis_gated import change, config_of, judge, one_slice
from scipy import stats

from trueline.model_analysis import (
    EvalConfig,
    EvalOptions,
    MetricConfig,
    MetricsSpec,
    SliceMetrics,
    ValidationResult,
    analyze_raw_data,
)
from trueline.model_analysis.measured import Change, Estimate
from trueline.model_analysis.noise import ratio_interval, standard_errors, t_quantile

DOF = 31


def shown(now: float, before: float = 0.8, error: float | None = 0.01, **bounds: Any) -> ValidationResult:
    config = config_of(MetricConfig("AUC", threshold=change(test="non_inferior", **bounds)))
    return judge(config, one_slice(auc=(now, before, error)))


@pytest.mark.parametrize(
    ("now", "bounds", "passes"),
    [
        (0.80, {"absolute": -0.02}, True),  # the interval starts at -0.017
        (0.80, {"absolute": -0.01}, False),  # equal is not shown to be no worse than that
        (0.795, {"absolute": -0.02}, False),
        (0.80, {"absolute": -0.02, "confidence": 0.99}, False),  # at -0.0245
        (0.83, {"absolute": 0.01}, True),  # superiority by a margin
        (0.82, {"absolute": 0.01}, False),
        (0.80, {"absolute": 0.02, "direction": "LOWER_IS_BETTER"}, True),
        (0.80, {"absolute": 0.01, "direction": "LOWER_IS_BETTER"}, False),
        (0.80, {"relative": -0.022}, True),  # -0.017 / 0.8 = -0.0212
        (0.80, {"relative": -0.02}, False),
        (0.80, {"absolute": -0.02, "relative": -0.02}, False),  # both must hold
    ],
)
def test_ladder_of_non_inferiority(now: float, bounds: dict[str, Any], passes: bool) -> None:
    verdict = shown(now, **bounds)
    assert verdict.ok == passes
    assert all((c.p_value <= 1 - c.confidence) == (c.outcome == "passed") for c in verdict.judged)


def test_the_sentence_names_the_end_of_the_interval() -> None:
    verdict = shown(0.79, absolute=-0.005)
    (failure,) = verdict.failures
    limit = -0.01 - t_quantile(0.95, DOF) * 0.01
    assert failure.sentence == (
        "auc on Overall went from 0.8 (baseline) to 0.79, a change of -0.01 where at least -0.005 is demanded; "
        f"with 95 % confidence it is at least {limit:+.4g}, so this is not shown: off by {-0.005 - limit:.3g}."
    )
    assert (failure.kind, failure.value, failure.bound) == ("change_absolute", pytest.approx(limit), -0.005)


def test_noise_that_could_not_be_measured_shows_nothing() -> None:
    for bounds in ({"absolute": -0.5}, {"relative": -0.5}):
        (failure,) = shown(0.9, error=None, **bounds).failures
        assert "its sampling noise could not be measured" in failure.sentence


def test_a_relative_change_of_a_baseline_that_may_be_0_has_no_bounds() -> None:
    (failure,) = shown(0.9, before=0.1, error=0.01, relative=-0.9).failures  # 0.1 with an error of 0.1
    assert "the baseline's value cannot be told from 0" in failure.sentence


def test_every_check_must_pass_and_none_is_corrected() -> None:
    """An intersection-union test: 40 slices are no reason to let one of them through, or to be stricter on each."""
    config = config_of(MetricConfig("AUC", threshold=change(-0.02, test="non_inferior")))
    slices = [one_slice((("s", n),), auc=(0.8, 0.8, 0.01)) for n in range(40)]
    bad = one_slice((("s", 40),), auc=(0.79, 0.8, 0.01))
    refused = judge(config, *slices, bad)
    assert [f.slice for f in refused.failures if f.kind != "missing_slice"] == ["s=40"]
    assert {c.p_value for c in refused.judged[:-1]} == {judge(config, slices[0]).judged[0].p_value}


# the interval of a ratio


def cloud(rng: np.random.Generator, base: float, apart: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    before = rng.normal(base, 1.0, n)
    return before + rng.normal(apart, 0.3, n), before


def group_means(x: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The mean without each group."""
    sums, counts = np.bincount(groups, x, 32), np.bincount(groups, minlength=32)
    return np.asarray((x.sum() - sums) / (len(x) - counts))


def test_the_interval_of_a_ratio_agrees_with_the_delta_method_where_the_baseline_is_certain() -> None:
    rng = np.random.default_rng(3)
    now, before = cloud(rng, 10.0, -0.1, 4000)
    groups = rng.integers(0, 32, 4000)
    parts = [group_means(now, groups), group_means(before, groups)]
    errors = tuple(float(standard_errors(x, np.array(32))) for x in (*parts, parts[0] - parts[1]))
    found = ratio_interval(now.mean() - before.mean(), before.mean(), errors, 2.0)
    ratio = (now.mean() - before.mean()) / before.mean()
    direct = float(standard_errors((parts[0] - parts[1]) / parts[1], np.array(32)))
    assert found is not None
    assert found == pytest.approx((ratio - 2 * direct, ratio + 2 * direct), rel=0.01)


def test_the_interval_of_a_ratio_covers_it_as_often_as_it_says() -> None:
    """400 data sets with a noisy baseline (1 in 8): 95 % within four sigma, on each side 2.5 %."""
    rng, covered, above = np.random.default_rng(4), 0, 0
    for _ in range(400):
        now, before = cloud(rng, 1.0, -0.2, 64)
        groups = np.arange(64) % 32
        parts = [group_means(now, groups), group_means(before, groups)]
        errors = tuple(float(standard_errors(x, np.array(32))) for x in (*parts, parts[0] - parts[1]))
        found = ratio_interval(now.mean() - before.mean(), before.mean(), errors, t_quantile(0.975, DOF))
        assert found is not None
        covered += found[0] <= -0.2 <= found[1]
        above += found[0] > -0.2
    assert 362 <= covered <= 398
    assert above <= 25


@given(
    st.floats(-2, 2), st.floats(0.5, 3), st.floats(0.001, 0.1), st.floats(0.001, 0.1), st.floats(-1, 1), st.floats(1, 3)
)
@settings(max_examples=60, deadline=None)
def test_the_ends_of_the_interval_are_where_the_contrast_is_at_its_reach(
    change_value: float, base: float, a: float, b: float, rho: float, reach: float
) -> None:
    """Fieller's definition, with any covariance: (d - r b)^2 = t^2 Var(d - r b)."""
    apart = float(np.sqrt(max(a * a + b * b - 2 * rho * a * b, 0.0)))
    found = ratio_interval(change_value, base, (a, b, apart), reach)
    assert found is not None
    covariance = rho * a * b - b * b
    for r in found:
        variance = apart**2 - 2 * r * covariance + r * r * b * b
        assert (change_value - r * base) ** 2 == pytest.approx(reach**2 * variance, rel=1e-6, abs=1e-12)


def test_a_baseline_within_its_noise_of_0_has_no_interval() -> None:
    assert ratio_interval(0.1, 0.1, (0.1, 0.1, 0.01), 2.0) is None
    assert ratio_interval(0.1, 0.1, (0.0, 0.0, 0.0), 2.0) == pytest.approx((1.0, 1.0))


def mirrored(sign: float, direction: str) -> list[tuple[str, float | None, float | None]]:
    """The same numbers on either side of 0."""
    found = SliceMetrics(
        (), 1000, 0, 32, {"auc": Estimate(sign * 0.79, None, 0.03)}, {"auc": Estimate(sign * 0.8, None, 0.04)},
        {"auc": Change(sign * -0.01, 0.011)},
    )  # fmt: skip
    bound = sign * -0.03
    config = config_of(MetricConfig("AUC", threshold=change(relative=bound, direction=direction, test="non_inferior")))
    return [(c.outcome, c.compared, c.p_value) for c in judge(config, found).judged]


def test_a_negative_baseline_is_its_mirror_image() -> None:
    """A log likelihood that falls from -0.8 to -0.79 is a score that falls from 0.8 to 0.79, seen from below."""
    (up,), (down,) = mirrored(1.0, "HIGHER_IS_BETTER"), mirrored(-1.0, "LOWER_IS_BETTER")
    assert up[0] == down[0] == "failed"
    assert up[1] == pytest.approx(-(down[1] or 0.0))
    assert up[2] == pytest.approx(down[2])


# on data


def two_models(rows: int, seed: int, shift: float, jitter: float) -> pa.Table:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, rows).astype(float)
    signal = rng.normal(0.4 + 0.2 * label, 0.15)
    mine = signal + shift * (2 * label - 1) + rng.normal(0, jitter, rows)
    return pa.table({"label": label, "prediction": np.clip(mine, 0, 1), "base": np.clip(signal, 0, 1)})


@pytest.mark.parametrize(("margin", "least", "most"), [(0.0, 1, 6), (-0.2, 60, 60)])
def test_a_candidate_at_the_margin_passes_no_more_often_than_stated(margin: float, least: int, most: int) -> None:
    """60 pairs of equal skill: at margin 0 about 5 % are shown to be no worse, at a wide margin all."""
    config = EvalConfig(
        [MetricsSpec([MetricConfig("MeanSquaredError", threshold=change(-margin, test="non_inferior"))])],
        options=EvalOptions(noise_groups=32),
    )
    passed = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        label = rng.integers(0, 2, 400).astype(float)
        scores = {k: np.clip(0.3 + 0.4 * label + rng.normal(0, 0.2, 400), 0, 1) for k in ("prediction", "base")}
        table = pa.table({"label": label, **scores})
        passed += analyze_raw_data(table, config, baseline_prediction_key="base").validation_result.ok
    assert least <= passed <= most  # P(more than 6 | 60, 0.05) is 3 %; the seeds are fixed


@pytest.mark.parametrize(
    ("make", "passes"),
    [
        (lambda: two_models(4000, 1, 0.03, 0.02), True),  # better
        (lambda: two_models(4000, 1, 0.0, 0.002), True),  # as good, and known to half a percent
        (lambda: two_models(60, 1, 0.0, 0.05), False),  # as good for all that is known, which is little
        (lambda: two_models(4000, 1, -0.03, 0.0), False),
    ],
)
def test_worse_by_more_than_half_a_percent_with_95_percent_confidence(
    make: Callable[[], pa.Table], passes: bool
) -> None:
    threshold = change(relative=-0.005, test="non_inferior", confidence=0.95)
    config = EvalConfig([MetricsSpec([MetricConfig("AUC", threshold=threshold)])])
    verdict = analyze_raw_data(make(), config, baseline_prediction_key="base").validation_result
    assert verdict.ok == passes
    (check,) = verdict.judged
    assert check.low is not None
    assert check.high is None  # one-sided
    assert (check.low >= -0.005) == passes


def test_the_p_value_is_that_of_students_t() -> None:
    (check,) = shown(0.79, absolute=-0.02).judged
    assert check.p_value == pytest.approx(stats.t.sf(1.0, DOF))

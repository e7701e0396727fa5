"""Adjusted p-values equal statsmodels', and in the gates one level is shared by all checks that noise can excuse."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_analysis_gated import change, config_of, judge, one_slice, value
from statsmodels.stats.multitest import multipletests

from trueline._core.errors import ConfigError
from trueline.model_analysis import GenericChangeThreshold, GenericValueThreshold, MetricConfig, MetricThreshold
from trueline.model_analysis.multiplicity import MULTIPLICITY, adjusted_p_values

NAMES = {"bonferroni": "bonferroni", "holm": "holm", "benjamini_hochberg": "fdr_bh"}
P = st.floats(0, 1) | st.sampled_from([0.0, 0.01, 0.05, 1.0])
AUC, ACCURACY = (MetricConfig(m, threshold=change(0.0)) for m in ("AUC", "BinaryAccuracy"))


@pytest.mark.slow
@pytest.mark.parametrize("method", sorted(NAMES))
def test_adjusted_p_values_equal_statsmodels(method: str) -> None:
    rng = np.random.default_rng(0)
    lists = [[0.03], [0.0, 1.0, 0.0], [0.02] * 5, rng.random(30).round(1), rng.random(40) ** 4]
    for p_values in lists:
        want = multipletests(p_values, alpha=0.05, method=NAMES[method])[1]
        np.testing.assert_allclose(adjusted_p_values(list(p_values), method), want, rtol=1e-12, atol=0)


@given(st.lists(P, max_size=20), st.randoms(use_true_random=False), st.sampled_from(sorted(MULTIPLICITY)))
@settings(max_examples=40, deadline=None)
def test_the_order_of_checks_does_not_matter(p_values: list[float], random: object, method: str) -> None:
    order = list(range(len(p_values)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = adjusted_p_values([p_values[k] for k in order], method)
    assert [shuffled[order.index(k)] for k in range(len(p_values))] == adjusted_p_values(p_values, method)


@given(st.lists(P, max_size=20))
@settings(max_examples=40, deadline=None)
def test_each_rule_rejects_at_least_what_the_stricter_one_does(p_values: list[float]) -> None:
    """none >= Benjamini-Hochberg >= Holm >= Bonferroni, check by check."""
    methods = ("none", "benjamini_hochberg", "holm", "bonferroni")
    for more, fewer in pairwise(methods):
        pairs = zip(adjusted_p_values(p_values, more), adjusted_p_values(p_values, fewer), strict=True)
        assert all(a <= b or math.isclose(a, b, rel_tol=1e-12) for a, b in pairs)


@pytest.mark.parametrize(("p_values", "method", "said"), [([0.1], "sidak", "no multiplicity control 'sidak'"),
                                                          ([0.1, float("nan")], "holm", "outside 0..1"),
                                                          ([1.5], "none", "outside 0..1")])  # fmt: skip
def test_what_is_no_p_value_or_rule_is_refused(p_values: list[float], method: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        adjusted_p_values(p_values, method)


def worse(count: int, **options: object) -> list[str]:
    """The slices refused among `count`, of which the n-th got worse by n standard errors and a bit."""
    slices = [one_slice((("s", n),), auc=(0.8 - 0.01 * (n + 1.25), 0.8, 0.01)) for n in range(count)]
    return [f.slice for f in judge(config_of(AUC, slices=[], **options), *slices).failures if f.kind != "missing_slice"]


def test_the_rules_differ_where_they_should() -> None:
    """p is 0.11, 0.016, 0.0014, 9e-05 for four slices: every rule sees its own share of them."""
    found = {method: len(worse(4, multiplicity=method)) for method in MULTIPLICITY}
    assert found == {"none": 3, "benjamini_hochberg": 3, "holm": 3, "bonferroni": 2}
    assert len(worse(4, multiplicity="holm", confidence=0.99)) == 2


def test_sentences_say_how_many_checks_share_the_level() -> None:
    slices = [one_slice((("s", n),), auc=(0.75, 0.8, 0.01), binary_accuracy=(0.81, 0.8, 0.01)) for n in range(3)]
    verdict = judge(config_of(AUC, ACCURACY, multiplicity="benjamini_hochberg"), *slices)
    said = next(f.sentence for f in verdict.failures if f.slice == "s=2")
    assert (
        "beyond sampling noise (5 standard errors, p = 1.1e-05; 2.1e-05 after Benjamini-Hochberg over the 6 checks"
        in said
    )
    assert [c.p_adjusted for c in verdict.judged if c.metric == "auc"] == [pytest.approx(2.1e-05, rel=0.05)] * 3


def test_checks_that_noise_cannot_excuse_do_not_share_the_level() -> None:
    """Demanded improvements, shown non-inferiority, bare changes and values leave the level of the others alone."""
    others = [change(0.01), change(-0.5, test="non_inferior"), change(-0.5, test="value"), value(0.1)]
    metrics = [MetricConfig("AUC", {"name": f"m{k}"}, other) for k, other in enumerate(others)]
    found = one_slice(auc=(0.78, 0.8, 0.01), **{f"m{k}": (0.82, 0.8, 0.01) for k in range(len(others))})
    verdict = judge(config_of(AUC, *metrics), found)
    (refused,) = verdict.failures
    assert "p = 0.027 in 1 check" in refused.sentence


def test_two_thresholds_on_the_same_change_are_one_hypothesis() -> None:
    twice = MetricThreshold(GenericValueThreshold(0.1), GenericChangeThreshold(0.0, -0.001))
    config = config_of(MetricConfig("AUC", threshold=twice), spec={"thresholds": {"auc": change(-0.001)}})
    verdict = judge(config, one_slice(auc=(0.78, 0.8, 0.01)))
    assert [c.p_adjusted for c in verdict.judged if c.kind != "value_lower"] == [pytest.approx(0.0271, rel=0.01)] * 3
    assert len(verdict.failures) == 3


def test_a_check_of_its_own_confidence_is_held_against_it() -> None:
    strict = MetricConfig("AUC", threshold=change(0.0, confidence=0.99))
    found = one_slice(auc=(0.78, 0.8, 0.01))
    assert judge(config_of(strict), found).ok  # p is 0.027: no worsening at 99 %
    assert not judge(config_of(AUC), found).ok
    assert not judge(config_of(MetricConfig("AUC", threshold=change(0.0, confidence=0.9)), confidence=0.99), found).ok

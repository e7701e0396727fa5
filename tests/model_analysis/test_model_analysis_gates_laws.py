"""Laws of the gates over random measurements: fail-closed, monotone, and blind to order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from model_analysis_gated import change, config_of, judge, one_slice, value

from trueline.model_analysis import (
    EvalConfig,
    MetricConfig,
    MetricThreshold,
    SliceMetrics,
    SlicingSpec,
    ValidationResult,
)
from trueline.model_analysis.multiplicity import MULTIPLICITY
from trueline.model_analysis.slices import slice_name

NAMES = ("auc", "recall", "mean_squared_error")
CLASSES = {"auc": "AUC", "recall": "Recall", "mean_squared_error": "MeanSquaredError"}
NUMBER = st.floats(-2, 2, allow_subnormal=False)
ERROR = st.none() | st.just(0.0) | st.floats(1e-4, 0.5)
METHODS = st.sampled_from(sorted(MULTIPLICITY))
TESTS = st.sampled_from(["worse", "non_inferior", "value"])
MARGIN = st.none() | st.floats(0, 0.5)


@st.composite
def thresholds(draw: Any, name: str, tests: Any = TESTS) -> MetricThreshold:
    """A change threshold with margins on the worse side, or the bounds of a value."""
    if draw(st.booleans()):
        bounds = sorted(draw(st.lists(NUMBER, min_size=2, max_size=2)))
        return value(*draw(st.sampled_from([bounds, (bounds[0], None), (None, bounds[1])])))
    sign = 1.0 if name == "mean_squared_error" else -1.0
    absolute, relative = draw(MARGIN), draw(MARGIN)
    if absolute is None and relative is None:
        absolute = 0.0
    scaled = [None if m is None else sign * m for m in (absolute, relative)]
    return change(*scaled, test=draw(tests), confidence=draw(st.none() | st.floats(0.5, 0.999)))


@st.composite
def slices(draw: Any, equal: bool = False) -> list[SliceMetrics]:
    found = []
    for n in range(draw(st.integers(1, 4))):
        numbers = {}
        for name in NAMES:
            base = draw(NUMBER)
            mine = base if equal else draw(NUMBER)
            numbers[name] = (mine, base, 0.0 if equal else draw(ERROR))
        found.append(one_slice((("s", n),), draw(st.integers(1, 40)), **numbers))
    return found


@st.composite
def configs(draw: Any, tests: Any = TESTS) -> EvalConfig:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    metrics = [MetricConfig(CLASSES[n], threshold=draw(thresholds(n, tests))) for n in names]
    return config_of(*metrics, slices=[SlicingSpec(["s"])], multiplicity=draw(METHODS))


def failed(verdict: ValidationResult) -> set[tuple[str, str, str]]:
    return {(f.metric, f.slice, f.kind) for f in verdict.failures}


@given(configs(st.just("worse")), slices(equal=True))
@settings(max_examples=80, deadline=None)
def test_a_candidate_equal_to_the_baseline_passes_every_change(config: EvalConfig, found: list[SliceMetrics]) -> None:
    assert not [f for f in judge(config, *found).failures if f.kind.startswith("change")]


@given(configs(), slices(), st.data())
@settings(max_examples=80, deadline=None)
def test_the_order_of_metrics_and_slices_does_not_matter(
    config: EvalConfig, found: list[SliceMetrics], data: Any
) -> None:
    spec = config.metrics_specs[0]
    turned = replace(config, metrics_specs=(replace(spec, metrics=tuple(data.draw(st.permutations(spec.metrics)))),))
    shuffled = data.draw(st.permutations(found))
    one, other = judge(config, *found), judge(turned, *shuffled)
    assert one.ok == other.ok
    assert failed(one) == failed(other)
    assert {c.sentence for c in one.judged} == {c.sentence for c in other.judged}


@given(configs(), slices(), st.sampled_from(NAMES), st.data())
@settings(max_examples=80, deadline=None)
def test_adding_a_check_that_fails_by_itself_never_opens_a_gate(
    config: EvalConfig, found: list[SliceMetrics], name: str, data: Any
) -> None:
    """For bounds of values, bare changes, non-inferiority and missing metrics: none of them shares a level."""
    added = data.draw(
        st.sampled_from(
            [
                value(lower=99.0),
                value(upper=-99.0),
                change(99.0, test="value", direction="HIGHER_IS_BETTER"),
                change(99.0, test="non_inferior", direction="HIGHER_IS_BETTER"),
            ]
        )
    )
    before = judge(config, *found)
    spec = replace(config.metrics_specs[0], thresholds={name: added})
    after = judge(replace(config, metrics_specs=(spec,)), *found)
    assert not after.ok
    assert failed(before) <= failed(after)


@given(configs(), slices())
@settings(max_examples=80, deadline=None)
def test_the_verdict_is_what_its_evidence_says(config: EvalConfig, found: list[SliceMetrics]) -> None:
    verdict = judge(config, *found)
    assert verdict.ok == all(c.outcome != "failed" for c in verdict.judged)
    assert ValidationResult.from_json(verdict.to_json()) == verdict
    for check in verdict.judged:
        assert check.slice in check.sentence
        if check.outcome == "passed" and check.kind != "defined":
            sign = -1.0 if check.kind == "value_upper" or check.direction == "LOWER_IS_BETTER" else 1.0
            assert sign * check.compared >= sign * check.bound
        if check.outcome == "failed":
            assert check.by is None or check.by >= 0


@given(configs(), slices(), st.integers(0, 2), st.sampled_from(["value", "metric", "error"]))
@settings(max_examples=80, deadline=None)
def test_taking_away_what_was_measured_never_opens_a_gate(
    config: EvalConfig, found: list[SliceMetrics], place: int, what: str
) -> None:
    """An undefined value, a metric or noise that is gone: what was refused stays refused."""
    name = NAMES[place]
    first, *rest = found
    if what == "metric":
        less = replace(first, metrics={k: v for k, v in first.metrics.items() if k != name})
    elif what == "error":
        less = replace(first, changes={**first.changes, name: replace(first.changes[name], standard_error=None)})
    else:
        gone = replace(first.metrics[name], value=None, undefined="nothing")
        less = replace(first, metrics={**first.metrics, name: gone})
    none = replace(config, options=replace(config.options, multiplicity="none"))  # a family of its own for each check
    if not judge(none, *found).ok:
        assert not judge(none, less, *rest).ok


@given(configs(), slices())
@settings(max_examples=40, deadline=None)
def test_a_slice_that_is_refused_is_named(config: EvalConfig, found: list[SliceMetrics]) -> None:
    verdict = judge(config, *found)
    assert {f.slice for f in verdict.failures} <= {slice_name(s.key) for s in found}
    assert all(f.metric in f.sentence for f in verdict.failures)


@given(slices(), st.floats(0, 0.3), st.floats(0.5, 0.99))
@settings(max_examples=60, deadline=None)
def test_what_is_shown_to_be_no_worse_is_never_refused_as_worse(
    found: list[SliceMetrics], margin: float, confidence: float
) -> None:
    """At one level and one margin the burden of proof of ``non_inferior`` is the heavier one."""

    def verdict(test: str) -> ValidationResult:
        threshold = change(-margin, test=test, confidence=confidence)
        return judge(config_of(MetricConfig("AUC", threshold=threshold), slices=[SlicingSpec(["s"])]), *found)

    shown, doubted = verdict("non_inferior"), verdict("worse")
    assert {f.slice for f in doubted.failures} <= {f.slice for f in shown.failures}

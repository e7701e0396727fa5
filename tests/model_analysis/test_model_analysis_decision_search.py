"""The search for a threshold against the search through all of them, and what histograms of scores promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_analysis_line import built

from trueline._core.errors import ConfigError, EngineError, GateError
from trueline.engine import Dataset
from trueline.engine.base import AccumulatorSpec
from trueline.engine.testing import check_accumulator
from trueline.model_analysis.decision.cost import Constraint, Cost, matrix_of, parse_constraints, parse_cost
from trueline.model_analysis.decision.rates import RATES, Counts
from trueline.model_analysis.decision.rows import model_source
from trueline.model_analysis.decision.sample import ROW_SAMPLE, RULE_TABLE
from trueline.model_analysis.decision.scores import SCORE_TABLE, ScoreTable, bucket_edges
from trueline.model_analysis.decision.threshold import best_threshold

GRID = np.array(
    [0.0, 1e-6, 0.1, 0.25, 0.3, 0.5, np.nextafter(np.float32(0.5), np.float32(1)), 0.8, 0.999, 1.0], np.float32
)
row = st.tuples(st.sampled_from(range(len(GRID))), st.booleans(), st.integers(1, 4), st.integers(0, 3))
amount = st.integers(0, 8).map(float)


def tables(rows: list[Any]) -> tuple[Any, Any, Any]:
    places = sorted({r[0] for r in rows})
    positive, negative = np.zeros((len(places), 4)), np.zeros((len(places), 4))
    for at, true, weight, group in rows:
        (positive if true else negative)[places.index(at), group] += weight
    return GRID[places], positive, negative


def total(rows: list[Any], cost: Cost, threshold: float) -> float:
    prices = {(True, True): cost.true_positive, (True, False): cost.false_negative}
    prices |= {(False, True): cost.false_positive, (False, False): cost.true_negative}
    paid = sum(w * prices[true, bool(GRID[at] >= np.float32(threshold))] for at, true, w, _ in rows)
    return paid / sum(w for _, _, w, _ in rows)


def cuts(rows: list[Any]) -> list[float]:
    """One threshold of every cut: each score, and above all of them where a probability lies there."""
    scores = sorted({float(GRID[r[0]]) for r in rows})
    return scores + ([(scores[-1] + 1) / 2] if scores[-1] < 1 else [])


@settings(max_examples=80, deadline=None)
@given(rows=st.lists(row, min_size=1, max_size=25), fp=amount, fn=amount, tp=amount, tn=amount)
def test_nothing_costs_less_than_the_chosen_threshold(rows: Any, fp: float, fn: float, tp: float, tn: float) -> None:
    cost = Cost(fp + tn + 1, fn + tp + 1, tp, tn)
    best = best_threshold(*tables(rows), cost)
    least = min(total(rows, cost, t) for t in cuts(rows))
    assert best.costs[0] == pytest.approx(least, abs=1e-9)
    assert total(rows, cost, best.threshold) == pytest.approx(least, abs=1e-9)
    assert 0 <= best.threshold <= 1
    assert np.float32(best.threshold) == best.threshold
    assert best.low <= best.threshold <= best.high


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(row, min_size=1, max_size=20),
    metric=st.sampled_from(sorted(RATES)),
    bound=st.integers(0, 10).map(lambda v: v / 10),
    least=st.booleans(),
)
def test_constraints_are_kept_at_least_cost_or_nothing_is_chosen(
    rows: Any, metric: str, bound: float, least: bool
) -> None:
    kept = Constraint(metric, at_least=bound) if least else Constraint(metric, at_most=bound)

    def rate(threshold: float) -> float:
        sums = dict.fromkeys(("tp", "fp", "fn", "tn"), 0.0)
        for at, true, weight, _ in rows:
            said = GRID[at] >= np.float32(threshold)
            sums[("tp" if true else "fp") if said else ("fn" if true else "tn")] += weight
        return float(RATES[metric](Counts(*(np.array(v) for v in sums.values()))))

    able = [t for t in cuts(rows) if (rate(t) >= bound if least else rate(t) <= bound)]  # NaN keeps nothing
    cost = Cost(1, 3)
    if not able:
        with pytest.raises(GateError, match="no threshold keeps all constraints"):
            best_threshold(*tables(rows), cost, [kept])
        return
    best = best_threshold(*tables(rows), cost, [kept])
    assert best.costs[0] == pytest.approx(min(total(rows, cost, t) for t in able), abs=1e-9)
    assert rate(best.threshold) >= bound if least else rate(best.threshold) <= bound


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(row, min_size=1, max_size=20), more=st.integers(1, 9))
def test_dearer_misses_never_raise_the_threshold_nor_the_share_missed(rows: Any, more: int) -> None:
    low, high = best_threshold(*tables(rows), Cost(2, 2)), best_threshold(*tables(rows), Cost(2, 2 + more))
    assert high.costs[0] >= low.costs[0] - 1e-9
    missed = [sum(w for at, true, w, _ in rows if true and GRID[at] < np.float32(b.threshold)) for b in (low, high)]
    assert missed[1] <= missed[0]


@settings(max_examples=100, deadline=None)
@given(score=st.floats(0, 1, width=32))
def test_an_edge_is_at_most_its_scores_and_its_own_edge(score: float) -> None:
    p = np.array([score], np.float32)
    edge = bucket_edges(p)
    assert edge.dtype == np.float32
    assert 0 <= edge[0] <= p[0]
    assert bucket_edges(edge)[0] == edge[0]
    assert p[0] - edge[0] <= max(min(float(p[0]), 1 - float(p[0])) / 128, 2.0**-23)


def test_edges_rise_with_scores() -> None:
    p = np.sort(np.random.default_rng(1).random(20_000).astype(np.float32) ** 3)
    assert (np.diff(bucket_edges(p)) >= 0).all()
    assert len(np.unique(bucket_edges(p))) < 6000


@pytest.fixture(scope="module")
def params() -> dict[str, Any]:
    source = model_source(built()["weighted"].runtime)
    return {"model": source, "plain": source, "groups": 8, "seed": 3}


def merged(params: dict[str, Any], blocks: list[Any], **more: Any) -> Any:
    first, *rest = [ScoreTable(**params, **more) for _ in blocks]
    for table, block in zip([first, *rest], blocks, strict=True):
        table.update(block)
    for other in rest:
        first.merge(other)
    return first.finish()


def test_the_scores_are_an_accumulator(params: dict[str, Any]) -> None:
    check_accumulator(AccumulatorSpec(SCORE_TABLE, params), built()["table"].slice(0, 300), rtol=1e-12, processes=False)


def test_rows_of_more_classes_are_accumulators_and_states_of_other_classes_are_refused() -> None:
    source = model_source(built()["kind"].runtime)
    shared = {"model": source, "plain": source, "groups": 4, "seed": 0}
    few = built()["table"].slice(0, 200)
    sample: Any = AccumulatorSpec(ROW_SAMPLE, {**shared, "classes": 3, "keep": 50})
    costs = [[0, 1, 1], [1, 0, 1], [5, 1, 0]]
    rule: Any = AccumulatorSpec(RULE_TABLE, {**shared, "costs": costs, "calibration": None})
    found = check_accumulator(sample, few, processes=False)
    assert len(found.rows.true) == 50
    assert found.before.sum() == 200
    assert check_accumulator(rule, few, processes=False).sum() == 200
    for spec, other in ((sample, {"classes": 4}), (rule, {"costs": [[0, 1], [1, 0]]})):
        state = spec.new().state()
        with pytest.raises(EngineError, match="other classes"):
            AccumulatorSpec(spec.name, spec.params | other).load(state)


def test_too_many_scores_become_buckets_with_a_stated_loss(params: dict[str, Any]) -> None:
    blocks = list(Dataset.from_table(built()["table"], 200).batches())
    exact, coarse = merged(params, blocks), merged(params, blocks, cells=400)
    other_way = merged(params, blocks[::-1], cells=400)
    assert exact.exact
    assert not coarse.exact
    np.testing.assert_array_equal(coarse.score, other_way.score)
    np.testing.assert_allclose(coarse.weight, other_way.weight, rtol=1e-12)
    assert coarse.weight.sum() == pytest.approx(exact.weight.sum())
    assert set(coarse.score) == set(bucket_edges(exact.score))

    def search(found: Any) -> Any:
        distinct, place = np.unique(found.score, return_inverse=True)
        sums = [
            np.bincount(place[of], found.weight[of], len(distinct))[:, None] for of in (found.positive, ~found.positive)
        ]
        return best_threshold(distinct, *sums, Cost(1, 4), exact=found.exact)

    true, near = search(exact), search(coarse)
    assert true.error_bound == 0
    assert 0 <= near.costs[0] - true.costs[0] <= near.error_bound + 1e-12
    assert near.error_bound < 0.02


def test_costs_and_constraints_parse_or_tell_everything() -> None:
    assert parse_cost({"false_positive": 2, "false_negative": 3}) == Cost(2.0, 3.0)
    assert str(Cost(2, 3, -1, unit="EUR")) == "false positive 2 EUR, false negative 3 EUR, true positive -1 EUR"
    assert str(parse_constraints([{"metric": "recall", "at_least": 0.9}])[0]) == "recall at least 0.9"
    assert matrix_of(Cost(1, 5), [False, True]) == ((0.0, 1.0), (5.0, 0.0))
    for bad, said in (
        ({"false_positive": float("inf"), "false_negative": 1}, "write a finite number"),
        ({"false_positive": 1}, "'false_negative' is missing"),
        ({"costs": [[0, 1], [1]]}, "no square"),
        ({"costs": {"a": 3}}, "no finite numbers"),
        (5, "is no cost"),
    ):
        with pytest.raises(ConfigError, match=said):
            parse_cost(bad)
    with pytest.raises(ConfigError, match="being wrong must not cost less"):
        matrix_of(parse_cost({"costs": [[2, 1], [1, 0]]}), ["a", "b"])
    with pytest.raises(ConfigError) as caught:
        parse_constraints([{"metric": "recall", "at_leest": 1}, {"metric": "f1", "at_least": 0.9, "at_most": 0.1}])
    assert len(caught.value.problems) == 2

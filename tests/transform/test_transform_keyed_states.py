"""States by key: against plain Python, in any blocks and merges, as parts and pruned."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline.engine import LocalEngine
from trueline.transform.analyzers.inputs import Inputs, PlainColumn
from trueline.transform.analyzers.keyed_points import KeyedPoints
from trueline.transform.analyzers.keyed_states import KeyedCounts, KeyedExtremes, KeyedMoments
from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Value

ONE = LocalEngine(workers=1)
VECTOR = pa.list_(pa.float64(), 2)
FLOAT, TEXT = ValueType("float64"), ValueType("utf8")
NUMBERS = st.floats(-1e6, 1e6) | st.just(math.nan) | st.integers(-3, 3).map(float)
ROWS = st.lists(st.tuples(NUMBERS, st.sampled_from(["", "a", "b", "é", "日本"])), min_size=1, max_size=40)


def by_key(rows: list[tuple[float, str]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for value, key in rows:
        found[key].append(value)
    return dict(sorted(found.items(), key=lambda item: item[0].encode()))


def state_of(make: Any, rows: list[tuple[float, str]], types: Any = (FLOAT, TEXT), weights: Any = None) -> Any:
    state = make(list(types), {})
    columns = [
        PlainColumn(pa.array([v for v, _ in rows], pa.float64())),
        PlainColumn(pa.array([k for _, k in rows], pa.string())),
    ]
    if weights is not None:
        columns.append(PlainColumn(pa.array(weights, pa.float64())))
    state.update(Inputs(columns if make is not KeyedCounts else columns[1:]))
    return state


def merged(make: Any, rows: list[tuple[float, str]], cut: int, through_parts: bool) -> Any:
    """The state of two blocks, the second one sent as parts or not."""
    left, right = state_of(make, rows[:cut]), state_of(make, rows[cut:])
    if through_parts:
        sent = make([FLOAT, TEXT], {})
        sent.restore(*right.parts())
        right = sent
    left.merge(right)
    return left


@given(ROWS, st.integers(0, 40), st.booleans())
@settings(max_examples=60, deadline=None)
def test_moments_are_those_of_each_key(rows: list[tuple[float, str]], cut: int, through_parts: bool) -> None:
    state = merged(KeyedMoments, rows, cut, through_parts)
    groups = by_key(rows)
    assert state.ordered_keys() == list(groups)
    for mean, variance, values in zip(
        state.ordered(state.mean), state.ordered(state.variance), groups.values(), strict=True
    ):
        finite = [v for v in values if math.isfinite(v)]
        if not finite:
            assert (mean, variance) == (0.0, 0.0)
            continue
        assert mean == pytest.approx(math.fsum(finite) / len(finite), rel=1e-9, abs=1e-6)
        assert variance == pytest.approx(np.var(finite), rel=1e-6, abs=1e-3)
        if len(set(finite)) == 1:
            assert (mean, variance) == (finite[0], 0.0)  # exactly, whatever the number of values and blocks


@given(ROWS, st.integers(0, 40), st.booleans())
@settings(max_examples=60, deadline=None)
def test_extremes_are_those_of_each_key(rows: list[tuple[float, str]], cut: int, through_parts: bool) -> None:
    state = merged(KeyedExtremes, rows, cut, through_parts)
    for least, greatest, values in zip(
        state.ordered(state.least), state.ordered(state.greatest), by_key(rows).values(), strict=True
    ):
        proper = [v for v in values if not math.isnan(v)]
        assert least == min(proper, default=math.inf)
        assert greatest == max(proper, default=-math.inf)


@given(ROWS, st.integers(0, 40), st.booleans(), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_quantiles_are_those_of_each_key(rows: list[tuple[float, str]], cut: int, through_parts: bool, n: int) -> None:
    """By the rule for whole columns; keys without a number are left out."""
    state = merged(KeyedPoints, rows, cut, through_parts)
    groups = {k: [v for v in values if not math.isnan(v)] for k, values in by_key(rows).items()}
    groups = {k: v for k, v in groups.items() if v}
    assert state.ordered_keys() == list(groups)
    expected = [[sorted(v)[i * len(v) // n] for i in range(1, n)] for v in groups.values()]
    assert state.quantiles(n).tolist() == expected


@given(ROWS, st.integers(0, 40), st.integers(1, 5), st.sampled_from([1.0, 0.1, 1e-9]))
@settings(max_examples=40, deadline=None)
def test_equal_weights_are_no_weights(rows: list[tuple[float, str]], cut: int, n: int, weight: float) -> None:
    plain = state_of(KeyedPoints, rows)
    types = (FLOAT, TEXT, FLOAT)
    left = state_of(KeyedPoints, rows[:cut], types, [weight] * len(rows[:cut]))
    left.merge(state_of(KeyedPoints, rows[cut:], types, [weight] * len(rows[cut:])))
    assert left.ordered_keys() == plain.ordered_keys()
    assert left.quantiles(n).tolist() == plain.quantiles(n).tolist()


@given(st.lists(st.text(max_size=2), max_size=30), st.integers(0, 30))
@settings(max_examples=40, deadline=None)
def test_counts_are_exact_and_in_order(keys: list[str], cut: int) -> None:
    rows = [(0.0, k) for k in keys]
    left = state_of(KeyedCounts, rows[:cut], (TEXT,))
    left.merge(state_of(KeyedCounts, rows[cut:], (TEXT,)))
    expected = sorted(Counter(keys).items(), key=lambda item: item[0].encode())
    assert list(zip(left.ordered_keys(), left.ordered(left.count), strict=True)) == expected


def test_summaries_of_many_keys_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """More pairs than the summary holds: it is pruned, and each key's ranks stay near."""
    monkeypatch.setattr(KeyedPoints, "TOTAL", 4_000)
    rng = np.random.default_rng(4)
    keys = np.array(["a", "b", "c"])[rng.choice(3, 30_000, p=[0.5, 0.3, 0.2])]
    values = rng.normal(size=30_000)
    for weights in (None, np.full(30_000, 0.5)):
        types = (FLOAT, TEXT) if weights is None else (FLOAT, TEXT, FLOAT)
        state = KeyedPoints(list(types), {})
        for part in np.split(np.arange(30_000), 10):
            rows = list(zip(values[part].tolist(), keys[part].tolist(), strict=True))
            state.merge(state_of(KeyedPoints, rows, types, None if weights is None else weights[part]))
            assert len(state.points) <= 4_000
        assert state.weights.sum() == pytest.approx(30_000 if weights is None else 15_000)
        for i, key in enumerate("abc"):
            own = np.sort(values[keys == key])
            ranks = np.searchsorted(own, state.quantiles(10)[i]) / len(own)
            assert np.abs(ranks - np.arange(1, 10) / 10).max() < 11 / (2 * 666) + 1e-3


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc")), max_size=12), min_size=1, max_size=8),
    st.lists(st.booleans(), min_size=8, max_size=8),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_pruned_summaries_do_not_depend_on_who_wrote_them_out(
    blocks: list[list[tuple[int, str]]], written: list[bool], weighted: bool
) -> None:
    """A tree of merges with pruning, where any state may go through its parts: the same bits."""
    types = (FLOAT, TEXT, FLOAT) if weighted else (FLOAT, TEXT)

    def sent(state: Any) -> Any:
        other = Small(list(types), {})
        other.restore(*state.parts())
        return other

    def tree(through_parts: list[bool]) -> dict[str, Any]:
        states = []
        for block in blocks:
            rows = [(float(v), k) for v, k in block]
            states.append(state_of(Small, rows, types, [0.1 + v for v, _ in rows] if weighted else None))
        states = [sent(s) if w else s for s, w in zip(states, through_parts, strict=False)]
        while len(states) > 1:
            for left, right in zip(states[::2], states[1::2], strict=False):
                left.merge(right)
            states = states[::2]
            states = [sent(s) if w else s for s, w in zip(states, reversed(through_parts), strict=False)]
        _, arrays = states[0].parts()
        return {k: v.to_pylist() if isinstance(v, pa.Array) else v.tobytes() for k, v in arrays.items()}

    assert tree(written) == tree([False] * len(blocks))


class Small(KeyedPoints):
    """A summary that is pruned soon."""

    TOTAL = 12
    LEAST = 2


def test_counting_takes_no_longer_with_many_keys() -> None:
    """100,000 keys: the state is a few flat arrays."""
    keys = pa.array([f"k{i % 100_000}" for i in range(200_000)])
    state = KeyedMoments([FLOAT, TEXT], {})
    state.update(Inputs([PlainColumn(pa.array(np.arange(200_000.0))), PlainColumn(keys)]))
    assert len(state.keys) == 100_000
    assert sum(field.nbytes for field in state.fields.values()) == 100_000 * 24
    row = state.ordered_keys().index("k7")
    assert state.ordered(state.mean)[row] == 50_007.0
    assert state.ordered(state.variance)[row] == 2.5e9


def test_the_shapes_of_inputs_give_the_same_state() -> None:
    """A raw column read from Arrow and a computed one, nulls and masks: the same keys and numbers."""
    plain = KeyedMoments([FLOAT, TEXT], {})
    plain.update(
        Inputs(
            [
                PlainColumn(pa.array([1.0, None, 3.0, 5.0])),
                PlainColumn(pa.array(["a", "a", None, "b"])),
            ]
        )
    )
    computed = KeyedMoments([FLOAT, TEXT], {})
    computed.update(
        Inputs(
            [
                Value(np.array([1.0, 9.0, 3.0, 5.0]), np.array([True, False, True, True])),
                Value(np.array(["a", "a", "x", "b"], object), np.array([True, True, False, True])),
            ]
        )
    )
    assert plain.ordered_keys() == computed.ordered_keys() == ["a", "b"]
    assert plain.ordered(plain.mean) == computed.ordered(computed.mean) == [1.0, 5.0]

"""Mutual information of tokens and labels: against sums over all rows, exact probabilities and published values."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trueline.transform as tlt
from trueline._core.errors import EngineError, TransformError
from trueline._core.values import raw_feature_of
from trueline.engine import Dataset, LocalEngine
from trueline.transform.analysis import analyze
from trueline.transform.analyzers import Vocabulary
from trueline.transform.analyzers.information import (
    expected_partial_information,
    hypergeometric_pmf,
    information_of,
    partial_information,
    recommended_min_diff,
)
from trueline.transform.analyzers.inputs import Inputs, PlainColumn
from trueline.transform.analyzers.labelled_tokens import LabelledTokens
from trueline.transform.graph import ValueType
from trueline.transform.tracer import trace


@given(st.integers(1, 60), st.data())
@settings(max_examples=60, deadline=None)
def test_probabilities_are_the_hypergeometric_ones(n: int, data: Any) -> None:
    """Against binomial coefficients of whole numbers."""
    n_x, n_y = data.draw(st.integers(0, n)), data.draw(st.integers(0, n))
    numbers, found = hypergeometric_pmf(n, n_x, n_y)
    assert numbers.tolist() == list(range(max(0, n_x + n_y - n), min(n_x, n_y) + 1))
    exact = [math.comb(n_x, k) * math.comb(n - n_x, n_y - k) / math.comb(n, n_y) for k in numbers.tolist()]
    assert found.tolist() == pytest.approx(exact, rel=1e-9)


@given(st.integers(1, 40), st.data())
@settings(max_examples=60, deadline=None)
def test_expected_information_is_the_mean_over_chance(n: int, data: Any) -> None:
    n_x, n_y = data.draw(st.integers(0, n)), data.draw(st.integers(0, n))
    numbers, _ = hypergeometric_pmf(n, n_x, n_y)
    chance = [math.comb(n_x, k) * math.comb(n - n_x, n_y - k) / math.comb(n, n_y) for k in numbers.tolist()]
    mean = math.fsum(p * partial_information(k, n_x, n_y, n) for k, p in zip(numbers.tolist(), chance, strict=True))
    assert expected_partial_information(n, n_x, n_y) == pytest.approx(mean, rel=1e-9, abs=1e-9)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_the_sum_over_tokens_is_mutual_information(rows: list[tuple[str, int]]) -> None:
    """With one token a row, the tokens' bits add up to n times the mutual information of the textbook."""
    n = len(rows)
    pairs, tokens, labels = Counter(rows), Counter(t for t, _ in rows), Counter(y for _, y in rows)
    textbook = math.fsum(c * math.log2(c * n / (tokens[t] * labels[y])) for (t, y), c in pairs.items())
    names = sorted(tokens)
    joint = np.array([[pairs[t, y] for y in range(3)] for t in names], np.float64)
    totals = np.array([labels[y] for y in range(3)], np.float64)
    found = information_of(joint, totals, min_diff_from_avg=0.0)
    assert found.sum() == pytest.approx(textbook, abs=n * 2e-4)  # shares are clipped at a millionth


def test_how_far_from_the_average_counts_by_default() -> None:
    """TensorFlow Transform's own values."""
    sizes = (0, 10_000, 100_000, 500_000, 100_000_000)
    assert [recommended_min_diff(n) for n in sizes] == [2, 2, 4, 13, 25]


def test_a_token_in_every_row_and_no_rows() -> None:
    assert information_of(np.array([[3.0, 2.0]]), np.array([3.0, 2.0]), min_diff_from_avg=0).tolist() == [0.0]
    assert information_of(np.zeros((0, 0)), np.zeros(0)).tolist() == []
    assert information_of(np.zeros((1, 1)), np.zeros(1), adjusted=True).tolist() == [0.0]


WORDS = ["hello"] * 3 + ["goodbye", "aaaaa", "aaaaa", "goodbye", "goodbye", "aaaaa", "aaaaa", "goodbye", "goodbye"]
LABELS = [1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0]


def found_vocabulary(table: pa.Table, **options: Any) -> Vocabulary:
    features = [raw_feature_of(f) for f in table.schema if f.name != "__row__"]

    def preprocessing(x: Any) -> dict[str, Any]:
        weights = {"weights": x["w"]} if "w" in table.schema.names else {}
        found = tlt.vocabulary(x["s"], labels=x["y"], **weights, **options)
        return {"id": tlt.apply_vocabulary(x["s"], found)}

    output = analyze(trace(preprocessing, features), Dataset.from_table(table), LocalEngine(workers=1))
    (found,) = output.vocabularies.values()
    return found


@pytest.mark.parametrize(
    ("options", "tokens", "bits"),
    [
        ({"min_diff_from_avg": 0}, ("goodbye", "aaaaa", "hello"), (1.9753224, 1.6600707, 1.2450531)),
        ({"min_diff_from_avg": 2}, ("hello", "goodbye", "aaaaa"), (0.0, 0.0, 0.0)),
        (
            {"min_diff_from_avg": 0, "use_adjusted_mutual_info": True},
            ("goodbye", "aaaaa", "hello"),
            (1.4070794, 0.9987448, 0.5017178),
        ),
        ({"min_diff_from_avg": 0, "frequency_threshold": 1.5}, ("goodbye", "aaaaa"), (1.9753224, 1.6600707)),
        ({}, ("hello", "goodbye", "aaaaa"), (0.0, 0.0, 0.0)),
    ],
)
def test_values_of_tensorflow_transforms_tests(
    options: dict[str, Any], tokens: tuple[str, ...], bits: tuple[float, ...]
) -> None:
    found = found_vocabulary(pa.table({"s": WORDS, "y": LABELS}), **options)
    assert found.tokens == tokens
    assert found.counts == pytest.approx(bits, rel=1e-4)


def test_weighted_values_of_tensorflow_transforms_tests() -> None:
    words = ["informative_1"] * 2 + ["informative_0"] * 2 + ["uninformative"] * 2 + ["informative_by_weight"] * 2
    table = pa.table({"s": words, "y": [1, 1, 0, 0, 0, 1, 0, 1], "w": [1.0, 1, 1, 1, 1, 1, 1, 5]})
    found = found_vocabulary(table, min_diff_from_avg=0)
    assert found.tokens == ("informative_0", "informative_1", "informative_by_weight", "uninformative")
    assert found.counts == pytest.approx((3.1698803, 1.1698843, 0.6096405, 0.169925), rel=1e-4)
    adjusted = found_vocabulary(table, min_diff_from_avg=0, use_adjusted_mutual_info=True)
    assert adjusted.counts == pytest.approx((2.3029856, 0.3029896, 0.1713041, -0.6969697), rel=1e-4)


def test_lists_count_rows_and_empty_ones_count_for_the_label() -> None:
    """A row with no token says what label rows without the token have; weights one a row or one for each element."""
    documents = [["a", "b"], ["a"], [], ["b"], []]
    table = pa.table({"s": documents, "y": [1, 1, 0, 0, 0]})
    found = found_vocabulary(table, min_diff_from_avg=0)
    assert found.tokens == ("a", "b")
    assert found.counts == pytest.approx((2 * math.log2(5 / 2), math.log2(5 / 4) + math.log2(5 / 6)), abs=1e-3)
    for weights in ([2.0] * 5, [[2.0] * len(d) for d in documents[:2]] + [[], [2.0], []]):
        weighted = found_vocabulary(table.append_column("w", pa.array(weights)), min_diff_from_avg=0)
        assert weighted.tokens == ("a", "b")
    doubled = found_vocabulary(table.append_column("w", pa.array([2.0] * 5)), min_diff_from_avg=0)
    assert doubled.counts == pytest.approx([2 * c for c in found.counts], abs=1e-3)


def test_a_token_twice_in_a_row_is_an_error_that_names_the_row() -> None:
    documents = pa.array([["a"], ["b", "", "", "x\ny", "x\ny"], ["a", "b", "a"]])
    table = pa.table({"__row__": [(1 << 40) + 4, (1 << 40) + 5, (1 << 40) + 6], "s": documents, "y": [1, 0, 1]})
    with pytest.raises((TransformError, EngineError), match=r"source 1 record 7.*the token 'a' comes twice in one row"):
        found_vocabulary(table)
    assert set(found_vocabulary(table.slice(0, 2)).tokens) == {"a", "b"}  # what is no token may come twice


def test_labels_of_another_type_are_refused() -> None:
    table = pa.table({"s": ["a"], "y": ["b"]})
    with pytest.raises(TransformError, match=r"(?s)labels must be whole numbers.*compute_and_apply_vocabulary"):
        found_vocabulary(table)


ROWS = st.lists(st.tuples(st.sets(st.sampled_from("abcd")), st.integers(-2, 3), st.floats(0, 4)), max_size=30)


@given(ROWS, st.integers(0, 30), st.booleans())
@settings(max_examples=40, deadline=None)
def test_states_merge(rows: list[tuple[set[str], int, float]], cut: int, weighted: bool) -> None:
    """Cut anywhere: labels that only one part knows, counts exactly, weights to rounding; parts and restore."""
    types = [ValueType("utf8", "ragged"), ValueType("int64"), ValueType("float64")][: 3 if weighted else 2]

    def state_of(part: list[tuple[set[str], int, float]]) -> LabelledTokens:
        from trueline.transform.operations.base import Value

        width = max((len(s) for s, _, _ in part), default=0)
        cells = np.full((len(part), width), "", object)
        for i, (tokens, _, _) in enumerate(part):
            cells[i, : len(tokens)] = sorted(tokens)
        columns: list[Any] = [
            Value(cells, None, np.array([len(s) for s, _, _ in part], np.int64)),
            PlainColumn(pa.array([y for _, y, _ in part], pa.int64())),
            PlainColumn(pa.array([w for _, _, w in part], pa.float64())),
        ]
        made = LabelledTokens(types, {})
        made.update(Inputs(columns[: len(types)]))
        return made

    whole, left, right = state_of(rows), state_of(rows[:cut]), state_of(rows[cut:])
    left.merge(right)
    again = LabelledTokens(types, {})
    again.restore(*left.parts())
    for other in (left, again):
        assert whole.labels.tolist() == other.labels.tolist()
        np.testing.assert_allclose(whole.totals, other.totals, rtol=1e-12)
        (a, b), (c, d) = whole.tally.sorted(), other.tally.sorted()
        assert a.equals(c)
        np.testing.assert_allclose(b, d, rtol=1e-12)
        if not weighted:
            np.testing.assert_array_equal(b, d)

"""Equal strings are joined exactly, whatever their lengths; and what is merged in one process gives the same bits."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline.data_validation import StatsOptions, generate_statistics, joining
from trueline.data_validation.numeric import _sorted_integers
from trueline.data_validation.passes import plan_pass
from trueline.engine import Dataset, LocalEngine
from trueline.engine.base import Detachable
from trueline.engine.stream import run_stream
from trueline.engine.tree import TreeMerge

# Few letters, so that strings meet; zero bytes, which padding must not hide; lengths around a word's end.
WORDS = st.lists(st.text("ab\0", max_size=18) | st.text("ab", min_size=45, max_size=50), max_size=80)


def _counted(values: pa.Array, counts: np.ndarray[Any, Any]) -> dict[bytes, Any]:
    assert len(set(values.to_pylist())) == len(values) == len(counts)
    return dict(zip(values.to_pylist(), counts.tolist(), strict=True))


@settings(max_examples=300, deadline=None)
@given(WORDS, st.integers(0, 5))
def test_counts_of_equal_strings_are_added_up(words: list[str], skipped: int) -> None:
    values = pa.array([word.encode() for word in words], pa.binary())[skipped:]
    expected: Counter[bytes] = Counter()
    for place, word in enumerate(words[skipped:]):
        expected[word.encode()] += place + 1
    assert _counted(*joining.joined(values, np.arange(1, len(values) + 1))) == expected


def test_different_strings_that_share_a_hash_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "_hashes", lambda words: np.zeros(len(words[0]), np.uint64))
    values = pa.array([b"x", b"y", b"x", b"z", b"y"], pa.binary())
    assert _counted(*joining.joined(values, np.array([1, 2, 4, 8, 16]))) == {b"x": 5, b"y": 18, b"z": 8}


def test_weights_are_summed_in_the_order_of_rows_whatever_lies_between() -> None:
    weights = np.random.default_rng(3).lognormal(0.0, 8.0, 999)
    alone = joining.joined(pa.array([b"same"] * 333, pa.binary()), weights[::3])
    mixed = joining.joined(pa.array([b"same", b"y", b"z"] * 333, pa.binary()), weights)
    assert _counted(*alone)[b"same"] == _counted(*mixed)[b"same"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9), max_size=50), st.booleans())
def test_integers_that_are_counted_are_those_that_are_sorted(numbers: list[int], narrow: bool) -> None:
    plain = np.array([n % 7 if narrow else n for n in numbers], np.int64)
    assert np.array_equal(_sorted_integers(plain), np.sort(plain))


def _table() -> pa.Table:
    """Text as plain, as codes with an all-valid bitmap and as a slice; numbers with holes; lists."""
    rng = np.random.default_rng(7)
    codes = rng.integers(0, 700, 2100)
    words = [f"word {k * k}" for k in codes]
    bitmap = pa.py_buffer(np.full(300, 255, np.uint8))
    plain = pa.array(words)
    full = pa.Array.from_buffers(pa.string(), len(words), [bitmap, *plain.buffers()[1:]], 0)
    numbers = pa.array(rng.normal(size=2100), mask=rng.random(2100) < 0.1)
    lists = pa.array([list(range(k % 4)) for k in codes])
    return pa.table(
        {"plain": plain, "full": full, "codes": full.dictionary_encode(), "x": numbers, "n": codes, "lists": lists}
    ).slice(50, 2000)


def test_threads_processes_streams_and_bytes_give_the_same_bits() -> None:
    """Limits are low enough that values are dropped by number and by bytes, and points are thinned."""
    dataset = Dataset.from_table(_table(), 128)
    options = StatsOptions(max_distinct=300, max_distinct_bytes=4000, max_quantile_points=64)
    expected = generate_statistics(dataset, options, LocalEngine(1)).SerializeToString(deterministic=True)
    with LocalEngine(2, processes=True) as engine:
        assert generate_statistics(dataset, options, engine).SerializeToString(deterministic=True) == expected
    planned = plan_pass(dataset.arrow_schema, options)
    spec, columns = planned.spec, list(planned.columns)
    batches = [block.read(columns, spec.dictionaries) for block in dataset.blocks]
    streamed = planned.result(run_stream(spec, iter(batches), 2))
    assert streamed.SerializeToString(deterministic=True) == expected

    tree: TreeMerge[bytes, Any] = TreeMerge(lambda one, two: one.merge(two) or one, spec.load)
    for position, batch in enumerate(batches):
        accumulator = spec.new()
        accumulator.update(batch)
        assert isinstance(accumulator, Detachable)
        assert accumulator.detach()
        tree.add(position, accumulator.state())
    merged = tree.finish()
    assert merged is not None
    assert planned.result(merged.finish()).SerializeToString(deterministic=True) == expected

"""Counting strings: exact under the cap, within the stated error beyond it, and the order of ties."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline.data_validation import StatsOptions, generate_statistics
from trueline.data_validation.frequencies import Frequencies
from trueline.engine import Dataset, LocalEngine

TEXT = st.one_of(st.none(), st.text(max_size=4), st.sampled_from(["", "a", "b", "é", "日本"]))


def _expected(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (item[1], item[0].encode()), reverse=True)


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXT, max_size=60), st.integers(1, 20), st.integers(1, 6), st.integers(1, 3))
def test_exact_counts(values: list[str | None], block_rows: int, top: int, threshold: int) -> None:
    dataset = Dataset.from_table(pa.table({"x": pa.array(values, pa.string())}), block_rows)
    options = StatsOptions(num_top_values=top, num_rank_histogram_buckets=7, frequency_threshold=threshold)
    stats = generate_statistics(dataset, options, LocalEngine(1)).datasets[0].features[0].string_stats
    present = [v for v in values if v is not None]
    counts = Counter(present)
    ranked = [(v, n) for v, n in _expected(counts) if n >= threshold]
    assert stats.unique == len(counts)
    assert stats.common_stats.num_missing == len(values) - len(present)
    assert [(t.value, t.frequency) for t in stats.top_values] == ranked[:top]
    buckets = stats.rank_histogram.buckets
    assert [(b.label, b.sample_count) for b in buckets] == ranked[:7]
    assert [(b.low_rank, b.high_rank) for b in buckets] == [(i, i) for i in range(len(buckets))]
    if present:
        length = sum(len(v.encode()) for v in present) / len(present)
        assert stats.avg_length == np.float32(length)


def test_ties_put_the_larger_value_first(stats_of: Callable[..., Any]) -> None:
    stats = stats_of(pa.array(["a", "b", "c"])).string_stats
    assert [t.value for t in stats.top_values] == ["c", "b", "a"]


def test_bytes_that_are_no_text(stats_of: Callable[..., Any]) -> None:
    values = pa.array([b"a", b"\xff", b"\xfe", None, b"a", b"\xff"], pa.binary())
    stats = stats_of(values, block_rows=2).string_stats
    assert stats.invalid_utf8_count == 3
    assert stats.unique == 3
    assert [(t.value, t.frequency) for t in stats.top_values] == [("__BYTES_VALUE__", 3), ("a", 2)]


def test_dictionary_columns_count_like_plain_ones(stats_of: Callable[..., Any]) -> None:
    plain = pa.array(["x", "y", None, "x"])
    assert stats_of(plain.dictionary_encode()).string_stats == stats_of(plain).string_stats


def test_a_schema_makes_integers_categorical(stats_of: Callable[..., Any]) -> None:
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = schema_pb2.Schema()
    feature = schema.feature.add(name="x", type=schema_pb2.INT)
    feature.int_domain.is_categorical = True
    stats = stats_of(pa.array([10, 7, 10, None, -3]), schema=schema)
    assert stats.type == stats.INT
    assert [(t.value, t.frequency) for t in stats.string_stats.top_values] == [("10", 2), ("7", 1), ("-3", 1)]
    assert stats.string_stats.avg_length == np.float32(7 / 4)


def test_a_schema_makes_strings_images(stats_of: Callable[..., Any]) -> None:
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = schema_pb2.Schema()
    schema.feature.add(name="x", type=schema_pb2.BYTES).image_domain.SetInParent()
    stats = stats_of(pa.array([b"x", b"qwe", None, b"abc"]), schema=schema, block_rows=1)
    assert stats.type == stats.BYTES
    found = stats.bytes_stats
    assert (found.min_num_bytes, found.max_num_bytes, found.max_num_bytes_int) == (1, 3, 3)
    assert found.avg_num_bytes == np.float32(7 / 3)


def _counted(values: list[str], block: int, cap: int, max_bytes: int = 2**30) -> Frequencies:
    total = Frequencies(cap, max_bytes)
    for i in range(0, len(values), block):
        part = Frequencies(cap, max_bytes)
        found = Counter(values[i : i + block])
        part.add(pa.array(list(found)), np.array(list(found.values()), np.int64))
        total.merge(part)
    return total


def test_beyond_the_cap_counts_stay_within_the_stated_error() -> None:
    rng = np.random.default_rng(2)
    values = [f"v{k}" for k in np.minimum(rng.zipf(1.3, 30_000), 10**6)]
    true = Counter(values)
    found = _counted(values, 1000, 200)
    assert len(found.counts) <= 400, "side by side until there are twice as many"
    found.settle()
    assert 0 < found.error <= len(values) / 201
    assert len(found.counts) <= 200
    for value, count in zip(found.values.to_pylist(), found.counts, strict=True):
        assert true[value.decode()] - found.error <= count <= true[value.decode()]
    kept = {value.decode() for value in found.values.to_pylist()}
    assert all(true[value] <= found.error for value in true.keys() - kept)
    assert [v.decode() for v in found.top(5, 1)[0]] == [v for v, _ in true.most_common(5)]


def test_distinct_values_beyond_the_cap() -> None:
    """Exact while the hashes fit into the sketch, an estimate within a few standard errors beyond."""
    few = _counted([f"v{i % 5000}" for i in range(20_000)], 1000, 100)
    assert few.unique == 5000
    many = _counted([f"v{i}" for i in range(80_000)], 8000, 100)
    assert abs(many.unique - 80_000) / 80_000 < 4 / np.sqrt(16_382)


def test_long_texts_are_bounded_in_bytes() -> None:
    values = [f"{i:06d}" + "x" * 1000 for i in range(2000)] + ["often"] * 500
    found = _counted(values, 250, 10**6, max_bytes=100_000)
    assert found.values.nbytes <= 100_000
    assert found.top(1, 1)[0] == [b"often"]
    assert found.unique == 2001


def test_the_statistics_say_that_they_are_estimates(stats_of: Callable[..., Any]) -> None:
    stats = stats_of(pa.array([f"v{i}" for i in range(40_000)]), block_rows=5000, max_distinct=1000)
    named = {c.name: c.num for c in stats.custom_stats}
    assert named["frequency_error"] >= 1
    assert 0.007 < named["unique_relative_error"] < 0.009
    exact = stats_of(pa.array(["a"] * 10))
    assert not exact.custom_stats


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.binary(max_size=3), max_size=60), max_size=6), st.integers(2, 30))
def test_any_values_in_any_parts_are_counted_within_the_error(parts: list[list[bytes]], cap: int) -> None:
    """Side by side or joined, in any order of merging: never above the truth, never more than `error` below."""
    true = Counter(value for part in parts for value in part)
    forward, backward = Frequencies(cap, 2**20), Frequencies(cap, 2**20)
    for total, order in ((forward, parts), (backward, parts[::-1])):
        for values in order:
            part, found = Frequencies(cap, 2**20), Counter(values)
            part.add(pa.array(list(found), pa.binary()), np.array(list(found.values()), np.int64))
            header, arrays = part.parts()
            again = Frequencies(cap, 2**20)
            again.restore(header, arrays)
            total.merge(again)
        total.settle()
        kept = dict(zip(total.values.to_pylist(), total.counts.tolist(), strict=True))
        assert len(kept) == len(total.counts) <= cap
        assert all(true[value] - total.error <= kept.get(value, 0) <= true[value] for value in true)
        assert total.unique == len(true)
    if len(true) <= cap:
        assert forward.error == backward.error == 0
        assert forward.top(cap, 1) == backward.top(cap, 1)


def test_values_that_share_a_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash brings equal values together and decides nothing: here all values have the same one."""
    from trueline.data_validation import frequencies

    monkeypatch.setattr(frequencies, "hashes_of", lambda values: np.zeros(len(values), np.uint64))
    found = Frequencies(100, 2**20)
    found.add(pa.array(["a", "b", "a"]), np.array([1, 2, 3]), settled=False)
    found.settle()
    assert dict(zip(found.values.to_pylist(), found.counts.tolist(), strict=True)) == {b"a": 4, b"b": 2}

"""Nested lists and structs, weighted and not, against a plain walk over Python objects."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline.data_validation import StatsOptions, generate_statistics
from trueline.engine import Dataset, LocalEngine

DEEP = pa.list_(pa.list_(pa.list_(pa.int64())))
STRUCTS = pa.list_(
    pa.struct([("n", pa.list_(pa.int64())), ("s", pa.string()), ("d", pa.struct([("f", pa.float64())]))])
)


def _stats(table: pa.Table, block_rows: int) -> dict[tuple[str, ...], Any]:
    options = StatsOptions(weight_feature="w")
    found = generate_statistics(Dataset.from_table(table, block_rows), options, LocalEngine(1)).datasets[0]
    return {tuple(f.path.step): f for f in found.features}


def _counts(message: Any) -> tuple[float, float, float]:
    return message.num_non_missing, message.num_missing, message.tot_num_values


Entry = tuple[Any, float]


def _level(entries: list[Entry]) -> tuple[tuple[int, int, int], tuple[float, float, float], list[Entry]]:
    """Counts, weighted counts, and what lies in the lists that are there."""
    there = [(value, w) for value, w in entries if value is not None]
    gone = [w for value, w in entries if value is None]
    inside = [(item, w) for value, w in there for item in value]
    heavy = (sum(w for _, w in there), sum(gone), sum(w for _, w in inside))
    return (len(there), len(gone), len(inside)), heavy, inside


values = st.one_of(st.none(), st.integers(-3, 3))
deep = values
for _ in range(3):
    deep = st.one_of(st.none(), st.lists(deep, max_size=3))
rows = st.lists(st.tuples(deep, st.integers(0, 6).map(lambda k: k / 2)), min_size=1, max_size=14)


@settings(max_examples=80, deadline=None)
@given(rows, st.integers(1, 20))
def test_every_level_of_nested_lists(data: list[Entry], block_rows: int) -> None:
    """Presence and valency a level, the innermost values of a row, and the same by the weight of the row."""
    table = pa.table({"x": pa.array([row for row, _ in data], DEEP), "w": [w for _, w in data]})
    found = _stats(table, block_rows)[("x",)]
    common = found.num_stats.common_stats
    entries, levels = data, []
    for _ in range(3):
        counts, heavy, entries = _level(entries)
        levels.append((counts, heavy))
    assert [_counts(m) for m in common.presence_and_valency_stats] == [counts for counts, _ in levels]
    assert [_counts(m) for m in common.weighted_presence_and_valency_stats] == [heavy for _, heavy in levels]
    present = [row for row, _ in data if row is not None]
    sizes = [len([item for a in row or () for b in a or () for item in b or ()]) for row in present]
    assert _counts(common) == (len(present), len(data) - len(present), sum(sizes))
    if sizes:
        assert (common.min_num_values, common.max_num_values) == (min(sizes), max(sizes))
    numbers = [(value, w) for value, w in entries if value is not None]
    assert _counts(common.weighted_common_stats)[2] == sum(w for _, w in entries)
    if numbers:
        assert found.num_stats.mean == pytest.approx(sum(v for v, _ in numbers) / len(numbers), abs=1e-12)
        assert found.num_stats.num_zeros == sum(v == 0 for v, _ in numbers)
    if total := sum(w for _, w in numbers):
        mean = found.num_stats.weighted_numeric_stats.mean
        assert mean == pytest.approx(sum(v * w for v, w in numbers) / total, abs=1e-12)
    for number, (counts, _) in enumerate(levels[1:], 2):
        histograms = {c.name: c.histogram for c in found.custom_stats}
        assert (f"level_{number}_value_list_length_standard" in histograms) == (counts[0] > 0)
        for kind in ("standard", "quantiles"):
            if counts[0]:
                buckets = histograms[f"level_{number}_value_list_length_{kind}"].buckets
                assert sum(b.sample_count for b in buckets) == pytest.approx(counts[0])


struct = st.fixed_dictionaries(
    {
        "n": st.one_of(st.none(), st.lists(st.integers(-2, 2), max_size=3)),
        "s": st.one_of(st.none(), st.sampled_from("abc")),
        "d": st.one_of(st.none(), st.fixed_dictionaries({"f": st.one_of(st.none(), st.floats(-5, 5))})),
    }
)
struct_rows = st.lists(
    st.tuples(st.one_of(st.none(), st.lists(struct, max_size=3)), st.integers(0, 4).map(float)), min_size=1, max_size=12
)


@settings(max_examples=60, deadline=None)
@given(struct_rows, st.integers(1, 20))
def test_fields_of_structs_in_lists(data: list[Entry], block_rows: int) -> None:
    """A field's examples are the structs above it, each with the weight of its row; a null struct holds none."""
    table = pa.table({"c": pa.array([row for row, _ in data], STRUCTS), "w": [w for _, w in data]})
    found = _stats(table, block_rows)
    counts, heavy, structs = _level(data)
    outer = found[("c",)].struct_stats.common_stats
    assert _counts(outer) == counts
    assert _counts(outer.weighted_common_stats) == heavy
    n_counts, n_heavy, _ = _level([(value["n"], w) for value, w in structs])
    inner = found[("c", "n")].num_stats.common_stats
    assert _counts(inner) == n_counts
    assert _counts(inner.weighted_common_stats) == n_heavy
    assert inner.num_missing == outer.tot_num_values - inner.num_non_missing
    text = found[("c", "s")].string_stats
    want: dict[str, float] = {}
    for value, w in structs:
        if value["s"] is not None:
            want[value["s"]] = want.get(value["s"], 0.0) + w
    heavy_top = {v.value: v.frequency for v in text.weighted_string_stats.top_values}
    assert heavy_top == {value: w for value, w in want.items() if w >= 1.0}
    assert text.unique == len(want)
    plain = [(value["d"], w) for value, w in structs if value["d"] is not None]
    leaf = found[("c", "d", "f")].num_stats.common_stats
    missing = [w for value, w in plain if value["f"] is None]
    assert (leaf.num_non_missing, leaf.num_missing) == (len(plain) - len(missing), len(missing))
    assert leaf.weighted_common_stats.num_missing == sum(missing)


def test_structs_may_be_sliced_and_null() -> None:
    """Rows of a slice of an array are its own: offsets and nulls of the whole do not leak in."""
    whole = pa.array([{"a": [1, 2]}, None, {"a": None}, {"a": [3]}], pa.struct([("a", pa.list_(pa.int64()))]))
    table = pa.table({"c": whole, "w": [1.0, 2.0, 3.0, 4.0]}).slice(1, 3)
    found = _stats(table, 2)
    assert _counts(found[("c",)].struct_stats.common_stats) == (2, 1, 2)
    leaf = found[("c", "a")].num_stats.common_stats
    assert _counts(leaf) == (1, 1, 1)
    assert _counts(leaf.weighted_common_stats) == (4.0, 3.0, 4.0)

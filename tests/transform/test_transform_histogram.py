"""Histograms and the densities made of them: bins, ends, ties, categories, two phases, laws."""

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
from trueline._core.errors import TransformError
from trueline._core.values import raw_feature_of
from trueline.engine import Dataset, LocalEngine
from trueline.transform.analysis import analyze
from trueline.transform.analyzers.histogram import Histogram
from trueline.transform.analyzers.inputs import Inputs, PlainColumn
from trueline.transform.graph import ValueType


def analysed(table: pa.Table, function: Any, block_rows: int = 65_536, workers: int = 1) -> Any:
    graph = tlt.trace(function, [raw_feature_of(f) for f in table.schema])
    return analyze(graph, Dataset.from_table(table, block_rows), LocalEngine(workers=workers))


def found_of(table: pa.Table, **arguments: Any) -> tuple[Any, Any]:
    """Counts and boundaries."""

    def preprocessing(x: Any) -> dict[str, Any]:
        counts, edges = tlt.histogram(x["x"], **arguments)
        y = tlt.take(tlt.cast(x["k"], "int64"), counts, default=0)
        of_text = edges.dtype == "utf8"
        return {"y": y, "e": tlt.take(tlt.cast(x["k"], "int64"), edges, default="" if of_text else 0)}

    table = table.append_column("k", pa.array([0] * table.num_rows, pa.int64()))
    output = analysed(table, preprocessing)
    ops = {output.traced.nodes[i].op: v for i, v in output.findings.items()}
    counts = next(v for op, v in ops.items() if op.endswith("_counts"))
    return counts, next(v for op, v in ops.items() if op.endswith(("_boundaries", "_keys")))


def test_default_boundaries_and_ends() -> None:
    """Ten bins from 0 to 1; what lies beyond the ends is in the first and last; a boundary is in the upper bin."""
    values = [-5.0, 0.0, 0.1, 0.15, 0.3, 0.7, 0.99, 1.0, 7.0, float("nan"), None, math.inf, -math.inf]
    counts, boundaries = found_of(pa.table({"x": values}))
    assert boundaries == [i / 10 for i in range(11)]
    assert counts == [3, 2, 0, 1, 0, 0, 0, 1, 0, 4]


def test_float32_values_on_a_boundary_are_in_the_upper_bin() -> None:
    values = np.array([i / 10 for i in range(10)], np.float32).astype(np.float64)
    assert found_of(pa.table({"x": values}))[0] == [1] * 10


def test_narrow_bins_are_kept_apart() -> None:
    """Bins of 1e-6, far from zero: upstream's shift of 0.0001 puts all values into the last bin."""
    boundaries = [5.0 + i * 1e-6 for i in range(6)]
    values = [5.0 + (i + 0.5) * 1e-6 for i in range(5)]
    assert found_of(pa.table({"x": values}), boundaries=boundaries)[0] == [1] * 5


def test_a_number_of_boundaries_takes_two_phases() -> None:
    values = np.random.default_rng(1).normal(size=1_000)
    values[7] = np.nan
    counts, boundaries = found_of(pa.table({"x": values}), boundaries=7)
    finite = values[~np.isnan(values)]
    assert boundaries == np.linspace(finite.min(), finite.max(), 7).tolist()
    assert counts == np.histogram(finite, 6)[0].tolist()


def test_boundaries_may_be_quantiles() -> None:
    def preprocessing(x: Any) -> dict[str, Any]:
        counts, _ = tlt.histogram(x["x"], tlt.quantiles(x["x"], 4))
        return {"y": tlt.take(x["k"], counts, default=0)}

    table = pa.table({"x": np.arange(8.0), "k": [0, 1] * 4})
    out = analysed(table, preprocessing).transform(table)
    assert out["y"].to_pylist() == [4, 4] * 4  # 2, 4 and 6 are the quartiles: two bins, what lies beyond included


@given(st.lists(st.text(max_size=2) | st.none(), max_size=40))
@settings(max_examples=25, deadline=None)
def test_categories_are_counted_in_the_order_of_their_texts(words: list[str | None]) -> None:
    counts, keys = found_of(pa.table({"x": pa.array(words, pa.string())}), categorical=True)
    expected = Counter(w for w in words if w is not None)
    assert keys == sorted(expected, key=str.encode)
    assert counts == [expected[k] for k in keys]


def test_integer_categories_are_ordered_as_text_and_stay_integers() -> None:
    counts, keys = found_of(pa.table({"x": [10, 9, 10, -1]}), categorical=True)
    assert (counts, keys) == ([1, 2, 1], [-1, 10, 9])


@given(st.lists(st.floats(width=32), max_size=30), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_states_merge_exactly(values: list[float], cut: int) -> None:
    params = {"boundaries": [-1.0, 0.0, 0.5, 3.0]}

    def state(part: list[float]) -> Histogram:
        made = Histogram([ValueType("float64")], params)
        made.update(Inputs([PlainColumn(pa.array(part, pa.float64()))]))
        return made

    left, right, loaded = state(values[:cut]), state(values[cut:]), state([])
    left.merge(right)
    loaded.restore(*left.parts())
    assert loaded.counts.tolist() == state(values).counts.tolist()
    assert loaded.counts.sum() == sum(v == v for v in values)


def test_density_of_numbers() -> None:
    """The share of the bin over the mean width of the bins; NaN stays NaN, missing stays missing."""
    values = [0.05, 0.06, 0.15, 0.95, float("nan"), None]
    table = pa.table({"x": values})
    out = analysed(table, lambda x: {"p": tlt.estimated_probability_density(x["x"])}).transform(table)["p"].to_pylist()
    assert out[:4] == pytest.approx([5.0, 5.0, 2.5, 2.5], rel=1e-6)
    assert math.isnan(out[4])
    assert out[5] is None


def test_density_integrates_to_one_and_knows_unseen_values() -> None:
    values = np.random.default_rng(8).normal(size=500)
    table = pa.table({"x": values})
    output = analysed(table, lambda x: {"p": tlt.estimated_probability_density(x["x"], 21)})
    edges = np.linspace(values.min(), values.max(), 21)
    middles = pa.table({"x": (edges[1:] + edges[:-1]) / 2})
    density = output.transform(middles)["p"].to_numpy()
    assert (density * np.diff(edges)).sum() == pytest.approx(1.0, rel=1e-6)


def test_density_of_categories_and_lists() -> None:
    table = pa.table({"w": ["a", "b", "a", None], "l": [[1, 1], [], [2], None]})

    def preprocessing(x: Any) -> dict[str, Any]:
        return {k: tlt.estimated_probability_density(x[k], categorical=True) for k in ("w", "l")}

    output = analysed(table, preprocessing)
    found = output.transform(table).to_pydict()
    assert found["w"] == pytest.approx([2 / 3, 1 / 3, 2 / 3, None])
    assert [[round(v, 6) for v in row] if row is not None else None for row in found["l"]] == [
        [0.666667, 0.666667],
        [],
        [0.333333],
        None,
    ]
    assert output.transform(pa.table({"w": ["new"], "l": [[7]]})).to_pydict() == {"w": [0.0], "l": [[0.0]]}


def test_of_no_values() -> None:
    table = pa.table({"x": pa.array([None, None], pa.float64()), "w": pa.array([None, None], pa.string())})

    def preprocessing(x: Any) -> dict[str, Any]:
        return {
            "p": tlt.estimated_probability_density(x["x"], 5),
            "w": tlt.estimated_probability_density(x["w"], categorical=True),
        }

    output = analysed(table, preprocessing)
    assert output.transform(table).to_pydict() == {"p": [None, None], "w": [None, None]}
    assert output.transform(pa.table({"x": [3.0], "w": ["a"]})).to_pydict() == {"p": [0.0], "w": [0.0]}


def test_same_bits_for_any_shards_and_workers() -> None:
    table = pa.table({"x": np.random.default_rng(4).normal(size=3_000)})
    graph = tlt.trace(
        lambda x: {"p": tlt.estimated_probability_density(x["x"], 9)}, [raw_feature_of(f) for f in table.schema]
    )
    whole = Dataset.from_table(table, 250)
    runs = [analyze(graph, whole.deal(s), LocalEngine(workers=w)) for s, w in ((1, 1), (5, 4))]
    assert len({run.content_hash for run in runs}) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"boundaries": [1.0, 0.0]}, "ascending order"),
        ({"boundaries": [1.0]}, "at least two"),
        ({"boundaries": 1}, "at least 2 boundaries"),
        ({"boundaries": [0.0, 1.0], "categorical": True}, "has no boundaries"),
        ({"categorical": True}, "takes text or integers, not float64"),
    ],
)
def test_wrong_uses_are_told_at_the_users_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TransformError, match=message) as error:
        tlt.trace(
            lambda x: {"y": tlt.histogram(x["x"], **arguments)[0]},
            [raw_feature_of(pa.field("x", pa.float64()))],
        )
    assert "test_transform_histogram.py" in str(error.value)


def test_infinities_have_no_bins_of_equal_width() -> None:
    with pytest.raises(TransformError, match=r"from 1\.0 to inf"):
        found_of(pa.table({"x": [1.0, math.inf]}), boundaries=3)

"""Analyzers of the user's own: values, shared states, the same bits everywhere, and errors that name class and line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import user_analyzers_transform as own

import trueline.transform as tlt
from trueline._core.errors import TransformError
from trueline._core.values import raw_feature_of
from trueline.engine import Dataset, LocalEngine
from trueline.transform.analysis import analyze


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(6)
    return pa.table(
        {
            "x": pa.array(rng.normal(size=2_000), mask=rng.random(2_000) < 0.1),
            "w": rng.random(2_000),
            "k": rng.integers(0, 3, 2_000),
        }
    )


def graph_of(table: pa.Table, function: Any) -> Any:
    return tlt.trace(function, [raw_feature_of(f) for f in table.schema])


def features(x: Any) -> dict[str, Any]:
    spread = tlt.analyzer(own.Range, x["x"], unit=2.0)
    ends = tlt.analyzer("user_analyzers_transform:Range", x["x"], kind="fixed", size=2, result="both", unit=2.0)
    sums = tlt.analyzer(own.WeightedCounts, x["k"], x["w"], kind="table")
    later = tlt.analyzer(own.Range, x["w"], spread)
    return {"y": x["x"] / spread, "e": ends, "s": tlt.take(x["k"], sums, default=0.0), "l": x["w"] * later}


def test_values_reach_the_features(table: pa.Table) -> None:
    """Scalars, vectors and tables; two inputs; the result of an earlier phase as a constant."""
    output = analyze(graph_of(table, features), Dataset.from_table(table, 300), LocalEngine(workers=2))
    out = output.transform(table)
    values, weights = table["x"].drop_null().to_numpy(), table["w"].to_numpy()
    spread = (values.max() - values.min()) / 2.0
    np.testing.assert_allclose(out["y"].drop_null().to_numpy(), values / spread, rtol=1e-6)
    assert out["e"].to_pylist()[0] == pytest.approx([values.min(), values.max()], rel=1e-6)
    sums = np.array([weights[table["k"].to_numpy() == k].sum() for k in range(3)])
    np.testing.assert_allclose(out["s"].to_numpy(), sums[table["k"].to_numpy()], rtol=1e-6)
    np.testing.assert_allclose(out["l"].to_numpy(), weights * (weights.max() - weights.min()) / spread, rtol=1e-6)


def test_results_of_one_state_share_it(table: pa.Table) -> None:
    """`result` alone tells the two apart: one state of the first phase for both."""
    from trueline.transform.phases import _Phase

    graph = graph_of(table, features)
    first = [i for i, n in enumerate(graph.nodes) if n.is_analyzer and graph.phases[i] == 1]
    assert len(first) == 3
    assert len(_Phase.of(graph, {}, first).states) == 2


def test_same_bits_in_threads_and_processes(table: pa.Table, tmp_path: Any, monkeypatch: Any) -> None:
    from pathlib import Path

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=250)
    dataset = Dataset.from_parquet(str(tmp_path / "t.parquet"))
    graph = graph_of(table, features)
    with LocalEngine(workers=2, processes=True) as processes:
        runs = [
            analyze(graph, dataset.deal(1), LocalEngine(workers=1)),
            analyze(graph, dataset.deal(5), LocalEngine(workers=3)),
            analyze(graph, dataset.deal(3), processes),
        ]
    assert len({run.content_hash for run in runs}) == 1


def test_the_phases_accumulator_obeys_the_engines_protocol(table: pa.Table) -> None:
    """The engine's own check, bit for bit and for other block borders, on the states that merge exactly."""
    import json

    from trueline.engine import check_accumulator
    from trueline.engine.base import AccumulatorSpec

    graph = graph_of(table, lambda x: {"y": x["x"] * 2.0})
    (column,) = (i for i, n in enumerate(graph.nodes) if n.op == "input" and n.attrs["name"] == "x")
    states = [
        ["histogram", [column], {"boundaries": [-1.0, 0.0, 0.5]}],
        ["finite_points", [column], {}],
        ["user_analyzers_transform:Range", [column], {"params": {"unit": 3.0}}, "features.py:7"],
    ]
    params = {"graph": json.dumps(graph.to_json()), "states": states}
    check_accumulator(AccumulatorSpec("trueline.transform.accumulator:PhaseAccumulator", params), table.slice(0, 700))


def test_a_saved_graph_needs_the_class_no_more(table: pa.Table, tmp_path: Any) -> None:
    output = analyze(graph_of(table, features), Dataset.from_table(table), LocalEngine(workers=1))
    output.save(str(tmp_path / "g"))
    loaded = tlt.TransformOutput.load(str(tmp_path / "g"))
    assert loaded.transform(table).equals(output.transform(table))


def broken(cls: Any, **arguments: Any) -> Any:
    return lambda x: {"y": x["x"] * tlt.analyzer(cls, x["x"], **arguments)}


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (broken(own.Counting), r"Counting breaks a law of accumulators: merging an empty one changes it"),
        (broken(own.NoMerge), r"NoMerge has no method merge, parts, restore, result"),
        (broken(own.Range, result="middle"), r"Range has no method middle"),
        (broken(own.Range, unit={1, 2}), r"no JSON value"),
        (broken(own.Range, size=3), r"cannot be 'scalar' of size 3"),
        (broken(own.Range, units=3), r"Range fails while empty: TypeError"),
        (broken("user_analyzers_transform:Rnage"), r"cannot be imported"),
        (broken(lambda: None), r"'test_transform_custom_analyzer:<lambda>'|cannot be imported"),
        (broken("json:dumps"), r"is no class"),
    ],
)
def test_mistakes_are_told_while_tracing(table: pa.Table, function: Any, message: str) -> None:
    with pytest.raises(TransformError, match=message) as error:
        graph_of(table, function)
    assert "test_transform_custom_analyzer.py:" in str(error.value)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (broken(own.Failing), r"Failing cannot take in a block: ZeroDivisionError: nothing to divide by"),
        (broken(own.Forgetful), r"Forgetful breaks a law of accumulators"),
        (broken(own.Texts), r"Texts gave 'wide', declared was float64"),
        (broken(own.Range, kind="fixed", size=3, result="both"), r"gave 2 values, declared was a list of 3 values"),
        (broken(own.Range, result="both"), r"gave 2 values, declared was one value"),
    ],
)
def test_mistakes_are_told_in_the_pass(table: pa.Table, function: Any, message: str) -> None:
    """The class and the user's line stand in the error, in threads as well as in a pass over several blocks."""
    with pytest.raises(TransformError, match=message) as error:
        analyze(graph_of(table, function), Dataset.from_table(table, 500), LocalEngine(workers=2))
    assert "test_transform_custom_analyzer.py:" in str(error.value)

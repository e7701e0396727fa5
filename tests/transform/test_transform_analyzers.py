"""Analyzers: right values, the same bits for any shards, workers and processes, chained phases, fused passes."""

from __future__ import annotations

import json
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
from trueline.engine import Dataset, LocalEngine, check_accumulator
from trueline.engine.base import AccumulatorSpec
from trueline.transform.analysis import analyze
from trueline.transform.analyzers.basic_states import Moments, Points
from trueline.transform.analyzers.inputs import Inputs, PlainColumn
from trueline.transform.analyzers.tokens import Tokens
from trueline.transform.graph import ValueType
from trueline.transform.tracer import trace


def features_of(table: pa.Table) -> list[Any]:
    return [raw_feature_of(f) for f in table.schema]


def constants_of(function: Any, table: pa.Table) -> dict[str, Any]:
    """Results of analyzers by operation name."""
    output = analyze(trace(function, features_of(table)), Dataset.from_table(table), LocalEngine(workers=1))
    return {output.traced.nodes[i].op.removeprefix("analyze."): v for i, v in output.findings.items()}


def every_analyzer(x: Any) -> dict[str, Any]:
    n = x["n"]
    return {
        "a": n - tlt.min(n) + tlt.max(n) * tlt.sum(n) / tlt.size(n) + tlt.mean(n) - tlt.var(n),
        "b": tlt.bucketize(n, 4),
        "c": tlt.compute_and_apply_vocabulary(x["s"]),
    }


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(5)
    n = 5_000
    values = rng.normal(1e3, 10.0, n)
    values[::50] = np.nan
    return pa.table(
        {
            "n": pa.array(values, mask=rng.random(n) < 0.1),
            "m": pa.array(rng.integers(-50, 50, n), mask=rng.random(n) < 0.1),
            "s": pa.array([["x", "Ä", "", "long token", None][i] for i in rng.integers(0, 5, n)]),
        }
    )


def test_values_agree_with_numpy(table: pa.Table) -> None:
    """NaN is left out of min, max, mean, var and quantiles; sum and size take it in; missing counts nowhere."""
    found = constants_of(every_analyzer, table)
    present = table["n"].drop_null().to_numpy()
    finite = present[~np.isnan(present)]
    assert found["min"] == finite.min()
    assert found["max"] == finite.max()
    assert math.isnan(found["sum"])
    assert found["size"] == len(present)
    assert found["mean"] == pytest.approx(finite.mean(), rel=1e-14)
    assert found["var"] == pytest.approx(finite.var(), rel=1e-12)
    expected = np.sort(finite)[[i * len(finite) // 4 for i in (1, 2, 3)]]
    assert found["quantiles"] == expected.tolist()


def test_vocabulary_order(table: pa.Table) -> None:
    """Descending count, then descending bytes; empty texts and line breaks are no tokens."""
    data = pa.table({"n": [0.0] * 9, "s": ["b", "b", "c", "a", "c", "", "x\ny", "ü", None]})
    found = constants_of(every_analyzer, data)["vocabulary"]
    assert found.tokens == ("c", "b", "ü", "a")
    assert found.counts == (2, 2, 1, 1)


def test_integers_are_ordered_as_text() -> None:
    data = pa.table({"i": [9, 9, 10, 10, 7]})
    found = constants_of(lambda x: {"y": tlt.compute_and_apply_vocabulary(x["i"])}, data)["vocabulary"]
    assert found.tokens == (9, 10, 7)


@given(st.lists(st.text(max_size=3) | st.none(), max_size=60), st.integers(0, 4), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_vocabulary_is_an_exact_count(words: list[str | None], top_k: int, threshold: int) -> None:
    state = Tokens([ValueType("utf8")], {})
    state.update(Inputs([PlainColumn(pa.array(words, pa.string()))]))
    counts = Counter(w for w in words if w and "\n" not in w and "\r" not in w)
    order = sorted(counts, key=lambda w: (counts[w], w.encode()), reverse=True)
    expected = [w for w in order if counts[w] >= threshold][:top_k]
    found = state.vocabulary(top_k, threshold)
    assert list(found.tokens) == expected
    assert found.unfiltered == len(counts)


def test_moments_keep_their_digits_far_from_zero() -> None:
    """Mean 1e7, deviation 1: the z-score equals the exactly computed one in float32."""
    values = 1e7 + np.random.default_rng(1).normal(size=20_000)
    out, _ = tlt.analyze_and_transform(
        pa.table({"x": values}), lambda x: {"z": tlt.scale_to_z_score(x["x"])}, engine=LocalEngine(workers=1)
    )
    mean = math.fsum(values) / len(values)
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values))
    np.testing.assert_allclose(out["z"].to_numpy(), (values - mean) / deviation, rtol=1e-6, atol=1e-7)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40), st.integers(1, 39))
@settings(max_examples=60, deadline=None)
def test_moments_merge_to_rounding(values: list[float], cut: int) -> None:
    whole, left, right = Moments("float64", {}), Moments("float64", {}), Moments("float64", {})
    whole.update(np.array(values))
    left.update(np.array(values[:cut]))
    right.update(np.array(values[cut:]))
    left.merge(right)
    assert left.count == whole.count
    assert left.mean == pytest.approx(whole.mean, rel=1e-12, abs=1e-9)
    assert left.variance == pytest.approx(whole.variance, rel=1e-9, abs=1e-6)


def test_a_constant_column_has_variance_zero() -> None:
    state = Moments("float64", {})
    state.update(np.array([0.1] * 1001))
    assert (state.mean, state.variance) == (0.1, 0.0)


def test_quantile_summary_stays_within_its_bound() -> None:
    """Far more distinct values than the summary holds, merged in a tree of 16: rank error below depth / (2 cap)."""
    rng = np.random.default_rng(3)
    blocks = [rng.lognormal(size=Points.CAP * 2) for _ in range(16)]
    states = []
    for block in blocks:
        states.append(Points("float64", {}))
        states[-1].update(block)
    depth = 1
    while len(states) > 1:
        for a, b in zip(states[::2], states[1::2], strict=True):
            a.merge(b)
        states, depth = states[::2], depth + 1
    everything = np.sort(np.concatenate(blocks))
    found = states[0].quantiles(100)
    ranks = np.searchsorted(everything, found, side="left") / len(everything)
    assert np.abs(ranks - np.arange(1, 100) / 100).max() <= depth / (2 * Points.CAP) + 1 / len(everything)


def test_same_bits_for_any_shards_workers_and_processes(table: pa.Table) -> None:
    graph = trace(every_analyzer, features_of(table))
    whole = Dataset.from_table(table, block_rows=300)
    runs = {
        "1 shard, 1 worker": analyze(graph, whole.deal(1), LocalEngine(workers=1)),
        "7 shards, 4 threads": analyze(graph, whole.deal(7), LocalEngine(workers=4)),
        "1 shard, 4 threads": analyze(graph, whole.deal(1), LocalEngine(workers=4)),
        "7 shards, 1 worker": analyze(graph, whole.deal(7), LocalEngine(workers=1)),
    }
    assert len({run.content_hash for run in runs.values()}) == 1


def test_same_bits_in_processes(table: pa.Table, tmp_path: Any) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table, tmp_path / "t.parquet", row_group_size=700)
    dataset = Dataset.from_parquet(str(tmp_path / "t.parquet"))
    graph = trace(every_analyzer, features_of(table))
    threads = analyze(graph, dataset.deal(3), LocalEngine(workers=2))
    processes = analyze(graph, dataset.deal(2), LocalEngine(workers=2, processes=True))
    assert threads.content_hash == processes.content_hash


def four_phases(x: Any) -> dict[str, Any]:
    """Each step's analyzer reads a value that the step before has to know its own analyzer's result for."""
    z = tlt.scale_to_z_score(x["n"])
    unit = tlt.scale_to_0_1(z)
    thirds = tlt.bucketize(unit, 3)
    return {"b": tlt.bucketize(unit, 5), "v": tlt.compute_and_apply_vocabulary(thirds, vocab_filename="v")}


def test_chained_phases(table: pa.Table) -> None:
    """z-score, then 0-1, then buckets, then a vocabulary of buckets: four passes, and the right buckets."""
    graph = trace(four_phases, features_of(table))
    levels = {graph.phases[i] for i, n in enumerate(graph.nodes) if n.is_analyzer}
    assert levels == {1, 2, 3, 4}

    class Counting(LocalEngine):
        passes = 0

        def run(self, *args: Any, **kwargs: Any) -> Any:
            Counting.passes += 1
            return super().run(*args, **kwargs)

    output = analyze(graph, Dataset.from_table(table, 400), Counting(workers=2))
    assert Counting.passes == 4
    values = table["n"].drop_null().to_numpy()
    finite = values[~np.isnan(values)]
    boundaries = np.sort(finite)[[i * len(finite) // 5 for i in range(1, 5)]]
    got = output.transform(table)["b"].drop_null().to_numpy()
    expected = np.where(np.isnan(values), 4, np.searchsorted(boundaries, values, side="right"))
    assert (got == expected).mean() > 0.999  # a value on a boundary may move by the rounding of two scalings
    assert output.vocabulary_by_name("v")[0] == 2  # NaN lies in the last bucket and makes it the largest


def test_phase_accumulator_obeys_the_protocol(table: pa.Table) -> None:
    """The engine's own check, bit for bit, on the states that merge exactly: also for other block borders."""

    def preprocessing(x: Any) -> dict[str, Any]:
        return {"y": x["m"] - tlt.sum(x["m"]), "v": tlt.compute_and_apply_vocabulary(x["s"])}

    graph = trace(preprocessing, features_of(table))
    places = {n.attrs["name"]: i for i, n in enumerate(graph.nodes) if n.op == "input"}
    pairs = [("total", "m"), ("tokens", "s"), ("count", "m"), ("extremes", "m")]
    states = [[state, [places[column]], {}] for state, column in pairs]
    spec: AccumulatorSpec[Any] = AccumulatorSpec(
        "trueline.transform.phases:PhaseAccumulator", {"graph": json.dumps(graph.to_json()), "states": states}
    )

    check_accumulator(spec, table.slice(0, 900))


def test_nan_does_not_turn_scaling_into_sigmoids() -> None:
    table = pa.table({"x": [1.0, float("nan"), 3.0], "c": [2.0, 2.0, 2.0], "e": pa.array([None] * 3, pa.float64())})

    def preprocessing(x: Any) -> dict[str, Any]:
        return {k: tlt.scale_by_min_max(x[k], -1.0, 1.0) for k in ("x", "c")} | {"z": tlt.scale_to_z_score(x["c"])}

    out, _ = tlt.analyze_and_transform(table, preprocessing, engine=LocalEngine(workers=1))
    assert out["x"].to_pylist()[::2] == [-1.0, 1.0]
    assert math.isnan(out["x"][1].as_py())
    assert out["c"].to_pylist() == pytest.approx([2 / (1 + math.exp(-2.0)) - 1] * 3)
    assert out["z"].to_pylist() == [0.0] * 3


def test_no_rows_and_no_values() -> None:
    """Of no values: z-score subtracts 0, scaling is a sigmoid, buckets split at 0, the vocabulary is empty."""
    table = pa.table({"n": pa.array([None, None], pa.float64()), "s": pa.array([None, ""], pa.string())})

    def preprocessing(x: Any) -> dict[str, Any]:
        return {
            "z": tlt.scale_to_z_score(x["n"]),
            "u": tlt.scale_to_0_1(x["n"]),
            "b": tlt.bucketize(x["n"], 3),
            "v": tlt.compute_and_apply_vocabulary(x["s"], num_oov_buckets=1),
        }

    out, output = tlt.analyze_and_transform(table, preprocessing, engine=LocalEngine(workers=1))
    assert out["v"].to_pylist() == [None, 0]
    assert output.vocabulary_by_name("vocab_s") == []
    later = output.transform(pa.table({"n": [0.5], "s": ["a"]})).to_pylist()[0]
    assert later["z"] == 0.5
    assert later["u"] == pytest.approx(1 / (1 + math.exp(-0.5)))
    assert (later["b"], later["v"]) == (2, 0)


def test_too_large_a_sum_of_integers_is_an_error() -> None:
    with pytest.raises(TransformError, match="does not fit into 64 bits"):
        constants_of(lambda x: {"y": x["i"] - tlt.sum(x["i"])}, pa.table({"i": [2**63 - 1, 2**63 - 1]}))


def test_a_missing_column_is_named(table: pa.Table) -> None:
    graph = trace(every_analyzer, features_of(table))
    with pytest.raises(TransformError, match=r"lacks columns .*: s"):
        analyze(graph, Dataset.from_table(table.drop_columns(["s"])), LocalEngine(workers=1))

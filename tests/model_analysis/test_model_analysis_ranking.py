"""Metrics of queries: equal to their definitions and scikit-learn's, over block borders, in slices, with noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline._core.errors import ConfigError, DataError, EngineError
from trueline.engine.base import Dataset
from trueline.engine.local import LocalEngine
from trueline.model_analysis import (
    EvalConfig,
    EvalOptions,
    MetricAccumulator,
    MetricConfig,
    MetricsSpec,
    SlicingSpec,
    analyze_raw_data,
)
from trueline.model_analysis.plan import make_plan

METRICS = (
    MetricConfig("NDCG", {"gain_key": "gain", "top_k_list": [1, 3]}),
    MetricConfig("NDCG", {"gain_key": "gain", "ties": "average", "name": "ndcg_mean"}),
    MetricConfig("MinLabelPosition"),
    MetricConfig("MeanAveragePrecision"),
    MetricConfig("MeanReciprocalRank"),
    MetricConfig("PrecisionAtK", {"top_k_list": [2]}),
    MetricConfig("RecallAtK", {"top_k_list": [2]}),
    MetricConfig("HitRate", {"top_k_list": [1]}),
    MetricConfig("QueryStatistics"),
)


def config(slices: tuple[SlicingSpec, ...] = (), **options: Any) -> EvalConfig:
    return EvalConfig([MetricsSpec(METRICS, query_key="q")], slices, EvalOptions(**options))


def documents(seed: int = 3, queries: int = 40, ties: bool = False) -> pa.Table:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 7, queries)
    q = np.repeat([f"q{i}" for i in range(queries)], sizes)
    n = len(q)
    score = np.round(rng.random(n), 1) if ties else rng.permutation(n) / n
    gain = np.round(rng.random(n) * (rng.random(n) < 0.7), 2)
    weight = np.repeat(rng.integers(1, 4, queries).astype(float), sizes)
    label = (rng.random(n) < 0.4).astype(float)
    return pa.table({"q": q, "label": label, "prediction": score, "gain": gain, "w": weight,
                     "site": rng.choice(["a", "b"], n)})  # fmt: skip


def by_query(table: pa.Table) -> list[dict[str, np.ndarray[Any, Any]]]:
    columns = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
    order = list(dict.fromkeys(columns["q"]))
    return [{name: values[columns["q"] == q] for name, values in columns.items()} for q in order]


def mean(values: list[float], weights: list[float]) -> float:
    return float(np.average(values, weights=weights))


def expected(parts: list[dict[str, Any]]) -> dict[str, float]:
    """The definitions, query by query; scores without ties."""
    made: dict[str, float] = {}
    gaining = [d for d in parts if d["gain"].max() > 0]
    for k in (1, 3):
        values = [
            sk.ndcg_score([d["gain"]], [d["prediction"]], k=k, ignore_ties=True) if len(d["q"]) > 1 else 1.0
            for d in gaining
        ]
        made[f"ndcg[top_k={k}]"] = mean(values, [d["w"][0] for d in gaining])
    relevant = [d for d in parts if d["label"].any()]
    weights = [d["w"][0] for d in relevant]
    hits = [d["label"][np.argsort(-d["prediction"])] for d in relevant]
    first = [float(np.argmax(h)) + 1 for h in hits]
    made["min_label_position"] = mean(first, weights)
    made["mean_reciprocal_rank"] = mean([1 / f for f in first], weights)
    made["hit_rate[top_k=1]"] = mean([float(f <= 1) for f in first], weights)
    made["mean_average_precision"] = mean(
        [sk.average_precision_score(d["label"], d["prediction"]) for d in relevant], weights
    )
    made["recall_at_k[top_k=2]"] = mean([h[:2].sum() / h.sum() for h in hits], weights)
    every = [d["label"][np.argsort(-d["prediction"])][:2].sum() / 2 for d in parts]
    made["precision_at_k[top_k=2]"] = mean(every, [d["w"][0] for d in parts])
    made["total_queries"] = sum(d["w"][0] for d in parts)
    made["total_documents"] = sum(d["w"].sum() for d in parts)
    made["min_documents"] = min(d["w"].sum() for d in parts)
    made["max_documents"] = max(d["w"].sum() for d in parts)
    return made


def test_metrics_equal_their_definitions_with_weights() -> None:
    table = documents()
    found = analyze_raw_data(table, config(), example_weight_key="w").measured.slices[0].metrics
    for name, value in expected(by_query(table)).items():
        assert found[name].value == pytest.approx(value, rel=1e-9), name


def test_a_slice_measures_all_documents_of_the_queries_that_it_touches() -> None:
    table = documents()
    result = analyze_raw_data(table, config((SlicingSpec(["site"]),)), example_weight_key="w")
    touched = [d for d in by_query(table) if (d["site"] == "a").any()]
    metrics = next(s.metrics for s in result.measured.slices if s.key == (("site", "a"),))
    for name, value in expected(touched).items():
        assert metrics[name].value == pytest.approx(value, rel=1e-9), name


def test_of_equal_scores_the_later_document_stands_first_or_their_mean_counts() -> None:
    table = pa.table({"q": ["a"] * 4, "label": [1.0, 0, 0, 0], "prediction": [0.5] * 4, "gain": [3.0, 0, 0, 1]})
    result = analyze_raw_data(table, config())
    assert result.metric("min_label_position").value == 4
    assert result.metric("ndcg", top_k=1).value == pytest.approx(1 / 3)
    want = sk.ndcg_score([[3.0, 0, 0, 1]], [[0.5] * 4])  # scikit-learn takes the mean over ties
    assert result.metric("ndcg_mean").value == pytest.approx(want, rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(0, 1000))
def test_block_borders_change_nothing(rows: int, seed: int) -> None:
    """A query may begin in one block, fill others, and end in a later one."""
    table = documents(seed, queries=12, ties=True)
    whole = analyze_raw_data(Dataset.from_table(table, 1000), config(), example_weight_key="w").measured.slices[0]
    cut = analyze_raw_data(Dataset.from_table(table, rows), config(), example_weight_key="w").measured.slices[0]
    for name, estimate in whole.metrics.items():
        if estimate.value is None:
            assert cut.metrics[name].undefined == estimate.undefined
        else:
            assert cut.metrics[name].value == pytest.approx(estimate.value, rel=1e-12), name


def test_equal_blocks_give_equal_bits_on_processes_and_dealt() -> None:
    table = documents(queries=60)
    slices = config((SlicingSpec(), SlicingSpec(["site"])), compute_confidence_intervals=True)
    whole = analyze_raw_data(Dataset.from_table(table, 25), slices, example_weight_key="w")
    again = analyze_raw_data(Dataset.from_table(table, 25), slices, example_weight_key="w", engine=LocalEngine(2))
    assert whole.measured.slices == again.measured.slices
    ndcg = whole.metric("ndcg", top_k=3)
    assert ndcg.low is not None
    assert ndcg.value is not None
    assert ndcg.high is not None
    assert ndcg.low < ndcg.value < ndcg.high


def test_a_query_whose_rows_lie_apart_is_named_with_the_remedy_and_held_queries_are_measured() -> None:
    table = documents()
    order = np.random.default_rng(0).permutation(table.num_rows)
    mixed = Dataset.from_table(table.take(order), 20)
    with pytest.raises(
        (DataError, EngineError), match=r"rows of \d+ queries of column 'q' lie apart, e.g. those of 'q"
    ):
        analyze_raw_data(mixed, config(), example_weight_key="w")
    held = analyze_raw_data(mixed, config(hold_queries=True), example_weight_key="w").measured.slices[0].metrics
    for name, value in expected(by_query(table)).items():
        assert held[name].value == pytest.approx(value, rel=1e-9), name


def test_documents_of_one_query_that_differ_in_weight_are_an_error_that_names_it() -> None:
    table = pa.table({"q": ["a", "a"], "label": [1.0, 0], "prediction": [0.1, 0.2], "gain": [1.0, 0], "w": [1.0, 2]})
    with pytest.raises((DataError, EngineError), match="the documents of query 'a' have weights from 1 to 2"):
        analyze_raw_data(table, config(), example_weight_key="w")


def test_rows_without_a_query_and_metrics_without_a_query_key_are_refused() -> None:
    table = pa.table({"q": ["a", None], "label": [1.0, 0], "prediction": [0.1, 0.2], "gain": [1.0, 0]})
    with pytest.raises((DataError, EngineError), match="1 rows have no query in column 'q'"):
        analyze_raw_data(table, config())
    with pytest.raises(ConfigError, match="query_key"):
        analyze_raw_data(table, EvalConfig([MetricsSpec([MetricConfig("NDCG")])]))


@pytest.mark.parametrize("column", ["prediction", "gain"])
def test_a_score_or_gain_that_is_no_number_undoes_what_reads_it(column: str) -> None:
    table = documents()
    values = table[column].to_numpy().copy()
    values[0] = np.nan
    broken = table.set_column(table.column_names.index(column), column, pa.array(values))
    result = analyze_raw_data(broken, config())
    assert result.metric("ndcg", top_k=3).value is None
    assert (result.metric("mean_reciprocal_rank").value is None) == (column == "prediction")


def test_queries_without_anything_relevant_leave_the_value_undefined() -> None:
    table = pa.table({"q": ["a", "a"], "label": [0.0, 0], "prediction": [0.1, 0.2], "gain": [0.0, 0]})
    result = analyze_raw_data(table, config())
    assert result.metric("ndcg", top_k=1).undefined.startswith("no query has a gain above 0")
    assert result.metric("mean_average_precision").undefined.startswith("no query has a relevant document")
    assert result.metric("precision_at_k", top_k=2).value == 0
    assert result.metric("total_queries").value == 1


def test_states_that_are_written_and_read_between_blocks_go_on() -> None:
    table = documents(queries=15).append_column("__row__", pa.array(range(documents(queries=15).num_rows)))
    plan = make_plan(config(), "ranking", 0, False)
    whole = MetricAccumulator(plan)
    for start in range(0, table.num_rows, 4):  # shorter than some queries
        batch = table.slice(start, 4).combine_chunks().to_batches()[0]
        own = MetricAccumulator(plan)
        own.update_arrays(batch.column("label"), {"candidate": batch.column("prediction")}, batch.column("w"), batch)
        whole = MetricAccumulator.from_state(whole.state(), plan)
        whole.merge(MetricAccumulator.from_state(own.state(), plan))
    found = MetricAccumulator.from_state(whole.state(), plan).finish().slices[0].metrics
    for name, value in expected(by_query(table)).items():
        assert found[name].value == pytest.approx(value, rel=1e-9), name

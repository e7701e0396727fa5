"""Evaluations on a Ray cluster: the bits of the local engine, with intervals, changes, slices, curves and queries."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ray = pytest.importorskip("ray", reason="NOT TESTED HERE: no Ray; make its environment with scripts/ray_env.sh")

from trueline.engine import Dataset, LocalEngine, RayEngine  # noqa: E402
from trueline.model_analysis import (  # noqa: E402
    ConfidenceIntervalOptions,
    EvalConfig,
    EvalOptions,
    GenericChangeThreshold,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    SlicingSpec,
    analyze_raw_data,
)

pytestmark = pytest.mark.ray
ROWS, BLOCK = 12_000, 700


@pytest.fixture(scope="module")
def engine() -> Iterator[RayEngine]:
    ray.init(num_cpus=2, log_to_driver=False, logging_level="ERROR", include_dashboard=False)
    yield RayEngine()
    ray.shutdown()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    rng = np.random.default_rng(11)
    score = rng.random(ROWS)
    table = pa.table(
        {
            "label": pa.array((rng.random(ROWS) < score).astype(float), mask=rng.random(ROWS) < 0.01),
            "prediction": score,
            "base": np.clip(score + rng.normal(0, 0.1, ROWS), 0, 1),
            "weight": rng.random(ROWS) + 0.5,
            "query": np.repeat(np.arange(ROWS // 8), 8),
            "gain": rng.integers(0, 4, ROWS).astype(float),
            "group": rng.choice(["a", "b", "c"], ROWS),
            "__row__": np.arange(ROWS),
        }
    )
    path = tmp_path_factory.mktemp("evaluation") / "rows.parquet"
    pq.write_table(table, path, row_group_size=BLOCK)
    return Dataset.from_parquet(str(path))


@pytest.mark.parametrize("method", ["JACKKNIFE", "POISSON_BOOTSTRAP"])
def test_a_cluster_measures_and_judges_as_this_machine_does(engine: RayEngine, dataset: Dataset, method: str) -> None:
    gate = MetricThreshold(change_threshold=GenericChangeThreshold(0.0))
    metrics = [MetricConfig("AUC", threshold=gate), MetricConfig("LogLoss"), MetricConfig("ConfusionMatrixPlot")]
    options = EvalOptions(
        compute_confidence_intervals=True,
        confidence_intervals=ConfidenceIntervalOptions(method),
        exact_rank_rows=3_000,  # the overall slice becomes a histogram, the groups stay exact
    )
    config = EvalConfig([MetricsSpec(metrics)], [SlicingSpec(), SlicingSpec(["group"])], options)
    asked = {"baseline_prediction_key": "base", "example_weight_key": "weight"}
    here = analyze_raw_data(dataset, config, engine=LocalEngine(workers=2), **asked)
    there = analyze_raw_data(dataset, config, engine=engine, **asked)
    assert there == here
    assert here.metric("auc").error_bound is not None
    assert here.metric("auc").low < here.metric("auc").value < here.metric("auc").high


def test_queries_over_block_borders_are_the_same_on_a_cluster(engine: RayEngine, dataset: Dataset) -> None:
    spec = MetricsSpec([MetricConfig("NDCG", {"gain_key": "gain", "top_k_list": [3]})], query_key="query")
    config = EvalConfig([spec], [SlicingSpec(), SlicingSpec(["group"])])
    here = analyze_raw_data(dataset, config, task="ranking", label_key="gain", engine=LocalEngine(workers=2))
    there = analyze_raw_data(dataset, config, task="ranking", label_key="gain", engine=engine)
    assert there == here
    assert 0.5 < here.metric("ndcg", top_k=3).value < 1

"""Statistics, vocabularies and metrics are the same bits for the same blocks, however they are dealt and worked on.

15,002 trips in blocks of 1,000 rows: 1 and 7 shards, 1 and 4 workers, threads and processes. For other blocks: counts,
minima, maxima, vocabularies and top values equal, sums to 1e-12, AUC within its stated bound.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from trueline import Dataset, LocalEngine
from trueline.data import Examples, ingest_csv
from trueline.data_validation import generate_statistics
from trueline.model_analysis import EvalConfig, MetricConfig, MetricsSpec, SlicingSpec, analyze_raw_data
from trueline.schema import raw_features
from trueline.transform import analyze, trace

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SETTINGS = [(1, 1, False), (7, 4, False), (7, 1, False), (1, 4, True), (7, 4, True)]
CONFIG = EvalConfig(
    metrics_specs=(MetricsSpec(metrics=tuple(MetricConfig(n) for n in ("AUC", "MeanLabel", "BinaryCrossentropy"))),),
    slicing_specs=(SlicingSpec(), SlicingSpec(feature_keys=("trip_start_hour",))),
)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    uri = str(tmp_path_factory.mktemp("examples"))
    ingest_csv(str(EXAMPLES / "taxi" / "data"), uri, splits=(("all", 1),), block_rows=1000)
    return Examples.open(uri)


@pytest.fixture(scope="module")
def engines() -> Iterator[dict[tuple[int, bool], LocalEngine]]:
    made = {(w, p): LocalEngine(workers=w, processes=p) for _, w, p in SETTINGS}
    yield made
    for engine in made.values():
        engine.close()


def scored(dataset: Dataset) -> Dataset:
    """The trips with a score and a label, in the same blocks."""
    tables = []
    for batch in dataset.batches():
        fare = np.nan_to_num(batch.column("fare").to_numpy(zero_copy_only=False))
        tips = np.nan_to_num(batch.column("tips").to_numpy(zero_copy_only=False))
        table = pa.Table.from_batches([batch])
        table = table.append_column("label", pa.array((tips > 0.2 * fare).astype(np.int64)))
        tables.append(table.append_column("prediction", pa.array(1 / (1 + np.exp(-(tips - 1 + fare / 50))))))
    return Dataset.from_table(pa.concat_tables(tables), 1000)


def measured(dataset: Dataset, engine: LocalEngine, preprocessing_fn: Any) -> dict[str, Any]:
    output = analyze(trace(preprocessing_fn, raw_features(dataset.arrow_schema, None)), dataset, engine)
    result = analyze_raw_data(
        scored(dataset).deal(len(dataset.shards)),
        CONFIG,
        label_key="label",
        prediction_key="prediction",
        task="binary",
        engine=engine,
    )
    return {
        "statistics": generate_statistics(dataset, engine=engine),
        "transform": output.content_hash,
        "vocabularies": {name: output.vocabulary_by_name(name) for name in output.vocabularies},
        "metrics": result.plain_slicing_metrics,
    }


def preprocessing_fn() -> Any:
    sys.path.insert(0, str(EXAMPLES / "taxi"))
    sys.modules.pop("model", None)
    import model

    return model.preprocessing_fn


def test_equal_blocks_give_equal_bits(examples: Examples, engines: dict[tuple[int, bool], LocalEngine]) -> None:
    dataset, function = examples.dataset("all"), preprocessing_fn()
    assert len(dataset.blocks) == 16
    expected = measured(dataset, LocalEngine(workers=1), function)
    assert len(expected["vocabularies"]["company"]) > 10
    for shards, workers, processes in SETTINGS:
        got = measured(dataset.deal(shards), engines[workers, processes], function)
        where = f"{shards} shards, {workers} workers, processes={processes}"
        assert got["statistics"].SerializeToString(deterministic=True) == expected["statistics"].SerializeToString(
            deterministic=True
        ), where
        for part in ("transform", "vocabularies", "metrics"):
            assert got[part] == expected[part], (where, part)


def test_other_blocks_stay_within_the_stated_bounds(examples: Examples) -> None:
    dataset, function = examples.dataset("all"), preprocessing_fn()
    other = Dataset.from_table(examples.table("all"), 3333)
    one, two = (measured(d, LocalEngine(workers=1), function) for d in (dataset, other))
    assert one["vocabularies"] == two["vocabularies"]
    features = zip(one["statistics"].datasets[0].features, two["statistics"].datasets[0].features, strict=True)
    for a, b in features:
        assert a.path == b.path
        if a.HasField("num_stats"):
            x, y = a.num_stats, b.num_stats
            assert (x.min, x.max, x.num_zeros) == (y.min, y.max, y.num_zeros)
            assert x.common_stats.num_missing == y.common_stats.num_missing
            assert x.mean == pytest.approx(y.mean, rel=1e-12)
            assert x.std_dev == pytest.approx(y.std_dev, rel=1e-9)
        else:
            assert a.string_stats.top_values == b.string_stats.top_values
            assert a.string_stats.unique == b.string_stats.unique
    for (key, first), (other_key, second) in zip(one["metrics"], two["metrics"], strict=True):
        assert key == other_key
        for name, value in first.items():
            assert second[name] == (value if isinstance(value, dict) else pytest.approx(value, rel=1e-12)), (key, name)

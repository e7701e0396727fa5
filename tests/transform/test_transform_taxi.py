"""The taxi data with the preprocessing of TFX's taxi template as one graph: analysis, bulk, ONNX and oracle agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.csv as csv
import pytest
from helpers_transform import assert_same, by_oracle

import trueline.transform as tlt
from trueline.engine import Dataset, LocalEngine
from trueline.transform.bulk import Executor

FILE = Path(__file__).parents[3] / "shared" / "data" / "taxi" / "taxi.csv"
pytestmark = [pytest.mark.shared, pytest.mark.skipif(not FILE.exists(), reason=f"the taxi data is not at {FILE}")]

DENSE = ["trip_miles", "fare", "trip_seconds"]
BUCKETS = ["pickup_latitude", "pickup_longitude", "dropoff_latitude", "dropoff_longitude"]
WORDS = ["payment_type", "company"]
CATEGORICAL = {
    "trip_start_hour": 24,
    "trip_start_day": 31,
    "trip_start_month": 12,
    "pickup_census_tract": 50,
    "dropoff_census_tract": 50,
    "pickup_community_area": 77,
    "dropoff_community_area": 77,
}


def preprocessing(x: Any) -> dict[str, Any]:
    outputs = {k: tlt.scale_to_z_score(tlt.fill_missing(x[k], 0)) for k in DENSE}
    for k in WORDS:
        outputs[k] = tlt.compute_and_apply_vocabulary(tlt.fill_missing(x[k], ""), top_k=1000, num_oov_buckets=10)
    for k in BUCKETS:
        outputs[k] = tlt.bucketize(tlt.fill_missing(x[k], 0.0), 10)
    for k, size in CATEGORICAL.items():
        outputs[k] = tlt.one_hot(tlt.fill_missing(tlt.cast(x[k], "int64"), 0) % size, size)
    fare, tips = x["fare"], x["tips"]
    outputs["tips"] = tlt.where(tlt.is_nan(fare), False, tips > fare * 0.2)
    return outputs


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return csv.read_csv(FILE)


@pytest.fixture(scope="module")
def analysed(table: pa.Table) -> tuple[pa.Table, tlt.TransformOutput]:
    return tlt.analyze_and_transform(Dataset.from_table(table, 2000), preprocessing, engine=LocalEngine(workers=2))


def test_every_path_gives_the_same_bits(table: pa.Table, analysed: tuple[pa.Table, tlt.TransformOutput]) -> None:
    """Bulk with and without the dictionary detour, batches of 1, 7 and 8192, the served ONNX graph, the oracle."""
    out, output = analysed
    assert out.num_rows == 15_002
    part = output._prepared(table.slice(0, 3000), list(output.graph.outputs))
    targets = dict(output.graph.outputs)
    expected = by_oracle(output.graph, part)
    direct = Executor(output.graph, targets, final=False, dictionary=False).run(part)
    detour = Executor(output.graph, targets, final=False, dictionary=True).run(part)
    for name in targets:
        assert_same(direct[name], expected[name])
        assert_same(detour[name], expected[name])
    for size, rows in ((1, 60), (7, 700), (8192, 15_002)):
        some = table.slice(0, rows)
        parts = [output.transform(b) for b in some.combine_chunks().to_batches(max_chunksize=size)]
        assert pa.Table.from_batches(parts).equals(out.slice(0, rows).combine_chunks())


def test_the_served_graph_equals_bulk(table: pa.Table, analysed: tuple[pa.Table, tlt.TransformOutput]) -> None:
    out, output = analysed
    features = [f.name for f in output.outputs if f.name != "tips"]
    session = onnxruntime.InferenceSession(output.to_onnx(features).SerializeToString())
    assert "tips" not in {i.name for i in session.get_inputs()}
    arrays = output.feeds(features).from_arrow(output._prepared(table, list(output.graph.outputs)))
    names = [o.name for o in session.get_outputs()]
    found = dict(zip(names, session.run(names, arrays), strict=True))
    for name in features:
        column = out[name].combine_chunks()
        flat = column.flatten() if pa.types.is_fixed_size_list(column.type) else column
        np.testing.assert_array_equal(found[f"transformed:{name}"].ravel(), flat.to_numpy(zero_copy_only=False))


def test_values_agree_with_a_direct_computation(
    table: pa.Table, analysed: tuple[pa.Table, tlt.TransformOutput]
) -> None:
    out, output = analysed
    fare = table["fare"].fill_null(0.0).to_numpy()
    np.testing.assert_allclose(out["fare"].to_numpy(), (fare - fare.mean()) / fare.std(), rtol=1e-5, atol=1e-6)
    latitude = table["pickup_latitude"].fill_null(0.0).to_numpy()
    boundaries = np.sort(latitude)[[i * len(latitude) // 10 for i in range(1, 10)]]
    np.testing.assert_array_equal(
        out["pickup_latitude"].to_numpy(), np.searchsorted(boundaries, latitude, side="right")
    )
    payment = table["payment_type"].fill_null("").to_pylist()
    ids = {token: i for i, token in enumerate(output.vocabulary_by_name("vocab_payment_type"))}
    assert out["payment_type"].to_pylist() == [ids[p] for p in payment]
    fares, tips = table["fare"].to_pylist(), table["tips"].to_pylist()
    expected = [None if f is None or t is None else t > f * 0.2 for f, t in zip(fares, tips, strict=True)]
    assert out["tips"].to_pylist() == expected


def test_lineage(analysed: tuple[pa.Table, tlt.TransformOutput]) -> None:
    output = analysed[1]
    assert output.depends("tips") == {"tips", "fare"}
    assert output.depends("company") == {"company"}
    assert output.path("tips", "tips")[1] == "tips > fare * 0.2 (greater)"

"""Real data: the Chicago taxi trips against the schema that TensorFlow's example wrote for them by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2

from trueline.data_validation import describe_anomalies, generate_statistics, infer_schema, validate_statistics
from trueline.engine import Dataset, LocalEngine
from trueline.schema import get_feature, load_schema_text, raw_features

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def trips(shared: Path) -> pa.Table:
    options = pacsv.ConvertOptions(strings_can_be_null=True, null_values=[""])
    return pacsv.read_csv(shared / "data/taxi/taxi.csv", convert_options=options)


@pytest.fixture(scope="module")
def statistics(trips: pa.Table) -> Any:
    return generate_statistics(Dataset.from_table(trips, 2000), engine=LocalEngine(2))


def test_statistics_agree_with_numpy(trips: pa.Table, statistics: Any) -> None:
    by_name = {f.path.step[0]: f for f in statistics.datasets[0].features}
    assert statistics.datasets[0].num_examples == trips.num_rows
    assert list(by_name) == trips.schema.names
    for name in ("fare", "trip_miles", "tips", "trip_seconds"):
        values = trips.column(name).drop_null().to_numpy()
        stats = by_name[name].num_stats
        assert stats.common_stats.num_missing == trips.column(name).null_count
        assert np.isclose(stats.mean, values.mean(), rtol=1e-12)
        assert np.isclose(stats.std_dev, values.std(), rtol=1e-9)
        assert (stats.min, stats.max, stats.num_zeros) == (values.min(), values.max(), (values == 0).sum())
        assert stats.median == np.sort(values)[len(values) // 2]
    company = by_name["company"].string_stats
    counts = trips.column("company").drop_null().value_counts().to_pylist()
    ranked = sorted(counts, key=lambda c: (c["counts"], c["values"].encode()), reverse=True)
    assert [(t.value, t.frequency) for t in company.top_values] == [(c["values"], c["counts"]) for c in ranked[:20]]


def test_the_handwritten_schema_finds_what_is_wrong_with_the_data(shared: Path, statistics: Any) -> None:
    schema = load_schema_text(str(shared / "data/taxi/schema.pbtxt"))
    found = validate_statistics(statistics, schema)
    name = anomalies_pb2.AnomalyInfo.Type.Name
    assert {path: [name(r.type) for r in info.reason] for path, info in found.anomaly_info.items()} == {
        "company": ["ENUM_TYPE_UNEXPECTED_STRING_VALUES"],
        "pickup_community_area": ["FEATURE_TYPE_LOW_FRACTION_PRESENT"],
        "pickup_latitude": ["FEATURE_TYPE_LOW_FRACTION_PRESENT"],
        "pickup_longitude": ["FEATURE_TYPE_LOW_FRACTION_PRESENT"],
    }
    assert any("'1085 - 72312 N and W Cab Co' (<1%)" in line for line in describe_anomalies(found))


def test_the_inferred_schema_accepts_the_data_and_knows_their_types(
    shared: Path, trips: pa.Table, statistics: Any
) -> None:
    inferred = infer_schema(statistics)
    assert not validate_statistics(statistics, inferred).anomaly_info
    written = load_schema_text(str(shared / "data/taxi/schema.pbtxt"))
    different = {f.name for f in written.feature if get_feature(inferred, f.name).type != f.type}
    assert not different
    required = {f.name for f in raw_features(trips.schema, inferred) if not f.optional}
    assert {"fare", "payment_type", "trip_start_hour"} <= required
    assert not {"company", "pickup_latitude", "dropoff_latitude"} & required

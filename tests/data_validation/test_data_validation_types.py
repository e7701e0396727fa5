"""Every type of column is counted: times, decimals, dictionaries, categorical numbers, long strings, fixed lists."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from trueline.data_validation import PerFeatureStatsConfig, StatsOptions, generate_statistics
from trueline.engine import Dataset, LocalEngine

StatsOf = Callable[..., Any]
DAY = 86_400_000_000


def _schema(text: str) -> schema_pb2.Schema:
    return text_format.Parse(text, schema_pb2.Schema())


def _source(feature: Any) -> str:
    return next((stat.str for stat in feature.custom_stats if stat.name == "arrow_type"), "")


@pytest.mark.parametrize(
    ("values", "low", "high", "source"),
    [
        (pa.array([dt.date(1970, 1, 2), None, dt.date(1970, 1, 3)]), DAY, 2 * DAY, "date"),
        (pa.array([dt.date(1970, 1, 2), None], pa.date64()), DAY, DAY, "date"),
        (pa.array([1, 5], pa.timestamp("ms")), 1000, 5000, "timestamp"),
        (pa.array([1, 5], pa.timestamp("ns", "Europe/Berlin")), 0, 0, "timestamp"),
        (pa.array([dt.timedelta(seconds=-1), dt.timedelta(seconds=2)]), -1_000_000, 2_000_000, "duration"),
        (pa.array([dt.time(0, 0, 1), dt.time(1)]), 1_000_000, 3_600_000_000, "time"),
        (pa.array([1, 2], pa.time32("ms")), 1000, 2000, "time"),
        (
            pa.array([[dt.timedelta(seconds=1)], None, [None, dt.timedelta(seconds=3)]]),
            1_000_000,
            3_000_000,
            "duration",
        ),
        (pa.array([True, False, None]), 0, 1, "bool"),
    ],
)
def test_what_is_no_number_by_type_is_counted_in_microseconds(
    values: pa.Array, low: int, high: int, source: str
) -> None:
    """Nothing is dropped: INT statistics, and a custom statistic says what the integers were."""
    found = generate_statistics(pa.table({"x": values}), engine=LocalEngine(1)).datasets[0].features[0]
    assert found.type == found.INT
    assert _source(found) == source
    assert (found.num_stats.min, found.num_stats.max) == (low, high)
    assert found.num_stats.common_stats.num_missing == values.null_count


def test_decimals_are_floats(stats_of: StatsOf) -> None:
    found = stats_of(pa.array([decimal.Decimal("1.50"), decimal.Decimal("-2.25"), None], pa.decimal128(10, 2)))
    assert found.type == found.FLOAT
    assert (found.num_stats.min, found.num_stats.max) == (-2.25, 1.5)


def test_null_columns_are_missing_strings(stats_of: StatsOf) -> None:
    found = stats_of(pa.nulls(3))
    assert found.type == found.STRING
    assert found.string_stats.common_stats.num_missing == 3


def test_infinities_are_counted_and_make_mean_and_deviation_undefined(stats_of: StatsOf) -> None:
    stats = stats_of(pa.array([1.0, math.inf, -math.inf, math.nan, 3.0, math.inf])).num_stats
    assert math.isnan(stats.mean)
    assert math.isnan(stats.std_dev)
    assert (stats.min, stats.max, stats.median) == (-math.inf, math.inf, 3.0)
    ends = [(b.low_value, b.sample_count) for b in stats.histograms[0].buckets if math.isinf(b.low_value)]
    assert ends == [(-math.inf, 1), (math.inf, 2)]
    assert stats.histograms[0].num_nan == 1


def test_numbers_that_the_schema_calls_categorical(stats_of: StatsOf) -> None:
    """Floats as Python writes them, integers as decimals, booleans as 0 and 1: strings in every figure."""
    floats = _schema('feature { name: "x" type: FLOAT float_domain { is_categorical: true } }')
    found = stats_of(pa.array([1.0, 1.0, 2.5, -0.1, None]), schema=floats)
    assert found.type == found.FLOAT
    assert found.string_stats.unique == 3
    assert [(v.value, v.frequency) for v in found.string_stats.top_values] == [("1.0", 2), ("2.5", 1), ("-0.1", 1)]
    assert found.string_stats.avg_length == np.float32((3 + 3 + 3 + 4) / 4)
    for domain in ("int_domain { is_categorical: true }", "bool_domain { }", "natural_language_domain { }"):
        ints = stats_of(pa.array([1, 0, 1]), schema=_schema(f'feature {{ name: "x" type: INT {domain} }}'))
        assert [(v.value, v.frequency) for v in ints.string_stats.top_values] == [("1", 2), ("0", 1)]
    assert stats_of(pa.array([1, 2]), schema=floats).WhichOneof("stats") == "num_stats", "the data are integers"


def test_long_strings_are_counted_together_and_told_apart_in_unique(stats_of: StatsOf) -> None:
    long = ["x" * 1025, "y" * 2000]
    values = pa.array([*long, long[0], "a", "a", "z" * 1024])
    for block_rows in (1000, 2):
        stats = stats_of(values, block_rows=block_rows).string_stats
        top = [(v.value[:20], v.frequency) for v in stats.top_values]
        assert top == [("__LARGE_BYTES__", 3), ("a", 2), ("z" * 20, 1)]
        assert stats.unique == 4
        assert stats.avg_length == np.float32((1025 + 2000 + 1025 + 1 + 1 + 1024) / 6)
    kept = _schema('feature { name: "x" type: BYTES string_domain { is_categorical: CATEGORICAL_YES } }')
    stats = stats_of(values, schema=kept).string_stats
    assert [v.frequency for v in stats.top_values] == [2, 2, 1, 1]
    assert stats.top_values[0].value == long[0]
    free = _schema('feature { name: "x" type: BYTES string_domain { is_categorical: CATEGORICAL_NO } }')
    stats = stats_of(values, schema=free).string_stats
    assert not stats.top_values
    assert not stats.unique
    assert stats.avg_length > 500


def test_histograms_can_be_switched_off(stats_of: StatsOf) -> None:
    """The median is then NaN, as upstream's; moments and extremes stay."""
    config = PerFeatureStatsConfig(["x"], "EXCLUDE")
    found = stats_of(pa.array([[1.0, 2.0], [3.0]]), per_feature_stats_config=config)
    stats = found.num_stats
    assert not stats.histograms
    assert math.isnan(stats.median)
    assert not found.custom_stats
    assert not stats.common_stats.HasField("num_values_histogram")
    assert (stats.mean, stats.min, stats.max) == (2.0, 1.0, 3.0)


def test_large_and_fixed_size_lists_are_lists(stats_of: StatsOf) -> None:
    rows = [[1, 2], None, [3, None]]
    plain = stats_of(pa.array(rows, pa.list_(pa.int64())))
    for kind in (pa.large_list(pa.int64()), pa.list_(pa.int64(), 2)):
        assert stats_of(pa.array(rows, kind)) == plain


@pytest.mark.parametrize("value_type", [pa.string(), pa.large_string(), pa.binary()])
def test_dictionaries_change_no_bit(tmp_path: Any, value_type: pa.DataType) -> None:
    """Plain and dictionary columns, in memory and from Parquet, in threads and in processes: equal results."""
    rng = np.random.default_rng(5)
    words = pa.array([f"w{k}" for k in rng.integers(0, 300, 5000)], mask=rng.random(5000) < 0.1).cast(value_type)
    weights = pa.array(rng.random(5000))
    plain = pa.table({"s": words, "w": weights})
    coded = pa.table({"s": words.dictionary_encode(), "w": weights})
    options = StatsOptions(weight_feature="w")
    want = generate_statistics(Dataset.from_table(plain, 700), options, LocalEngine(1))
    assert generate_statistics(Dataset.from_table(coded, 700), options, LocalEngine(1)) == want
    path = str(tmp_path / "t.parquet")
    pq.write_table(plain, path, row_group_size=700)
    assert generate_statistics(Dataset.from_parquet(path), options, LocalEngine(2)) == want
    with LocalEngine(2, processes=True) as engine:
        assert generate_statistics(Dataset.from_parquet(path), options, engine) == want
        assert generate_statistics(Dataset.from_table(coded, 700), options, engine) == want


def test_odd_dictionaries_are_counted_rightly(stats_of: StatsOf) -> None:
    """Values that are there twice, never used, or null in the dictionary itself."""
    twice = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None, 0]), pa.array(["a", "b", "a", "unused"]))
    stats = stats_of(twice).string_stats
    assert [(v.value, v.frequency) for v in stats.top_values] == [("a", 3), ("b", 1)]
    assert stats.unique == 2
    nulls = pa.DictionaryArray.from_arrays(pa.array([0, 1, 1, 0]), pa.array(["a", None]))
    stats = stats_of(nulls).string_stats
    assert stats.common_stats.num_missing == 2
    assert [v.frequency for v in stats.top_values] == [2]

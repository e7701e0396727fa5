"""Edges that once went wrong: the widest floats, the greatest integers, odd files, lists as identifiers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from trueline._core.errors import SchemaError
from trueline.data_validation import (
    StatsOptions,
    accept,
    detect_feature_skew,
    generate_examples,
    generate_statistics,
    get_statistics_html,
    identify_anomalous_examples,
    infer_schema,
    load_statistics,
    update_schema,
    validate_corresponding_slices,
    validate_instance,
    validate_statistics,
    write_statistics,
)
from trueline.data_validation.distances import jensen_shannon_divergence
from trueline.data_validation.views import dataset_view
from trueline.display.svg import Bucket, histogram, quantile_strips
from trueline.engine import Dataset

_WIDE = pa.table({"x": [1e308, -1e308, 0.0, 3e307] * 5})


def test_a_range_wider_than_the_greatest_float_is_drawn_and_compared() -> None:
    one, other = generate_statistics(_WIDE), generate_statistics(pa.table({"x": [1.5e308, -1.7e308, 2.0] * 9}))
    page = re.sub(r"<(script|style)>.*?</\1>", "", get_statistics_html(one, other), flags=re.S)
    assert not re.search(r'(x|y|width|height)="-?(nan|inf)"', page)
    views = [dataset_view(s) for s in (one, other)]
    path = next(iter(views[0].features))
    found = jensen_shannon_divergence(views[0].features[path], views[1].features[path], "STANDARD")
    assert found is not None
    assert 0.0 < found <= 1.0


def test_a_range_of_the_least_floats_is_drawn_and_compared() -> None:
    one, other = (generate_statistics(pa.table({"x": x})) for x in ([0.0, 5e-324], [0.0, 5e-324, 1e-323]))
    assert not re.search(r'(x|y|width|height)="-?(nan|inf)"', get_statistics_html(one, other))
    views = [next(iter(dataset_view(s).features.values())) for s in (one, other)]
    found = jensen_shannon_divergence(views[0], views[1], "STANDARD")
    assert found is not None
    assert 0.0 <= found <= 1.0


def test_buckets_on_a_common_width_keep_their_mass_in_any_range() -> None:
    wide = [Bucket(-1.7e308, 0.0, 3.0), Bucket(0.0, 1.7e308, 1.0)]
    drawn = str(histogram(wide, [Bucket(-1e308, 1e308, 2.0)], label="x"))
    assert not re.search("nan|inf", drawn)
    assert "nan" not in str(quantile_strips([[-1.7e308, 0.0, 1.7e308]], label="x"))


@pytest.mark.parametrize("values", [[2**63 - 1, 0], [2**63 - 1], [-(2**63), 2**63 - 1]])
def test_the_greatest_integer_can_be_accepted(values: list[int]) -> None:
    statistics = generate_statistics(pa.table({"n": values}))
    for domain in ("bool_domain", "int_domain"):
        schema = infer_schema(statistics)
        getattr(schema.feature[0], domain).SetInParent()
        if domain == "int_domain":
            schema.feature[0].int_domain.max = 5
        found = validate_statistics(statistics, schema)
        assert found.anomaly_info
        for mended in (update_schema(schema, statistics), accept(schema, found, statistics=statistics)):
            assert mended.feature[0].int_domain.max == 2**63 - 1
            assert not validate_statistics(statistics, mended).anomaly_info


@pytest.mark.parametrize("ending", [".tfrecord", ".pb", ".pbtxt"])
def test_statistics_of_any_length_are_told_from_text(tmp_path: Path, ending: str) -> None:
    # A record of 35 (or 291, 547, ...) bytes begins with "#", as text may.
    for length in range(300):
        statistics = statistics_pb2.DatasetFeatureStatisticsList()
        statistics.datasets.add(name="n" * length, num_examples=7)
        uri = str(tmp_path / f"s{ending}")
        write_statistics(statistics, uri)
        assert load_statistics(uri) == statistics


def test_rows_are_made_for_domains_at_the_ends_of_their_types() -> None:
    schema = schema_pb2.Schema()
    feature = schema.feature.add(name="n", type=schema_pb2.INT)
    feature.int_domain.min = 2**63 - 2
    feature = schema.feature.add(name="x", type=schema_pb2.FLOAT)
    feature.float_domain.min, feature.float_domain.max = -np.inf, np.inf
    feature = schema.feature.add(name="b", type=schema_pb2.BYTES)
    feature.bool_domain.true_value = ""
    rows = generate_examples(schema, 40, seed=1)
    assert set(rows["n"].to_pylist()) - {None} <= {2**63 - 2, 2**63 - 1}
    assert not validate_statistics(generate_statistics(rows), schema).anomaly_info
    assert set(rows["b"].to_pylist()) <= {"", None}


@pytest.mark.parametrize("block_rows", [1, 2, 100])
def test_identifiers_in_lists_meet_whatever_their_block(block_rows: int) -> None:
    ids = pa.array([[1], [2], [3, 4], [5], None, []], pa.list_(pa.int64()))
    base = pa.table({"id": ids, "x": [1, 2, 3, 4, 5, 6]})
    test = pa.table({"id": [1, 2, 5], "x": [1, 0, 4]})
    found = detect_feature_skew(
        Dataset.from_table(base, block_rows=block_rows), Dataset.from_table(test, block_rows=1), ["id"]
    )
    (x,) = found.skew_results
    assert (x.match_count, x.mismatch_count) == (2, 1)
    assert (found.match_stats.base_missing_id_count, found.match_stats.ids_missing_in_test_count) == (2, 1)


def test_lists_of_floats_are_rounded_in_later_blocks_too() -> None:
    lists = pa.array([[0.12341], None, [], [1e308, 0.5], None, [0.25]], pa.list_(pa.float64()))
    fixed = pa.array([[0.12341, 1.0], None] * 3, pa.list_(pa.float64(), 2))
    base = pa.table({"id": range(6), "lists": lists, "fixed": fixed, "plain": [1e308, 0.12341] * 3})
    test = pa.table(
        {
            "id": range(6),
            "lists": pa.array([[0.12344], None, [], [1e308, 0.5], None, [0.35]], lists.type),
            "fixed": pa.array([[0.12344, 1.0], None] * 3, fixed.type),
            "plain": [1e308, 0.12344] * 3,
        }
    )
    sides = [Dataset.from_table(table, block_rows=2) for table in (base, test)]
    found = {r.feature_name: r for r in detect_feature_skew(*sides, ["id"], float_round_ndigits=3).skew_results}
    assert (found["lists"].match_count, found["lists"].mismatch_count) == (3, 1)
    assert (found["fixed"].match_count, found["plain"].match_count) == (3, 6)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([2**62], pa.timestamp("s")),
        pa.array([2**62], pa.timestamp("ms", "Asia/Tokyo")),
        pa.array([2**31 - 1], pa.date32()),
        pa.array([2**62], pa.duration("s")),
        pa.array([[2**62]], pa.list_(pa.timestamp("s"))),
    ],
    ids=lambda column: str(column.type),
)
def test_times_beyond_microseconds_are_an_error(column: pa.Array) -> None:
    with pytest.raises(SchemaError, match=r"'x'.*out of bounds"):
        generate_statistics(pa.table({"x": column}))


@pytest.mark.parametrize("kind", [pa.timestamp("ns"), pa.timestamp("ns", "Europe/Berlin"), pa.duration("ns")], ids=str)
def test_nanoseconds_are_cut_in_lists_too(kind: pa.DataType) -> None:
    table = pa.table({"x": pa.array([1999], kind), "xs": pa.array([[1999]], pa.list_(kind))})
    assert [f.num_stats.min for f in generate_statistics(table).datasets[0].features] == [1.0, 1.0]


def test_an_empty_outer_list_breaks_no_limit_on_inner_ones() -> None:
    rows = pa.table({"k": ["a", "b", "a"], "x": pa.array([[[1], [2, 3]], [], [[4]]], pa.list_(pa.list_(pa.int64())))})
    schema = infer_schema(generate_statistics(rows))
    assert [count.min for count in schema.feature[1].value_counts.value_count] == [0, 1]
    for row in range(3):
        assert not validate_instance(rows.slice(row, 1), StatsOptions(schema=schema)).anomaly_info
    slices = generate_statistics(rows, StatsOptions(slices=[("empty", "k == 'b'")]))
    assert len(slices.datasets) == 2
    assert not validate_corresponding_slices(slices, schema).anomaly_info


def test_a_row_as_a_dict_leaves_types_open_as_json_does() -> None:
    columns = {
        "floats": [1.5, 2.0, None],
        "lists": [[5], [], None],
        "nested": [[[1.0]], [[]], None],
        "struct": [{"a": 1, "b": [1.5]}, {"a": None, "b": []}, None],
    }
    schema = infer_schema(generate_statistics(pa.table(columns)), infer_feature_shape=False)
    options = StatsOptions(schema=schema)
    for i in range(3):
        assert not validate_instance({name: column[i] for name, column in columns.items()}, options).anomaly_info
    whole = {"floats": 3, "lists": [5], "nested": [[7]], "struct": {"a": 1, "b": [2]}}
    assert not validate_instance(whole, options).anomaly_info
    assert set(validate_instance({**whole, "lists": [0.5]}, options).anomaly_info) == {"lists"}


def test_a_row_without_columns_lacks_those_that_are_required() -> None:
    schema = infer_schema(generate_statistics(pa.table({"a": [1, 2]})))
    assert set(validate_instance({}, StatsOptions(schema=schema)).anomaly_info) == {"a"}


def test_integers_beyond_2_to_the_53_are_judged_one_by_one_as_together() -> None:
    schema = schema_pb2.Schema()
    feature = schema.feature.add(name="n", type=schema_pb2.INT)
    feature.int_domain.max = 2**53
    values = [2**53 + 1, 2**53 + 4, 2**63 - 1, 5]
    table, options = pa.table({"n": values}), StatsOptions(schema=schema)
    alone = [i for i in range(4) if validate_instance(table.slice(i, 1), options).anomaly_info]
    assert alone == [1, 2]  # statistics are floats: 2**53 + 1 is 2**53 there
    (found,) = identify_anomalous_examples(table, options)
    assert found.row_ids.tolist() == alone

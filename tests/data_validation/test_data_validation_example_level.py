"""Every row is judged as `validate_instance` judges it alone, at the speed of a scan; rows found are counted, kept."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2

from trueline._core.errors import ConfigError, DataError, SchemaError
from trueline._core.rowid import ROW_COLUMN
from trueline.data import write_examples_tfrecord
from trueline.data_validation import (
    StatsOptions,
    generate_statistics,
    identify_anomalous_examples,
    infer_schema,
    load_statistics,
    validate_examples_in_arrow,
    validate_examples_in_csv,
    validate_examples_in_dataframe,
    validate_examples_in_parquet,
    validate_examples_in_source,
    validate_examples_in_tfrecord,
    validate_instance,
)
from trueline.data_validation.anomalies_util import anomaly_slices
from trueline.data_validation.example_level_accumulator import example_level_spec
from trueline.data_validation.example_level_judge import RowJudge
from trueline.data_validation.passes import plan_pass
from trueline.engine import Dataset, LocalEngine, check_accumulator

TAXI = Path(__file__).parent / "taxi_sample.csv"


def _schema(text: str) -> Any:
    return text_format.Parse(text, schema_pb2.Schema())


def _plain_loop(batch: pa.RecordBatch, options: StatsOptions, environment: str | None) -> dict[str, list[int]]:
    """The definition: each row by itself."""
    found: dict[str, list[int]] = {}
    for row in range(batch.num_rows):
        for key in anomaly_slices(validate_instance(batch.slice(row, 1), options, environment)):
            found.setdefault(key, []).append(row)
    return found


def _judged(batch: pa.RecordBatch, options: StatsOptions, environment: str | None = None) -> dict[str, list[int]]:
    judge = RowJudge(batch.schema, options, environment)
    return {anomaly.key: rows.tolist() for anomaly, rows in judge.judge(batch).items()}


# --- the law: equal to the plain loop, for every kind of column and domain ---

_INTS = st.one_of(st.none(), st.sampled_from([-(2**63), -2, -1, 0, 1, 2, 5, 6, 400, 2**63 - 1]))
_FLOATS = st.one_of(
    st.none(), st.sampled_from([0.0, -0.0, 0.1, 0.5, 1.0, 1.0000000001, 2.0, -3.0, 1e300, -1e300, math.inf, -math.inf])
) | st.just(math.nan)
_TEXTS = st.one_of(
    st.none(),
    st.sampled_from(
        ["", "a", "b", "c", "ä", "1", "+7", "-3", "1e3", "nan", "inf", "x" * 300, "0" * 1024, "0" * 1025, "y" * 1100]
    ),
)
_BYTES = st.one_of(st.none(), st.sampled_from([b"", b"a", b"b", b"\xff", b"\xff\xfe", b"7", b"z" * 1025]))
_BOOLS = st.one_of(st.none(), st.booleans())


def _lists(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), st.lists(values, max_size=4))


_COLUMNS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "int": (pa.int64(), _INTS),
    "float": (pa.float64(), _FLOATS),
    "text": (pa.string(), _TEXTS),
    "bytes": (pa.binary(), _BYTES),
    "bool": (pa.bool_(), _BOOLS),
    "ints": (pa.list_(pa.int64()), _lists(_INTS)),
    "floats": (pa.list_(pa.float64()), _lists(_FLOATS)),
    "texts": (pa.list_(pa.string()), _lists(_TEXTS)),
    "nested": (pa.list_(pa.list_(pa.int64())), _lists(_lists(_INTS))),
    "struct": (
        pa.struct([("x", pa.int64()), ("y", pa.list_(pa.string()))]),
        st.one_of(st.none(), st.fixed_dictionaries({"x": _INTS, "y": _lists(_TEXTS)})),
    ),
}
_TYPES = {"int": "INT", "float": "FLOAT", "text": "BYTES", "bytes": "BYTES", "bool": "INT", "ints": "INT"} | {
    "floats": "FLOAT",
    "texts": "BYTES",
    "nested": "INT",
    "struct": "STRUCT",
}
_INNER = (
    "struct_domain { feature { name: 'x' type: INT int_domain { min: 0 max: 5 } } "
    "feature { name: 'y' type: BYTES string_domain { value: 'a' } value_count { max: 2 } } }"
)
_DOMAINS = (
    "",
    "int_domain { min: 0 max: 5 }",
    "int_domain { max: 1 is_categorical: true }",
    "float_domain { min: 0.1 max: 2 disallow_nan: true disallow_inf: true }",
    "float_domain { min: 0 is_categorical: true }",
    "bool_domain { true_value: 'a' false_value: 'b' }",
    "string_domain { value: 'a' value: 'b' }",
    "string_domain { value: 'a' is_categorical: CATEGORICAL_YES }",
    "string_domain { value: 'a' is_categorical: CATEGORICAL_NO }",
    "domain: 'd'",
    "domain: 'gone'",
    "time_domain {}",
    "natural_language_domain {}",
    "natural_language_domain { token_constraints { string_value: 'a' max_per_sequence: 1 } }",
    "image_domain { max_image_byte_size: 1 }",
    "image_domain { minimum_supported_image_fraction: 0.5 }",
    "image_domain {}",
    "url_domain {}",
)
_SHAPES = (
    "",
    "value_count { min: 1 max: 2 }",
    "value_count { max: 0 }",
    "shape { dim { size: 2 } }",
    "shape {}",
    "value_counts { value_count { min: 1 max: 2 } value_count { min: 1 max: 1 } }",
)
_EXTRAS = (
    "",
    "presence { min_fraction: 1 min_count: 1 }",
    "unique_constraints { min: 1 max: 1 }",
    "unique_constraints { min: 2 max: 0 }",
    "distribution_constraints { min_domain_mass: 0.5 }",
    "lifecycle_stage: DEPRECATED",
    "not_in_environment: 'SERVING'",
    "presence { min_fraction: 1 } drift_comparator { infinity_norm { threshold: 0 } }",
)


@st.composite
def _cases(draw: st.DrawFn) -> tuple[pa.RecordBatch, StatsOptions, str | None]:
    """Rows, a schema that knows some of their columns by the right type, and options."""
    names = draw(st.lists(st.sampled_from(sorted(_COLUMNS)), min_size=1, max_size=3, unique=True))
    count = draw(st.integers(1, 6))
    arrays = [pa.array([draw(_COLUMNS[n][1]) for _ in range(count)], _COLUMNS[n][0]) for n in names]
    text = "default_environment: 'SERVING' string_domain { name: 'd' value: 'a' value: '' } "
    for name in draw(st.lists(st.sampled_from(sorted(_COLUMNS)), max_size=3, unique=True).map(lambda e: {*names, *e})):
        if draw(st.integers(0, 9)) == 0:
            continue
        kind = _TYPES[name] if draw(st.integers(0, 9)) else draw(st.sampled_from(["INT", "FLOAT", "BYTES"]))
        domain = _INNER if kind == "STRUCT" else draw(st.sampled_from(_DOMAINS))
        parts = [domain, draw(st.sampled_from(_SHAPES)), draw(st.sampled_from(_EXTRAS))]
        text += f"feature {{ name: '{name}' type: {kind} {' '.join(parts)} }} "
    if draw(st.booleans()) and {"ints", "texts"} <= set(names):
        text += "weighted_feature { name: 'w' feature { step: 'texts' } weight_feature { step: 'ints' } } "
    if draw(st.booleans()):
        text += "sparse_feature { name: 's' value_feature { name: 'texts' } index_feature { name: 'ints' } } "
    options: dict[str, Any] = draw(
        st.sampled_from(
            [{}, {"frequency_threshold": 2}, {"num_rank_histogram_buckets": 1}, {"enable_semantic_domain_stats": True}]
        )
    )
    batch = pa.RecordBatch.from_arrays(arrays, names=names)
    return batch, StatsOptions(schema=_schema(text), **options), draw(st.sampled_from([None, "SERVING"]))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_cases())
def test_rows_are_judged_as_one_by_one(case: tuple[pa.RecordBatch, StatsOptions, str | None]) -> None:
    """For all types, lists, structs, domains, shapes, limits, environments, sparse and weighted features."""
    batch, options, environment = case
    assert _judged(batch, options, environment) == _plain_loop(batch, options, environment)


_EDGES: dict[str, list[Any]] = {
    "int": [None, -(2**63), -1, 0, 1, 2, 5, 6, 2**63 - 1],
    "float": [None, 0.0, -0.0, 0.1, 1.0, 1.0000000001, 2.0, 1e300, -1e300, math.inf, -math.inf, math.nan],
    "text": [None, "", "a", "b", "z", "+7", "-3", "0.05", "nan", "-inf", "0" * 300, "x" * 300, "0" * 1024, "0" * 1025],
    "bytes": [None, b"", b"a", b"\xff", b"7", b"z" * 1025, b"\xff" * 1025],
}


@pytest.mark.parametrize("name", sorted(_EDGES))
def test_the_edges_of_every_domain_are_where_the_rules_have_them(name: str) -> None:
    kind, values = _COLUMNS[name][0], _EDGES[name]
    batch = pa.RecordBatch.from_arrays([pa.array(values, kind)], names=["x"])
    for domain in _DOMAINS:
        schema = _schema(
            f"feature {{ name: 'x' type: {_TYPES[name]} {domain} }} string_domain {{ name: 'd' value: 'a' }}"
        )
        options = StatsOptions(schema=schema)
        assert _judged(batch, options) == _plain_loop(batch, options, None), domain


# --- kinds of columns that the law's draws meet seldom ---

ROWS = pa.table(
    {
        "n": [1, 9, 3, None, 7, 2],
        "s": ["a", "b", "a", "z", None, "a"],
        "l": [[1.0], [], [1.0, 2.0, 3.0], None, [math.nan], [0.5]],
    }
)
SCHEMA = _schema(
    "feature { name: 'n' type: INT int_domain { max: 4 } presence { min_fraction: 1 } } "
    "feature { name: 's' type: BYTES string_domain { value: 'a' } } "
    "feature { name: 'l' type: FLOAT value_count { min: 1 max: 2 } float_domain { disallow_nan: true } } "
    "dataset_constraints { min_examples_count: 100 }"
)
FOUND = {
    "l_FEATURE_TYPE_HIGH_NUMBER_VALUES": [2],
    "l_FEATURE_TYPE_LOW_NUMBER_VALUES": [1],
    "l_FLOAT_TYPE_HAS_NAN": [4],
    "n_INT_TYPE_BIG_INT": [1, 4],
    "s_ENUM_TYPE_UNEXPECTED_STRING_VALUES": [1, 3],
}
OPTIONS = StatsOptions(schema=SCHEMA)


def _batch(table: pa.Table) -> pa.RecordBatch:
    return table.combine_chunks().to_batches()[0]


def test_each_row_has_its_own_anomalies_and_none_of_the_whole() -> None:
    assert _judged(_batch(ROWS), OPTIONS) == FOUND == _plain_loop(_batch(ROWS), OPTIONS, None)


def test_columns_missing_and_new_are_every_rows() -> None:
    table = ROWS.drop_columns(["n"]).append_column("new", pa.array(range(6)))
    found = _judged(_batch(table), OPTIONS)
    assert found["n_SCHEMA_MISSING_COLUMN"] == found["new_SCHEMA_NEW_COLUMN"] == list(range(6))
    assert found == _plain_loop(_batch(table), OPTIONS, None)


def test_dictionaries_and_slices_of_larger_arrays_are_read_where_they_lie() -> None:
    table = ROWS.set_column(1, "s", ROWS.column("s").combine_chunks().dictionary_encode())
    assert _judged(_batch(table), OPTIONS) == FOUND
    shifted = pa.concat_tables([ROWS.slice(4), ROWS]).combine_chunks().to_batches()[0].slice(2)
    assert _judged(shifted, OPTIONS) == FOUND


def test_lists_longer_than_what_is_counted_are_judged_alone() -> None:
    """A rank histogram of two buckets, a domain that would outgrow 400 values, 100 values to guess a domain from."""
    values = [["a", "b", "c"], ["c"] * 9, [f"v{i}" for i in range(405)], ["1"], None, []]
    batch = pa.record_batch({"x": pa.array(values, pa.list_(pa.string()))})
    schema = _schema("feature { name: 'x' type: BYTES string_domain { value: 'a' } }")
    for extra in ({}, {"num_rank_histogram_buckets": 2}, {"max_distinct": 16}, {"frequency_threshold": 3}):
        options = StatsOptions(schema=schema, **extra)
        assert _judged(batch, options) == _plain_loop(batch, options, None)
    times = pa.record_batch({"x": pa.array([["2020-01-01"] * 120, ["2020-01-01"]])})
    options = StatsOptions(schema=_schema("feature { name: 'x' type: BYTES }"), enable_semantic_domain_stats=True)
    found = _judged(times, options)
    assert found == _plain_loop(times, options, None) == {"x_SEMANTIC_DOMAIN_UPDATE": [0]}


def test_times_and_texts_that_spell_numbers() -> None:
    table = pa.table(
        {
            "t": pa.array([1, 2_000_000, None], pa.timestamp("us")),
            "f": ["1.5", "much", "9"],
            "i": ["4", "x", "123456789012345678901"],
        }
    )
    schema = _schema(
        "feature { name: 't' type: INT int_domain { max: 10 } } "
        "feature { name: 'f' type: BYTES float_domain { max: 2 } } "
        "feature { name: 'i' type: BYTES int_domain { min: 5 } }"
    )
    options = StatsOptions(schema=schema)
    found = _judged(_batch(table), options)
    assert found == _plain_loop(_batch(table), options, None)
    assert found["t_INT_TYPE_BIG_INT"] == [1]


def test_real_rows_with_planted_errors_are_all_found() -> None:
    """Every planted row and no other, at any place of any block."""
    from pyarrow import csv

    table = csv.read_csv(TAXI)
    schema = infer_schema(generate_statistics(table))
    fare, company = table.column("fare").to_pylist(), table.column("company").to_pylist()
    planted = {3: "fare", 130: "company", 131: "both"}
    for row, what in planted.items():
        fare[row] = -1e9 if what in ("fare", "both") else fare[row]
        company[row] = "Nobody" if what in ("company", "both") else company[row]
    names = table.column_names
    bad = table.set_column(names.index("fare"), "fare", pa.array(fare)).set_column(
        names.index("company"), "company", pa.array(company)
    )
    next(f for f in schema.feature if f.name == "fare").float_domain.min = -1e6
    found = list(identify_anomalous_examples(Dataset.from_table(bad, 64), StatsOptions(schema=schema)))
    rows: dict[str, list[int]] = {}
    for examples in found:
        rows.setdefault(examples.key, []).extend(examples.row_ids.tolist())
    assert rows["fare_FLOAT_TYPE_SMALL_FLOAT"] == [3, 131]
    assert rows["company_ENUM_TYPE_UNEXPECTED_STRING_VALUES"] == [130, 131]


# --- which rows, lazily ---


def test_rows_are_told_by_their_own_ids_or_by_their_number() -> None:
    ids = [5, 6, 1 << 40, (1 << 40) + 9, 8, 9]
    numbered = ROWS.append_column(ROW_COLUMN, pa.array(ids))
    plain = list(identify_anomalous_examples(ROWS, OPTIONS))
    assert {e.key: e.row_ids.tolist() for e in plain} == FOUND
    own = list(identify_anomalous_examples(numbered, OPTIONS))
    assert {e.key: e.row_ids.tolist() for e in own} == {key: [ids[r] for r in rows] for key, rows in FOUND.items()}
    (big,) = (e for e in plain if e.type == "INT_TYPE_BIG_INT")
    assert (big.feature, big.short, big.rows.column("n").to_pylist()) == ("n", "Integer too big", [9, 7])


def test_blocks_come_one_after_the_other() -> None:
    def batches() -> Any:
        yield ROWS.to_batches()[0]
        raise RuntimeError("the next block was asked for")

    reader = pa.RecordBatchReader.from_batches(ROWS.schema, batches())
    with pytest.raises((RuntimeError, DataError)):
        list(identify_anomalous_examples(reader, OPTIONS))


def test_wrong_arguments_are_refused_before_rows_are_read() -> None:
    with pytest.raises(ConfigError, match="the options have no schema"):
        identify_anomalous_examples(ROWS, StatsOptions())
    with pytest.raises(ConfigError, match="stats_options must be StatsOptions, got dict"):
        validate_examples_in_arrow(ROWS, {})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="num_sampled_examples is -1"):
        validate_examples_in_arrow(ROWS, OPTIONS, -1)
    with pytest.raises(SchemaError, match="no environment 'X'"):
        validate_examples_in_arrow(ROWS, OPTIONS, environment="X")


# --- statistics and samples of what was found ---


def test_each_anomaly_has_the_statistics_of_its_rows() -> None:
    found = validate_examples_in_arrow(ROWS, OPTIONS)
    assert [dataset.name for dataset in found.datasets] == sorted(FOUND)
    for dataset in found.datasets:
        expected = generate_statistics(ROWS.take(FOUND[dataset.name]), OPTIONS, LocalEngine(1)).datasets[0]
        expected.name = dataset.name
        assert dataset == expected
    right = validate_examples_in_arrow(ROWS.slice(5), OPTIONS)
    assert len(right.datasets) == 0


def test_samples_are_the_rows_of_the_smallest_hashes_whatever_the_blocks() -> None:
    from trueline._core.hash import hash_array

    table = pa.table({"n": np.arange(5000) % 100})
    schema = _schema("feature { name: 'n' type: INT int_domain { max: 89 } }")
    _, rows = validate_examples_in_arrow(table, StatsOptions(schema=schema), 7)
    (key,) = rows
    bad = np.flatnonzero(np.arange(5000) % 100 > 89)
    expected = np.sort(bad[np.argsort(hash_array(pa.array(bad)))[:7]])
    assert rows[key].column(ROW_COLUMN).to_pylist() == expected.tolist()
    assert rows[key].column("n").to_pylist() == (expected % 100).tolist()
    _, few = validate_examples_in_arrow(ROWS, OPTIONS, 100)
    assert {key: found.column(ROW_COLUMN).to_pylist() for key, found in few.items()} == FOUND


def test_it_is_an_accumulator_like_any_other() -> None:
    """Same bits for shards, workers and processes; merging is associative; states survive."""
    rows = pa.concat_tables([ROWS] * 20).append_column(ROW_COLUMN, pa.array(range(120), pa.int64()))
    planned = plan_pass(rows.schema, OPTIONS)
    spec = example_level_spec(planned.spec, rows.schema, OPTIONS, None, 3)
    found = check_accumulator(spec, rows, recut=False, rtol=1e-12)
    assert {key: examples.count for key, examples in found.items()} == {k: 20 * len(v) for k, v in FOUND.items()}


def test_weights_count_rows_and_excuse_none() -> None:
    table = ROWS.append_column("w", pa.array([1.0, 0.0, 1.0, 1.0, 4.0, 1.0]))
    schema = _schema(text_format.MessageToString(SCHEMA) + "feature { name: 'w' type: FLOAT }")
    found = validate_examples_in_arrow(table, StatsOptions(schema=schema, weight_feature="w"))
    (big,) = (d for d in found.datasets if d.name == "n_INT_TYPE_BIG_INT")
    assert (big.num_examples, big.weighted_num_examples) == (2, 4.0)


def test_a_sample_of_rows_and_only_some_columns() -> None:
    table = pa.table({"n": np.full(4000, 9), "s": ["b"] * 4000})
    schema = _schema("feature { name: 'n' type: INT int_domain { max: 4 } } feature { name: 's' type: BYTES }")
    options = StatsOptions(schema=schema, sample_rate=0.25, feature_allowlist=["n"])
    found = validate_examples_in_arrow(table, options)
    (big,) = found.datasets
    assert (big.name, [f.path.step[0] for f in big.features]) == ("n_INT_TYPE_BIG_INT", ["n"])
    assert 800 < big.num_examples < 1200


# --- files ---


def test_files_of_every_format_give_the_same(tmp_path: Path) -> None:
    flat = ROWS.select(["n", "s"])
    schema = _schema("feature { name: 'n' type: INT int_domain { max: 4 } } feature { name: 's' type: BYTES }")
    options = StatsOptions(schema=schema)
    (tmp_path / "rows.csv").write_text("n,s\n1,a\n9,b\n3,a\n,z\n7,\n2,a\n")
    pq.write_table(flat, tmp_path / "rows.parquet")
    write_examples_tfrecord(str(tmp_path / "rows.tfrecord"), flat)
    out = tmp_path / "FeatureStats.pb"
    csv = validate_examples_in_csv(tmp_path / "rows.csv", options, output_path=str(out))
    assert [(d.name, d.num_examples) for d in csv.datasets] == [("n_INT_TYPE_BIG_INT", 2)]
    assert load_statistics(str(out)) == csv
    assert validate_examples_in_parquet(tmp_path / "rows.parquet", options) == csv
    assert validate_examples_in_dataframe(flat, options) == csv
    (found,) = validate_examples_in_tfrecord(tmp_path / "rows.tfrecord", options).datasets
    assert (found.name, found.num_examples) == ("n_INT_TYPE_BIG_INT", 2)


def test_a_row_is_found_again_in_its_file(tmp_path: Path) -> None:
    """``__row__`` counts records from 0 behind the header, file by file; types that grow late do not shift it."""
    (tmp_path / "a.csv").write_text("n,s\n1,a\n9,b\n")
    (tmp_path / "b.csv").write_text("n,s\n2,a\n" + "3,a\n" * 50 + "8,5\n1.5,z\n")
    schema = _schema("feature { name: 'n' type: FLOAT float_domain { max: 4 } } feature { name: 's' type: BYTES }")
    _, rows = validate_examples_in_csv(tmp_path, StatsOptions(schema=schema), num_sampled_examples=9)
    (found,) = rows.values()
    assert found.column(ROW_COLUMN).to_pylist() == [1, (1 << 40) + 51]
    assert found.column("n").to_pylist() == [9.0, 8.0]


def test_a_cell_that_is_no_number_is_a_reject_where_types_are_the_schemas(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n,extra\n1,x\nmany,y\n9,z\n")
    schema = _schema("feature { name: 'n' type: INT int_domain { max: 4 } }")
    guessed = validate_examples_in_csv(tmp_path / "a.csv", StatsOptions(schema=schema))
    assert {d.name: d.num_examples for d in guessed.datasets}["n_UNEXPECTED_DATA_TYPE"] == 3
    options = StatsOptions(schema=schema, infer_type_from_schema=True)
    with pytest.raises(DataError, match="a row cannot be read") as caught:
        validate_examples_in_csv(tmp_path / "a.csv", options)
    assert "line 3" in str(caught.value)
    found = validate_examples_in_csv(tmp_path / "a.csv", options, max_rejects=1)
    assert [(d.name, d.num_examples) for d in found.datasets] == [("n_INT_TYPE_BIG_INT", 1)]


def test_any_source_will_do(tmp_path: Path) -> None:
    from trueline.data import JsonlSource

    (tmp_path / "a.jsonl").write_text('{"n": 1, "s": "a"}\n{"n": 9, "s": "b"}\n')
    found = validate_examples_in_source(JsonlSource(str(tmp_path / "a.jsonl")), OPTIONS)
    assert {d.name: d.num_examples for d in found.datasets}["n_INT_TYPE_BIG_INT"] == 1


# --- speed ---


def test_clean_rows_cost_a_scan_and_each_kind_of_bad_row_is_asked_about_once() -> None:
    """A hundred thousand rows of 4 columns, one in a hundred bad: the rules run some twenty times, not 100,000."""
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 90, 100_000)
    numbers[::100] = 95
    words = np.array(["a", "b"])[rng.integers(0, 2, 100_000)]
    table = pa.table({"n": numbers, "m": numbers, "f": rng.random(100_000), "s": words})
    schema = _schema(
        "feature { name: 'n' type: INT int_domain { max: 89 } } feature { name: 'm' type: INT } "
        "feature { name: 'f' type: FLOAT float_domain { max: 1 } } "
        "feature { name: 's' type: BYTES string_domain { value: 'a' value: 'b' } }"
    )
    judge = RowJudge(table.schema, StatsOptions(schema=schema))
    batch = _batch(table)
    judge.judge(batch)
    start = time.process_time()
    found = judge.judge(batch)
    assert {a.key: len(rows) for a, rows in found.items()} == {"n_INT_TYPE_BIG_INT": 1000}
    assert time.process_time() - start < 1.0  # 100,000 calls of the rules take half an hour

"""Tables in memory through Arrow's C interface: pandas, polars, duckdb, pyarrow; equal to the same data in files."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import subprocess
import sys

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_samples import rows_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueline._core.errors import DataError, SchemaError
from trueline.data import ingest_csv, ingest_parquet, ingest_table, table_batches, to_arrow_table
from trueline.data.tables_kinds import column_type, joined_type
from trueline.data.tables_values import column_array
from trueline.engine import LocalEngine

DAY = dt.datetime(2020, 1, 1)
ONE = {"splits": (("all", 1),)}


def test_columns_of_pandas():
    frame = pd.DataFrame(
        {
            "int8": np.array([0, 2], np.int8),
            "float32": np.array([1.5, np.nan], np.float32),
            "bool": [True, False],
            "some_bools": pd.Series([False, None], dtype=object),
            "text": ["", None],
            "categories": pd.Categorical(["x", None]),
            "numbers": pd.Categorical([7, 5]),
            "Int64": pd.array([0, None], dtype="Int64"),
            "naive": pd.to_datetime(["2020-01-01", None]),
            "zoned": pd.to_datetime(["2020-01-01 01:00", None]).tz_localize("Europe/Berlin"),
            "dates": [dt.date(2020, 1, 1), None],
            "mixed_times": pd.Series([dt.date(2020, 1, 1), dt.datetime(2020, 1, 1, 5)], dtype=object),
            "decimals": [decimal.Decimal("1.5"), None],
            "lists": [[1, 2], []],
            "structs": [{"a": 1}, {"b": "x"}],
            "bytes": [b"\x00", None],
        }
    )
    found = to_arrow_table(frame)
    assert {f.name: str(f.type) for f in found.schema} == {
        "int8": "int64", "float32": "double", "bool": "bool", "some_bools": "bool", "text": "string",
        "categories": "string", "numbers": "int64", "Int64": "int64", "naive": "timestamp[us]",
        "zoned": "timestamp[us]", "dates": "timestamp[us]", "mixed_times": "timestamp[us]", "decimals": "double",
        "lists": "list<item: int64>", "structs": "struct<a: int64, b: string>", "bytes": "binary",
    }  # fmt: skip
    assert found.to_pydict() == {
        "int8": [0, 2], "float32": [1.5, None], "bool": [True, False], "some_bools": [False, None], "text": ["", None],
        "categories": ["x", None], "numbers": [7, 5], "Int64": [0, None], "naive": [DAY, None], "zoned": [DAY, None],
        "dates": [DAY, None], "mixed_times": [DAY, DAY.replace(hour=5)], "decimals": [1.5, None],
        "lists": [[1, 2], []], "structs": [{"a": 1, "b": None}, {"a": None, "b": "x"}], "bytes": [b"\x00", None],
    }  # fmt: skip


def test_nan_is_missing_only_where_pandas_has_no_other_mark():
    frame = pd.DataFrame(
        {
            "numpy": [1.0, np.nan],
            "arrow": pd.Series(pa.array([math.nan, None]), dtype=pd.ArrowDtype(pa.float64())),
            "objects": pd.Series([1.0, math.nan], dtype=object),
            "texts": pd.Series(["x", math.nan], dtype=object),
        }
    )
    missing = to_arrow_table(frame)
    assert [column.null_count for column in missing.columns] == [1, 1, 1, 1]
    assert math.isnan(missing["arrow"][0].as_py())
    kept = to_arrow_table(frame, nan_is_missing=False)
    assert [column.null_count for column in kept.columns] == [0, 1, 0, 1]
    assert math.isnan(kept["numpy"][1].as_py())
    assert math.isnan(to_arrow_table(pl.DataFrame({"a": [math.nan]}))["a"][0].as_py())


def test_the_index_of_pandas_is_no_column():
    frame = pd.DataFrame({"a": [1, 2], 3: [4, 5]}, index=pd.Index(["x", "y"], name="key"))
    assert to_arrow_table(frame).to_pydict() == {"a": [1, 2], "3": [4, 5]}
    assert to_arrow_table(frame[["a"]].sort_values("a", ascending=False)).to_pydict() == {"a": [2, 1]}
    by_pandas_itself = pa.RecordBatchReader.from_stream(frame[["a"]])
    assert "key" in by_pandas_itself.schema.names
    assert to_arrow_table(by_pandas_itself).to_pydict() == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1, None, "x"], r"row 2, column 'c': the value 'x' is text; those before it are a whole number"),
        (["x", b"y"], r"row 1, column 'c': the value b'y' is bytes; those before it are text"),
        ([True, 1], r"row 1, column 'c': the value 1 is a whole number; those before it are a bool"),
        ([1.0, True], r"row 1, column 'c': the value True is a bool"),
        ([[1], ["x"]], r"column 'c\[\]': the value 'x' is text"),
        ([{"a": 1}, {"a": "x"}], r"column 'c\.a': the value 'x' is text"),
        ([dt.time(1)], r"row 0, column 'c': a value of Python type datetime\.time has no place"),
        ([1, 2**63], r"row 1, column 'c': the value 9223372036854775808 cannot be held as int64"),
        ([0.5, 2**53 + 1], r"row 1, column 'c': the value 9007199254740993 cannot be held as double"),
        (["a", "\ud800"], r"row 1, column 'c': the value '\\ud800' cannot be held as string"),
    ],
)
def test_an_object_column_of_several_types_names_column_and_row(values, said):
    frame = pd.DataFrame({"other": range(len(values)), "c": pd.Series(values, dtype=object)})
    with pytest.raises(DataError, match=said):
        to_arrow_table(frame)


def test_polars_duckdb_and_arrow():
    frame = pl.DataFrame(
        {
            "i": pl.Series([0, None], dtype=pl.UInt8),
            "c": pl.Series(["u", None], dtype=pl.Categorical),
            "l": [["a"], None],
            "d": [dt.date(2020, 1, 1), None],
            "t": [dt.datetime(2020, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))), None],
            "n": [decimal.Decimal("0.5"), None],
            "s": [{"x": "q"}, {"x": None}],
        }
    )
    assert to_arrow_table(frame).to_pydict() == {
        "i": [0, None], "c": ["u", None], "l": [["a"], None], "d": [DAY, None], "t": [DAY, None], "n": [0.5, None],
        "s": [{"x": "q"}, {"x": None}],
    }  # fmt: skip
    relation = duckdb.sql("select i, i / 2 as h, 'x' as s, [i] as l, 1.5::decimal(9, 2) as d from range(3) t(i)")
    assert to_arrow_table(relation).to_pydict() == {
        "i": [0, 1, 2], "h": [0.0, 0.5, 1.0], "s": ["x"] * 3, "l": [[0], [1], [2]], "d": [1.5] * 3,
    }  # fmt: skip
    batch = pa.record_batch({"a": pa.array([1], pa.int8())})
    for table in (batch, pa.Table.from_batches([batch]), pa.RecordBatchReader.from_batches(batch.schema, [batch])):
        assert to_arrow_table(table).schema == pa.schema([("a", pa.int64())])


def test_what_is_no_table():
    for table, said in [
        (pl.DataFrame({"a": [1]}).lazy(), r"polars LazyFrame is no table.*\nHint: collect\(\)"),
        ([{"a": 1}], "a list is no table"),
        (pd.Series([1]), r"cannot be taken as a table.*\nHint: .*a single column is none"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns have the same name: 'a'"),
        (pd.DataFrame({"c": [1j]}), "column c"),
    ]:
        with pytest.raises(DataError, match=said):
            to_arrow_table(table)
    with pytest.raises(SchemaError, match=r"column 'a': .*duration.*\n.*column 'b': .*time64"):
        to_arrow_table(pa.table({"a": pa.array([1], pa.duration("s")), "b": pa.array([1], pa.time64("us"))}))
    with pytest.raises(SchemaError, match="column 'a', after row 0: Integer value 9223372036854775808"):
        to_arrow_table(pa.table({"a": pa.array([2**63], pa.uint64())}))


def test_empty_tables_have_a_schema():
    assert to_arrow_table(pl.DataFrame({"a": [1]}).head(0)).schema == pa.schema([("a", pa.int64())])
    assert to_arrow_table(pd.DataFrame({"a": np.array([], np.float32)})).schema == pa.schema([("a", pa.float64())])
    assert to_arrow_table(pd.DataFrame()).num_columns == 0


@given(st.integers(1, 10), st.lists(st.integers(0, 5), max_size=5))
def test_batches_are_bounded_and_in_order(rows, sizes):
    chunks = [pa.record_batch({"a": pa.array(range(n), pa.int64())}) for n in sizes]
    table = pa.Table.from_batches(chunks, schema=pa.schema([("a", pa.int64())]))
    found = list(table_batches(table, batch_rows=rows))
    assert all(0 < b.num_rows <= rows for b in found)
    assert [v for b in found for v in b["a"].to_pylist()] == table["a"].to_pylist()


_VALUES = st.one_of(st.none(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False))


@given(st.lists(_VALUES, max_size=20), st.lists(_VALUES, max_size=20))
def test_the_type_of_a_column_is_the_join_of_its_parts(left, right):
    one, two = column_type(left, "c", "p"), column_type(right, "c", "p")
    whole = column_type(left + right, "c", "p")
    assert whole == joined_type(one, two) == joined_type(two, one)
    expected = [None if v is None else float(v) if whole == pa.float64() else v for v in left + right]
    assert column_array(left + right, whole, "c", "p").to_pylist() == expected


_CELLS = st.fixed_dictionaries(
    {
        "f": st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
        "i": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
        "b": st.one_of(st.none(), st.booleans()),
        "s": st.one_of(st.none(), st.from_regex(r"[a-z]{1,5}", fullmatch=True).filter(lambda s: s not in _WORDS)),
    }
)
_WORDS = ("true", "false", "nan", "inf", "infinity")


@given(st.lists(_CELLS, min_size=1, max_size=8))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_csv_parquet_and_data_frames_give_the_same_values(tmp_path, rows):
    """One table by five roads, bit for bit; the types are the same wherever a column has a value."""
    types = {"f": pa.float64(), "i": pa.int64(), "b": pa.bool_(), "s": pa.string()}
    rows = [*rows, {"f": 0.1, "i": 0, "b": False, "s": "x"}]
    table = pa.Table.from_pylist(rows, schema=pa.schema(types))
    out = str(tmp_path / "out")
    text = ["f,i,b,s", *(",".join(_cell(row[name]) for name in types) for row in rows)]
    (tmp_path / "t.csv").write_text("\n".join(text) + "\n")
    pq.write_table(table, tmp_path / "t.parquet")
    frame = pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=object) for name in types})
    frame["f"] = frame["f"].astype(float)
    expected = None
    for ingest_it in (
        lambda: ingest_csv(str(tmp_path / "t.csv"), out, **ONE),
        lambda: ingest_parquet(str(tmp_path / "t.parquet"), out, **ONE),
        lambda: ingest_table(frame, out, **ONE),
        lambda: ingest_table(pl.from_arrow(table), out, **ONE),
        lambda: ingest_table(table, out, **ONE),
    ):
        ingest_it()
        expected = expected or rows_of(out)
        assert rows_of(out).equals(expected)
    assert expected.schema == table.schema


def _cell(value: object) -> str:
    return "" if value is None else repr(value) if not isinstance(value, str) else value


def test_worker_processes_and_streams_will_do(out):
    table = pa.table({"a": range(1000)})
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=10))
    with LocalEngine(1, processes=True) as engine:
        assert ingest_table(reader, out, engine=engine, block_rows=100).rows == 1000
    assert rows_of(out)["a"].to_pylist() == list(range(1000))


def test_no_table_library_is_imported_for_it():
    code = (
        "import sys, pyarrow as pa; from trueline.data import to_arrow_table;"
        "column = pa.Array.from_buffers(pa.int32(), 2, [None, pa.py_buffer(bytes(8))]);"
        "table = to_arrow_table(pa.Table.from_arrays([column], names=['a'])); assert table.num_rows == 2;"
        "print(str(table['a'].type), [m for m in ('pandas', 'polars', 'duckdb') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "int64 []"

"""SQL on SQLite and through a driver of the test's own: types, streaming, errors, and no password anywhere."""

from __future__ import annotations

import datetime as dt
import json
import logging
import sqlite3
import tracemalloc

import pytest
import sql_fakes
import sqlalchemy
from data_samples import rows_of
from sqlalchemy.dialects import registry

from trueline._core import store
from trueline._core.errors import ConfigError, DataError
from trueline.data import SourceSpec, SqlSource, StaticRange, ingest, ingest_sql
from trueline.data.sql_connect import shown_connection
from trueline.engine import LocalEngine

ONE = {"splits": (("all", 1),)}


@pytest.fixture
def database(tmp_path):
    """A SQLite file made by these statements: ``database("create ...")`` gives its URL."""

    def make(*statements: str) -> str:
        path = tmp_path / "rides.db"
        connection = sqlite3.connect(path)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()
        return f"sqlite:///{path}"

    return make


@pytest.fixture
def warehouse():
    registry.register("warehouse", "sql_fakes", "Dialect")
    sql_fakes.OPENED.clear()
    return "warehouse://project"


def test_values_of_sqlite(database, out):
    url = database(
        "create table t (i integer, f real, s text, b blob, n, mixed)",
        "insert into t values (0, 0.0, '', x'', null, 1), (-5, 1.5, 'ü', x'00ff', null, 2.5)",
        "insert into t values (null, null, null, null, null, null)",
    )
    report = ingest_sql("select * from t order by rowid;", url, out, **ONE)
    assert report.columns == {
        "i": "int64", "f": "double", "s": "string", "b": "binary", "n": "string", "mixed": "double",
    }  # fmt: skip
    assert rows_of(out).to_pydict() == {
        "i": [0, -5, None], "f": [0.0, 1.5, None], "s": ["", "ü", None], "b": [b"", b"\x00\xff", None],
        "n": [None, None, None], "mixed": [1.0, 2.5, None],
    }  # fmt: skip


def test_rows_are_numbered_in_the_order_of_the_query(database, out):
    url = database("create table t (i integer)", "insert into t values (3), (1), (2)")
    ingest_sql("select i from t order by i desc", url, out, **ONE)
    assert rows_of(out)["i"].to_pylist() == [3, 2, 1]


def test_types_that_turn_out_wider_late_start_again(database, out):
    many = "with recursive n(i) as (select 1 union all select i+1 from n where i < 25000)"
    url = database(
        "create table t (i)", f"insert into t {many} select case when i <= 12000 then null else i end from n"
    )
    assert ingest_sql("select i, i * 1.5 as f from t", url, out).columns == {"i": "int64", "f": "double"}
    query = "select case when i = 20000 then 'x' else i end as i from t"
    with pytest.raises(DataError, match=r"query, row 20000, column 'i': the value|query, row \d+, column 'i'"):
        ingest_sql(query, url, out)
    assert not store.exists(store.join(out, "examples.json"))
    assert ingest_sql(query, url, out, types={"i": "utf8"}).columns == {"i": "string"}


def test_declared_types_and_decimals(warehouse, out):
    ingest_sql("rides", warehouse, out, decimals="utf8", types={"id": "utf8", "place": "utf8"}, **ONE)
    rows = rows_of(out).to_pylist()
    assert [r["price"] for r in rows] == ["1234567890.123456789", None, "0"]
    assert [r["id"] for r in rows] == ["1", None, "0"]
    assert json.loads(rows[0]["place"]) == {"city": "Ulm", "at": {"x": 1.5, "n": 0}}


def test_a_warehouse_driver_goes_through_the_same_door(warehouse, out):
    """NUMERIC as Decimal, TIMESTAMP with a zone, ARRAY as list, STRUCT as dict, BYTES, BOOL, DATE; NULL and zeros."""
    report = ingest_sql("rides", warehouse, out, **ONE)
    assert report.columns["place"] == "struct<city: string, at: struct<x: double, n: int64>>"
    first, null, zero = rows_of(out).to_pylist()
    assert first == {
        "id": 1, "price": 1234567890.1234568, "seen": dt.datetime(2025, 12, 31, 23), "day": dt.datetime(2026, 1, 1),
        "tags": ["a", "b"], "place": {"city": "Ulm", "at": {"x": 1.5, "n": 0}}, "raw": b"\x00\xff", "ok": False,
        "stops": [{"name": "s", "km": 0.5}, {"name": None, "km": None}],
    }  # fmt: skip
    assert set(null.values()) == {None}
    assert zero == {
        "id": 0, "price": 0.0, "seen": dt.datetime(1970, 1, 1), "day": dt.datetime(1969, 12, 31), "tags": [],
        "place": {"city": "", "at": None}, "raw": b"", "ok": True, "stops": [],
    }  # fmt: skip
    assert all(c.closed and not c.committed for c in sql_fakes.OPENED)


def test_rows_are_fetched_a_stretch_at_a_time_and_memory_stays_flat(warehouse, out):
    source = SqlSource("many 200000", warehouse, batch_rows=1000)
    schema = source.schema()
    tracemalloc.start()
    rows = sum(batch.batch.num_rows for batch in source.read(0, schema))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 200_000
    assert max(sql_fakes.OPENED[-1].cursors[-1].fetched) == 1000
    assert peak < 3 << 20


def test_the_same_rows_however_many_are_fetched_at_a_time(warehouse, out, tmp_path):
    ingest_sql("many 500", warehouse, out, batch_rows=7)
    ingest_sql("many 500", warehouse, str(tmp_path / "other"), batch_rows=1000)
    assert rows_of(out).equals(rows_of(str(tmp_path / "other")))


def test_a_connection_that_breaks_leaves_nothing(warehouse, out):
    with pytest.raises(
        DataError, match=r"warehouse://project, query, after row 20: the rows cannot be read to their end"
    ):
        ingest_sql("cut 100", warehouse, out, batch_rows=10)
    assert not store.exists(store.join(out, "examples.json"))
    assert not [name for name in store.walk(out) if name.endswith(".parquet")]
    assert all(c.closed for c in sql_fakes.OPENED)


def test_no_rows_and_no_result(database, warehouse, out):
    assert ingest_sql("none", warehouse, out).rows == 0
    url = database("create table t (i integer, j integer)")
    assert ingest_sql("select i from t", url, out).columns == {"i": "string"}
    with pytest.raises(DataError, match="the statement gives no rows"):
        ingest_sql("savepoint a", url, out)
    with pytest.raises(DataError, match="attempt to write a readonly database"):
        ingest_sql("create table u (i)", url, out)
    with pytest.raises(DataError, match="no such table: u"):
        ingest_sql("select * from u", url, out)
    with pytest.raises(DataError, match=r"two columns have the same name: 'i'\nHint: name each in the query"):
        ingest_sql("select i, j as i from t", url, out)
    with pytest.raises(DataError, match="no such column: nope"):
        ingest_sql("select nope from t", url, out)
    with pytest.raises(DataError, match="there is no column 'k', whose type is declared"):
        ingest_sql("select i from t", url, out, types={"k": "utf8"})


def test_nothing_that_a_query_does_is_committed(database, out):
    url = database("create table t (i integer)", "insert into t values (1)")
    engine = sqlalchemy.create_engine(url)
    ingest_sql("insert into t values (2), (3) returning i", engine, out)
    engine.dispose()
    with pytest.raises(DataError, match="attempt to write a readonly database"):
        ingest_sql("insert into t values (2), (3) returning i", url, out)
    ingest_sql("select count(*) as n from t", url, out, **ONE)
    assert rows_of(out)["n"].to_pylist() == [1]


def test_percent_signs_and_colons_are_the_querys_own(database, out):
    url = database("create table t (s text)", "insert into t values ('5%'), ('12:30')")
    ingest_sql("select s, ':x' as c, '%s' as p from t where s like '%\\%' escape '\\' or s = '12:30'", url, out, **ONE)
    assert rows_of(out).to_pydict() == {"s": ["5%", "12:30"], "c": [":x"] * 2, "p": ["%s"] * 2}


def test_the_spans_of_a_query_are_parts(database, out):
    url = database(
        "create table t (ts integer)", *(f"insert into t values ({s})" for s in (10, 86_400, 86_410, 172_800))
    )
    query = "select ts from t where ts >= @span_begin_timestamp and ts < @span_end_timestamp order by ts"
    report = ingest_sql(query, url, out, range=StaticRange(0, 1), **ONE)
    assert (report.rows, report.files) == (3, 2)
    assert rows_of(out)["ts"].to_pylist() == [10, 86_400, 86_410]
    assert [s["name"] for s in json.loads(store.read_text(store.join(out, "examples.json")))["sources"]] == [
        "span 0", "span 1",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="no range says which"):
        ingest_sql(query, url, out)


def test_the_fingerprint_is_none_or_the_users_own(database):
    url = database("create table t (i integer)", "insert into t values (1)")
    assert SqlSource("select i from t", url).fingerprint() is None
    asked = {"fingerprint_query": "select count(*), max(i) from t"}
    first = SqlSource("select i from t", url, **asked).fingerprint()
    assert first == SqlSource("select i from t", url, **asked).fingerprint()
    assert first != SqlSource("select i + 1 as i from t", url, **asked).fingerprint()
    database("insert into t values (2)")
    assert first != SqlSource("select i from t", url, **asked).fingerprint()
    for query in ("select i from t", "select i from t where i > 5"):
        with pytest.raises(DataError, match="more or less than one row"):
            SqlSource("select i from t", url, fingerprint_query=query).fingerprint()


def test_options_written_wrongly_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        SqlSource(" ", "sqlite://", types={"a": "int"}, decimals="x", batch_rows=0, spans=[1])
    assert len(caught.value.problems) == 5


def test_connections_by_environment_variable(database, out, monkeypatch):
    url = database("create table t (i integer)", "insert into t values (1)")
    monkeypatch.setenv("RIDES_URL", url)
    assert ingest_sql("select i from t", "env:RIDES_URL", out).rows == 1
    source = SourceSpec("trueline.data:SqlSource", {"query": "select i from t", "connection": "env:RIDES_URL"})
    with LocalEngine(1, processes=True) as engine:
        assert ingest(source, out, engine=engine).rows == 1
    with pytest.raises(ConfigError, match="environment variable 'NO_SUCH' is not set"):
        ingest_sql("select 1", "env:NO_SUCH", out)


def test_an_engine_of_ones_own_stays_open(database, out):
    engine = sqlalchemy.create_engine(database("create table t (i integer)", "insert into t values (1)"))
    assert ingest_sql("select i from t", engine, out).rows == 1
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select i from t").scalar() == 1
    engine.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "warehouse://u:top-secret@project",
        "warehouse://project?password=top-secret",
        "warehouse://project?access_token=top-secret",
        "warehouse://project?odbc_connect=UID%3Du%3BPWD%3Dtop-secret",
    ],
)
def test_a_password_reaches_no_file_error_or_log(warehouse, out, url, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ConfigError, match="holds a password") as caught:
        SqlSource("rides", url)
    told = [str(caught.value)]
    assert ingest_sql("rides", url, out).rows == 3
    for query in ("cut 100", "wrong"):
        with pytest.raises(DataError) as failed:
            ingest_sql(query, url, out, batch_rows=10)
        told += [str(failed.value), repr(failed.value.__cause__), repr(failed.value.__context__)]
    with LocalEngine(1, processes=True) as engine, pytest.raises(ConfigError, match="another process") as refused:
        ingest_sql("rides", url, out, engine=engine)
    told.append(str(refused.value))
    told.append(shown_connection(url))
    ingest_sql("rides", url, out)
    told += [store.read_bytes(store.join(out, name)).decode("latin-1") for name in store.walk(out)]
    told.append(caplog.text)
    assert len(told) > 10
    assert not [text for text in told if "top-secret" in text]


def test_urls_that_lead_nowhere(tmp_path, out):
    with pytest.raises(ConfigError, match="is no database URL") as caught:
        ingest_sql("select 1", "postgres//u:top-secret@h", out)
    assert "top-secret" not in f"{caught.value}{caught.value.__context__!r}{caught.value.__cause__!r}"
    with pytest.raises(ConfigError, match=r"no SQLAlchemy dialect 'bigquery'\nHint: pip install 'sqlalchemy-bigquery'"):
        SqlSource("select 1", "bigquery://p").schema()
    with pytest.raises(DataError, match="there is no such SQLite file"):
        ingest_sql("select 1", f"sqlite:///{tmp_path}/none.db", out)
    assert not (tmp_path / "none.db").exists()

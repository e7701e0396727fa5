"""SQL on real servers that the test starts: PostgreSQL, and MariaDB where its driver is installed."""

from __future__ import annotations

import datetime as dt
import shutil

import database_servers as sql_servers
import pytest
import sqlalchemy
from data_samples import rows_of
from sqlalchemy.pool import NullPool

from trueline._core import store
from trueline._core.errors import DataError
from trueline.data import SqlSource, ingest_sql
from trueline.engine import LocalEngine

ONE = {"splits": (("all", 1),)}
TABLE = """create table rides as select i as id, i::smallint as small, (i * 0.5)::numeric(12, 2) as price,
    case when mod(i, 2) = 0 then null else 'x' || i end as text, mod(i, 3) = 0 as even,
    convert_to('b' || i, 'UTF8') as raw,
    date '2020-01-01' + i as day, timestamp '2020-01-01 10:00' + i * interval '1 hour' as at,
    timestamptz '2020-01-01 10:00+02' as zoned, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid as key,
    '{"a": 1.10, "b": [1, 2]}'::json as doc, '{"a": 1.10}'::jsonb as docb, array[i, null::int] as list,
    array['p', 'q'] as words, inet '10.0.0.1' as ip, null::int as nothing, 0 as zero, '' as empty, 1.5::real as r
    from generate_series(1, 25000) i"""


@pytest.fixture(scope="module")
def postgres():
    programs = sql_servers.postgres_bin()
    if programs is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: apt install postgresql)")
    pytest.importorskip("psycopg", reason="the postgres extra is not installed")
    with sql_servers.postgres(programs) as url:
        with _admin(url) as connection:
            connection.exec_driver_sql(TABLE)
        yield url


class _admin:
    """A connection of the test's own, each statement committed."""

    def __init__(self, url: str) -> None:
        url = url.replace("postgresql://", "postgresql+psycopg://")
        self._engine = sqlalchemy.create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")

    def __enter__(self) -> sqlalchemy.Connection:
        self._connection = self._engine.connect()
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._engine.dispose()


def test_postgresql_types(postgres, out):
    report = ingest_sql("select * from rides order by id", postgres, out, **ONE)
    time = "timestamp[us]"
    assert report.columns == {
        "id": "int64", "small": "int64", "price": "double", "text": "string", "even": "bool", "raw": "binary",
        "day": time, "at": time, "zoned": time, "key": "string", "doc": "string", "docb": "string",
        "list": "list<item: int64>", "words": "list<item: string>", "ip": "string", "nothing": "int64",
        "zero": "int64", "empty": "string", "r": "double",
    }  # fmt: skip
    table = rows_of(out)
    assert table.num_rows == 25_000
    assert table["id"].to_pylist() == list(range(1, 25_001))
    assert table.slice(1, 1).to_pylist() == [
        {
            "id": 2, "small": 2, "price": 1.0, "text": None, "even": False, "raw": b"b2",
            "day": dt.datetime(2020, 1, 3), "at": dt.datetime(2020, 1, 1, 12), "zoned": dt.datetime(2020, 1, 1, 8),
            "key": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "doc": '{"a": 1.10, "b": [1, 2]}', "docb": '{"a": 1.10}', "list": [2, None], "words": ["p", "q"],
            "ip": "10.0.0.1", "nothing": None, "zero": 0, "empty": "", "r": 1.5,
        }
    ]  # fmt: skip


def test_decimals_keep_every_digit_as_text(postgres, out):
    query = "select 12345678901234567890.123456789::numeric as n union all select null"
    ingest_sql(query, postgres, out, decimals="utf8", **ONE)
    assert rows_of(out)["n"].to_pylist() == ["12345678901234567890.123456789", None]


def test_the_cursor_stays_at_the_server(postgres):
    """While rows are read the server has a cursor open for them, and has not sent them all."""
    source = SqlSource("select id, repeat('x', 1000) as t from rides order by id", "env:PG", batch_rows=100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PG", postgres)
        schema = source.schema()
        rows = source.read(0, schema)
        assert next(rows).batch.num_rows == 100
        with _admin(postgres) as connection:
            query = "select state, query from pg_stat_activity where query like 'FETCH%%'"
            assert connection.exec_driver_sql(query).fetchall()[0][0] == "idle in transaction"
        rows.close()
        with _admin(postgres) as connection:
            others = "select count(*) from pg_stat_activity where pid <> pg_backend_pid() and datname = 'postgres'"
            assert connection.exec_driver_sql(others).scalar() == 0


def test_a_connection_cut_in_mid_query_is_an_error_and_leaves_nothing(postgres, out, monkeypatch):
    monkeypatch.setenv("PG", postgres)
    query = (
        "select id, case when id = 15000 then pg_terminate_backend(pg_backend_pid())::text else '' end as t from rides"
    )
    with pytest.raises(
        DataError, match=r"env:PG, query, after row 1\d000: the rows cannot be read to their end"
    ) as caught:
        ingest_sql(query, "env:PG", out, batch_rows=1000)
    _no_password(caught.value)
    assert not store.exists(store.join(out, "examples.json"))
    assert not [name for name in store.walk(out) if name.endswith(".parquet")]


def test_errors_say_what_the_server_says_and_no_password(postgres, out):
    wrong = postgres.replace("postgres?", "nowhere?")
    for query, url, said in [
        ("select nope from rides", postgres, 'column "nope" does not exist'),
        ("select 1 / (id - 20000) as x from rides", postgres, "cannot be read to their end: division by zero"),
        ("delete from rides", postgres, "syntax error"),
        ("select 1 as x", wrong, 'database "nowhere" does not exist'),
        ("select 1 as x", postgres.replace("s3cr", "other"), "password authentication failed"),
        ("select interval '1 day' as i", postgres, "row 0, column 'i': a value of Python type datetime.timedelta"),
    ]:
        with pytest.raises(DataError, match=said) as caught:
            ingest_sql(query, url, out)
        _no_password(caught.value)


def _no_password(error: BaseException) -> None:
    waiting, seen = [error], []
    while waiting:
        seen.append(waiting.pop())
        found = (seen[-1].__cause__, seen[-1].__context__)
        waiting += [e for e in found if e is not None and not any(e is s for s in seen)]
    for form in (sql_servers.PASSWORD, "s3cr%2F", "othe%2F"):
        assert not [e for e in seen if form in f"{e}{e!r}"]


def test_worker_processes_read_by_the_environment_variable(postgres, out, monkeypatch):
    monkeypatch.setenv("PG", postgres)
    with LocalEngine(1, processes=True) as engine:
        assert ingest_sql("select id, price from rides order by id", "env:PG", out, engine=engine).rows == 25_000


def test_mariadb(out):
    program = shutil.which("mariadbd", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("MariaDB's server is not installed (Debian: apt install mariadb-server)")
    pytest.importorskip("pymysql", reason="the mysql extra (pymysql) is not installed: MariaDB is not tested")
    with sql_servers.mariadb(program) as url:
        query = (
            "select 0 as zero, '' as empty, null as nothing, cast(1.50 as decimal(5,2)) as d, "
            "date '2020-01-02' as day, timestamp '2020-01-02 03:04:05' as at, x'00ff' as raw, "
            "json_object('a', 1) as doc"
        )
        ingest_sql(query, url, out, **ONE)
        assert rows_of(out).to_pylist() == [
            {
                "zero": 0, "empty": "", "nothing": None, "d": 1.5, "day": dt.datetime(2020, 1, 2),
                "at": dt.datetime(2020, 1, 2, 3, 4, 5), "raw": b"\x00\xff", "doc": '{"a": 1}',
            }
        ]  # fmt: skip

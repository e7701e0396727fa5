"""A query's rows as a source, through SQLAlchemy: SQLite, PostgreSQL, MySQL, BigQuery, Trino, any dialect there is.

Rows are numbered in the order in which the database gives them. Without ``ORDER BY`` a database promises none, so two
runs may number and order the same rows differently; the split of a row depends on its values alone and stays.
The query runs once for the types of its first rows and once for all rows, more often when a type turns out too
narrow: a database that bills by query bills each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, DataError
from trueline.data.ingestion import ingest
from trueline.data.params import known_options
from trueline.data.source import SourceBatch, SourceSpec
from trueline.data.spans import StaticRange
from trueline.data.spans_query import queries_of_spans
from trueline.data.sql_connect import check_connection, lent_connection, open_database, shown_connection
from trueline.data.sql_rows import run_query
from trueline.data.tables_rows import check_types, declared_types, guess_schema, typed_batch

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Engine

    from trueline.data.report import IngestReport

__all__ = ["SqlSource", "ingest_sql"]

_BATCH_ROWS = 10_000
_DECIMALS = ("float64", "utf8")


class SqlSource:
    """The rows of a query; one part, or one for each span of a query that asks for spans.

    Types: whole numbers int64, floats and decimals float64, bool, text, bytes, dates and times timestamp (with a zone:
    turned to UTC), UUIDs, network addresses and JSON text, arrays lists, structs structs. NULL is missing; 0, "" and
    False are values. PostgreSQL says a column's type; elsewhere it is that of the values.

    Args:
        query: a SELECT. ``ORDER BY`` fixes the numbers of the rows.
        connection: ``env:NAME``, or an SQLAlchemy URL without password.
        types: columns whose type is declared, ``{"zip": "utf8"}``; see `trueline.data.tables_rows`.
        decimals: ``float64``, or ``utf8`` to keep every digit of decimals as text.
        batch_rows: rows that are fetched at a time: memory holds no more.
        spans: first and last span for a query with ``@span_...`` words; each span is a query and a part.
        fingerprint_query: a SELECT of one row whose values change when the data does (``SELECT count(*), max(updated)
            ...``); without it the source has no fingerprint, so that no run takes the rows of an earlier one for new.

    Raises:
        ConfigError: options that are wrong, all at once; a URL that holds a password.
    """

    def __init__(
        self,
        query: str,
        connection: str,
        *,
        types: Mapping[str, str] | None = None,
        decimals: str = "float64",
        batch_rows: int = _BATCH_ROWS,
        spans: Sequence[int] | None = None,
        fingerprint_query: str | None = None,
    ) -> None:
        check_connection(connection)
        problems = check_types(types)
        if not isinstance(query, str) or not query.strip():
            problems.append("the query is empty")
        if decimals not in _DECIMALS:
            problems.append(f"decimals is {decimals!r}, give one of {', '.join(_DECIMALS)}")
        if batch_rows < 1:
            problems.append(f"batch_rows is {batch_rows}, give at least 1")
        if spans is not None and len(spans) != 2:
            problems.append(f"spans is {list(spans)}, give the first and the last span")
        if problems:
            raise ConfigError("the SQL source is wrong", problems=problems)
        query = query.strip().rstrip(";")
        self._queries = queries_of_spans(query, None if spans is None else StaticRange(int(spans[0]), int(spans[1])))
        self._connection, self._types = connection, dict(types or {})
        self._decimals, self._rows, self._fingerprint = decimals, batch_rows, fingerprint_query

    def parts(self) -> tuple[str, ...]:
        """``query``, or the spans."""
        return tuple("query" if span is None else f"span {span}" for span in self._queries)

    def schema(self) -> pa.Schema:
        """The columns with the types of the first rows; null where there was no value yet.

        Raises:
            DataError: what the database says; columns of one name; values that have no place.
        """
        for query, label in zip(self._queries.values(), self.parts(), strict=True):
            schema, rows = self._looked_at(query, self._place(label))
            if rows:
                break
        return schema

    def _looked_at(self, query: str, place: str) -> tuple[pa.Schema, int]:
        declared = declared_types(self._types)
        with (
            closing(open_database(self._connection)) as database,
            run_query(database, query, place, self._decimals, self._rows) as result,
        ):
            columns = next(result.stretches(self._rows))
            schema = guess_schema(result.names, columns, result.types(), declared, place)
            return schema, len(columns[0]) if columns else 0

    def _place(self, label: str) -> str:
        return f"{shown_connection(self._connection)}, {label}"

    def read(self, part: int, schema: pa.Schema) -> Iterator[SourceBatch]:
        """The rows of a part.

        Raises:
            DataError: when the connection breaks, the statement fails, or a value has no place: naming the row.
            SchemaGrew: when a column turns out wider.
        """
        place = self._place(self.parts()[part])
        query = list(self._queries.values())[part]
        declared = declared_types(self._types)
        with (
            closing(open_database(self._connection)) as database,
            run_query(database, query, place, self._decimals, self._rows) as result,
        ):
            if result.names != schema.names:
                problems = [f"first: {', '.join(schema.names)}", f"now: {', '.join(result.names)}"]
                raise DataError("the query's columns are other ones now", where=place, problems=problems)
            done = 0
            for columns in result.stretches(self._rows):
                yield SourceBatch(typed_batch(columns, schema, declared, place, done))
                done += len(columns[0]) if columns else 0

    def fingerprint(self) -> str | None:
        """The hash of the query, its options and the row of `fingerprint_query`; None without one.

        Raises:
            DataError: what the database says; not exactly one row.
        """
        if self._fingerprint is None:
            return None
        place = self._place("fingerprint_query")
        with (
            closing(open_database(self._connection)) as database,
            run_query(database, self._fingerprint, place, self._decimals, 2) as result,
        ):
            columns = [c for stretch in result.stretches(2) for c in stretch]
        if not columns or any(len(c) != 1 for c in columns):
            raise DataError("the fingerprint query gives more or less than one row", where=place)
        values = [[type(c[0]).__name__, str(c[0])] for c in columns]
        asked = [list(self._queries.values()), self._types, self._decimals, self._fingerprint, values]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


@known_options(ingest)
def ingest_sql(
    query: str,
    connection: str | Engine,
    uri: str,
    *,
    range: StaticRange | None = None,
    types: Mapping[str, str] | None = None,
    decimals: str = "float64",
    batch_rows: int = _BATCH_ROWS,
    **options: Any,
) -> IngestReport:
    """Writes the rows of a query as Examples.

    Args:
        query: a SELECT, best with ``ORDER BY``: it fixes the numbers of the rows.
        connection: ``env:NAME``, an SQLAlchemy URL (a password in it stays in this process), or an SQLAlchemy engine.
        uri: the folder of the Examples.
        range: the spans of a query with ``@span_...`` words; see `trueline.data.spans_query`.
        types: columns whose type is declared.
        decimals: ``float64``, or ``utf8`` to keep every digit.
        batch_rows: rows that are fetched at a time.
        **options: splits, filter, engine and the other options of `trueline.data.ingest`.

    Raises:
        DataError: what the database says, without passwords; values that have no place, naming row and column.
        ConfigError: options that are wrong.
    """
    with lent_connection(connection) as name:
        params: dict[str, Any] = {"query": query, "connection": name, "decimals": decimals, "batch_rows": batch_rows}
        params["types"] = dict(types or {})
        if range is not None:
            params["spans"] = [range.start, range.end]
        return ingest(SourceSpec(f"{__name__}:SqlSource", params), uri, **options)

"""A user's own source as one function: it yields rows, and they become Examples like those of any file.

    def rides(day):                       # in the user's module taxi.py
        for ride in fetch(day):
            yield {"fare": ride.fare, "company": ride.company, "tip": ride.tip}

    ingest_rows("taxi:rides", "examples", params={"day": "2026-01-01"})

A source with several parts, its own types or fingerprint is a class with the methods of `trueline.data.source.Source`,
named by ``SourceSpec("taxi:RideSource", {...})``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, DataError, TruelineError
from trueline.data.custom_rows import SHAPES, arrow_batches, fitted, keys_error, other_columns, shape_error
from trueline.data.ingestion import ingest
from trueline.data.params import known_options
from trueline.data.source import SourceBatch, SourceSpec
from trueline.data.tables_rows import check_types, declared_types, guess_schema, typed_batch

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.data.report import IngestReport

__all__ = ["FunctionSource", "ingest_rows"]

_BATCH_ROWS = 10_000


class FunctionSource:
    """Rows that a function yields; one part.

    Args:
        function: ``package.module:name``. ``function(**params)`` gives an iterable, and the same one each time: it runs
            once for the types of its first rows and once for all rows, more often when a type turns out too narrow.
            It yields dicts (all with the same keys), tuples in the order of `columns`, or Arrow record batches and
            tables; None is missing.
        params: JSON values.
        columns: the columns' names, where rows are tuples; with dicts, which keys are taken.
        types: columns whose type is declared, ``{"zip": "utf8"}``; see `trueline.data.tables_rows`.
        fingerprint: ``package.module:name`` of a function that takes the same parameters and gives a text which changes
            when the rows do; without it no run takes the rows of an earlier one for new.
        batch_rows: rows that are gathered at a time.

    Raises:
        ConfigError: options that are wrong, all at once.
        EngineError: a name that leads nowhere.
    """

    def __init__(
        self,
        function: str,
        params: Mapping[str, Any] | None = None,
        *,
        columns: Sequence[str] | None = None,
        types: Mapping[str, str] | None = None,
        fingerprint: str | None = None,
        batch_rows: int = _BATCH_ROWS,
    ) -> None:
        problems = check_types(types)
        if batch_rows < 1:
            problems.append(f"batch_rows is {batch_rows}, give at least 1")
        if columns is not None and len(set(columns)) != len(columns):
            problems.append("two columns have the same name")
        if problems:
            raise ConfigError("the source function's options are wrong", where=function, problems=problems)
        self._name, self._params, self._fingerprint = function, dict(params or {}), fingerprint
        self._columns = None if columns is None else list(columns)
        self._types, self._rows = dict(types or {}), batch_rows

    def parts(self) -> tuple[str, ...]:
        """The function's name."""
        return (self._name,)

    def fingerprint(self) -> str | None:
        """What the fingerprint function says; None without one.

        Raises:
            DataError: when it gives no text.
        """
        if self._fingerprint is None:
            return None
        found = _called(self._fingerprint, self._params)
        if not isinstance(found, str) or not found:
            raise DataError(f"the fingerprint is {found!r}", where=self._fingerprint, hint="return a text.")
        return found

    def schema(self) -> pa.Schema:
        """The columns with the types of the first rows; null where there was no value yet.

        Raises:
            DataError: no row, rows of a wrong shape, values that have no place: naming row and column.
        """
        import pyarrow as pa

        declared = declared_types(self._types)
        with closing(self._stretches()) as stretches:
            for _, found in stretches:
                if not isinstance(found, _Columns):
                    return found.schema
                known = [pa.null()] * len(found.names)
                return guess_schema(found.names, found.values, known, declared, self._name)
        if self._columns is not None and not set(self._columns) - set(self._types):
            return pa.schema([(name, declared[name]) for name in self._columns])
        raise DataError(
            "the function yields no row, so that nothing says what its columns are",
            where=self._name,
            hint="declare columns= and types= where there may be no row.",
        )

    def read(self, part: int, schema: pa.Schema) -> Iterator[SourceBatch]:
        """The function's rows.

        Raises:
            DataError: the function's own error with the row it came after, or a wrong row.
            SchemaGrew: when a column turns out wider.
        """
        declared = declared_types(self._types)
        with closing(self._stretches()) as stretches:
            for first, found in stretches:
                if not isinstance(found, _Columns):
                    yield SourceBatch(fitted(found, schema, self._name, first))
                    continue
                if found.names != schema.names:
                    raise other_columns(self._name, first, schema.names, found.names)
                yield SourceBatch(typed_batch(found.values, schema, declared, self._name, first))

    def _stretches(self) -> Generator[tuple[int, _Columns | pa.RecordBatch], None, None]:
        """Rows by columns, or Arrow batches in the contract's types, each with its first row's number.

        What the function opened is closed as soon as no more rows are asked for.
        """
        done = 0
        with closing(_guarded(_called(self._name, self._params), self._name)) as rows:
            for is_arrow, group in itertools.groupby(rows, key=_is_arrow):
                if is_arrow:
                    for batch in arrow_batches(group, self._columns, self._types, self._name, self._rows):
                        yield done, batch
                        done += batch.num_rows
                    continue
                while stretch := list(itertools.islice(group, self._rows)):
                    yield done, self._by_columns(stretch, done)
                    done += len(stretch)

    def _by_columns(self, rows: Sequence[Any], first: int) -> _Columns:
        names = self._columns
        if names is None and isinstance(rows[0], Mapping):
            names = [_text(key, self._name, first) for key in rows[0]]
        taken = set(names or ())
        for offset, row in enumerate(rows):
            where = f"{self._name}, row {first + offset}"
            if isinstance(row, Mapping):
                keys = row.keys()
                if (taken != set(keys)) if self._columns is None else (taken - set(keys)):
                    raise keys_error(where, taken, keys, extra=self._columns is None)
            elif names is None or not isinstance(row, (tuple, list)) or len(row) != len(names):
                raise shape_error(where, row, names)
        assert names is not None
        values: list[Sequence[Any]] = [
            [row[name] if isinstance(row, Mapping) else row[i] for row in rows] for i, name in enumerate(names)
        ]
        return _Columns(names, values)


class _Columns:
    """Some rows, column by column."""

    def __init__(self, names: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
        self.names, self.values = list(names), values


def _called(name: str, params: Mapping[str, Any]) -> Any:
    from trueline.engine.base import resolve

    function: Callable[..., Any] = resolve(name)
    if not callable(function):
        raise ConfigError(f"{name!r} is no function", hint="name a function, or a class with the methods of a Source.")
    try:
        return function(**params)
    except TruelineError:
        raise
    except Exception as error:
        raise DataError(f"the function failed: {type(error).__name__}: {error}", where=name) from error


def _is_arrow(row: Any) -> bool:
    return hasattr(row, "__arrow_c_array__") or hasattr(row, "__arrow_c_stream__")


def _guarded(rows: Any, name: str) -> Generator[Any, None, None]:
    """The function's rows; its own error says after which row it came."""
    if isinstance(rows, (str, bytes, Mapping)) or not isinstance(rows, Iterable):
        if not hasattr(rows, "__arrow_c_stream__"):
            raise DataError(f"the function gives a {type(rows).__name__}, no rows", where=name, hint=SHAPES)
        rows = [rows]
    elif hasattr(rows, "__arrow_c_stream__"):
        rows = [rows]
    number = 0
    try:
        for row in rows:
            yield row
            number += 1
    except TruelineError:
        raise
    except GeneratorExit:
        raise
    except Exception as error:
        what = f"the function failed: {type(error).__name__}: {error}"
        raise DataError(what, where=f"{name}, after {number} rows") from error
    finally:
        if isinstance(rows, Generator):
            rows.close()


def _text(key: Any, name: str, first: int) -> str:
    if not isinstance(key, str):
        raise DataError(f"the column name {key!r} is no text", where=f"{name}, row {first}")
    return key


@known_options(ingest)
def ingest_rows(
    function: str,
    uri: str,
    *,
    params: Mapping[str, Any] | None = None,
    columns: Sequence[str] | None = None,
    types: Mapping[str, str] | None = None,
    **options: Any,
) -> IngestReport:
    """Writes the rows that a function yields as Examples.

    Args:
        function: ``package.module:name``.
        uri: the folder of the Examples.
        params: the function's arguments, JSON values.
        columns: the columns' names, where rows are tuples.
        types: columns whose type is declared.
        **options: splits, filter, engine and the other options of `trueline.data.ingestion.ingest`.

    Raises:
        DataError: the function's own error, or rows of a wrong shape: naming the row.
        ConfigError: options that are wrong.
    """
    given: dict[str, Any] = {"function": function, "params": dict(params or {}), "types": dict(types or {})}
    if columns is not None:
        given["columns"] = list(columns)
    return ingest(SourceSpec(f"{__name__}:FunctionSource", given), uri, **options)

"""The shapes of rows that a user's function may yield, and what it is told of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, DataError
from trueline.data.source import SchemaGrew
from trueline.data.tables_kinds import joined_type

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SHAPES", "arrow_batches", "fitted", "keys_error", "other_columns", "shape_error"]

SHAPES = "give each row as a dict, or as a tuple with columns=[...]; or yield Arrow record batches."


def shape_error(where: str, row: Any, names: Sequence[str] | None) -> DataError:
    """What is no row, or has another length than there are columns."""
    if names is not None and isinstance(row, (tuple, list)):
        return DataError(f"the row has {len(row)} values, there are {len(names)} columns", where=where)
    shown = repr(row)
    return DataError(f"a {type(row).__name__} is no row: {shown[:80]}", where=where, hint=SHAPES)


def keys_error(where: str, names: set[str], keys: Iterable[Any], *, extra: bool) -> DataError:
    """A dict with other keys than the columns."""
    found = set(keys)
    problems = [f"column {n!r} is missing" for n in sorted(names - found)]
    problems += [f"column {n!r} is new" for n in sorted(map(str, found - names))] if extra else []
    hint = "give every row the same keys, None where there is no value; columns=[...] leaves out all others."
    return DataError("the row has other columns than those before it", where=where, problems=problems, hint=hint)


def other_columns(name: str, first: int, before: Sequence[str], now: Sequence[str]) -> DataError:
    """Columns that change on the way."""
    problems = [f"before: {', '.join(before)}", f"now: {', '.join(now)}"]
    return DataError("the columns are other ones now", where=f"{name}, row {first}", problems=problems)


def arrow_batches(
    tables: Iterable[Any], columns: Sequence[str] | None, types: Mapping[str, str], name: str, rows: int
) -> Iterator[pa.RecordBatch]:
    """Arrow tables and batches in the contract's types.

    Raises:
        ConfigError: when types are declared for them.
        DataError: a column that is asked for and not there.
    """
    from trueline.data.tables import table_batches

    if types:
        raise ConfigError("types are declared for rows; Arrow batches have types", where=name)
    for table in tables:
        found = table_batches(table, batch_rows=rows)
        gone = [c for c in columns or () if c not in found.schema.names]
        if gone:
            raise DataError(f"there is no column {', '.join(map(repr, gone))}", where=name)
        for batch in found:
            yield batch if columns is None else batch.select(list(columns))


def fitted(batch: pa.RecordBatch, schema: pa.Schema, name: str, first: int) -> pa.RecordBatch:
    """An Arrow batch in the types of those before it.

    Raises:
        SchemaGrew: when it needs wider ones.
        DataError: other columns, or types that have none in common.
    """
    import pyarrow as pa

    if batch.schema.names != schema.names:
        raise other_columns(name, first, schema.names, batch.schema.names)
    wider = []
    for old, new in zip(schema, batch.schema, strict=True):
        joined = joined_type(old.type, new.type)
        if joined is None:
            raise DataError(f"column {old.name!r} turns from {old.type} to {new.type}", where=f"{name}, row {first}")
        wider.append(pa.field(old.name, joined))
    if pa.schema(wider) != pa.schema([pa.field(f.name, f.type) for f in schema]):
        raise SchemaGrew(pa.schema(wider))
    return batch.cast(schema)

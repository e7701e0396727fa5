"""Rows of Python values as batches of one schema: guessed on what comes first, declared, or widened on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, DataError, did_you_mean
from trueline.data.source import SchemaGrew
from trueline.data.tables_kinds import column_type, joined_type
from trueline.data.tables_values import Misfit, typed_column

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["check_types", "declared_types", "guess_schema", "typed_batch"]

_TYPES = ("utf8", "int64", "float64", "bool", "bytes", "timestamp")


def check_types(types: Mapping[str, str] | None) -> list[str]:
    """What is wrong with declared types, ``column: type``; ``list<type>`` is one too."""
    inner = {name: text.removeprefix("list<").removesuffix(">") for name, text in (types or {}).items()}
    return [
        f"column {name!r} is declared {types[name]!r}; there is: {', '.join(_TYPES)}, and list<...> of these"
        for name, text in inner.items()
        if types is not None and (text not in _TYPES or types[name] not in (text, f"list<{text}>"))
    ]


def declared_types(types: Mapping[str, str] | None) -> dict[str, pa.DataType]:
    """The Arrow types of declared columns.

    Raises:
        ConfigError: types that are none; all at once.
    """
    import pyarrow as pa

    problems = check_types(types)
    if problems:
        raise ConfigError("the declared types are wrong", problems=problems)
    arrow = {
        "utf8": pa.string(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
        "bytes": pa.binary(),
        "timestamp": pa.timestamp("us"),
    }
    return {
        name: pa.list_(arrow[text[5:-1]]) if text.startswith("list<") else arrow[text]
        for name, text in (types or {}).items()
    }


def guess_schema(
    names: Sequence[str],
    columns: Sequence[Sequence[Any]],
    known: Sequence[pa.DataType],
    declared: Mapping[str, pa.DataType],
    place: str,
) -> pa.Schema:
    """The schema of the first rows: declared types, else what is known of the column joined with what its values are.

    Raises:
        DataError: values of several types in one column, or a declared column that is not there.
    """
    import pyarrow as pa

    gone = [did_you_mean(name, names) for name in declared if name not in names]
    if gone:
        what = f"there is no column {next(n for n in declared if n not in names)!r}, whose type is declared"
        raise DataError(what, where=place, hint=gone[0])
    fields = []
    for name, values, kind in zip(names, columns, known, strict=True):
        if name in declared:
            fields.append(pa.field(name, declared[name]))
            continue
        joined = joined_type(kind, column_type(values, name, place))
        fields.append(pa.field(name, kind if joined is None else joined))
    return pa.schema(fields)


def typed_batch(
    columns: Sequence[Sequence[Any]], schema: pa.Schema, declared: Mapping[str, pa.DataType], place: str, first_row: int
) -> pa.RecordBatch:
    """Rows as a batch of the schema.

    Args:
        columns: each column's values, None for missing.
        schema: the types.
        declared: the columns whose type the user declared.
        place: where the rows come from, for errors.
        first_row: the number of the first row, from 0.

    Raises:
        SchemaGrew: when values need wider types.
        DataError: values that have no place in their column, naming row and column.
    """
    import pyarrow as pa

    arrays, wider = [], {}
    for field, values in zip(schema, columns, strict=True):
        try:
            fixed = field.name in declared
            arrays.append(typed_column(values, field.type, field.name, place, first_row, declared=fixed))
        except Misfit as misfit:
            wider[field.name] = misfit.wider
    if wider:
        raise SchemaGrew(pa.schema([pa.field(f.name, wider.get(f.name, f.type)) for f in schema]))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)

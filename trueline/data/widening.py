"""Joining schemas: which types a column has when two parts of a source, or two looks at one, disagree.

The lattice is that of text cells (`trueline.data.cells`): null joins to any type, int64 and float64 to float64, and
every other pair of scalars to text. A list joins by its values, a struct by its fields. A field may carry the class of
its cells in its metadata (`CLASS_MARK`); then the join is that of the classes, which know more than the type: whole
numbers too wide for float64 and floats join to text, and so do times with and without a zone.

A schema says what a column is *read as*: a source that reads text gives a value's own digits when a column turns out to
be text. A typed source (Parquet, Avro, SQL) cannot give the text in which a number was once written: it joins with
``to_text=False``, where such pairs are an error.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trueline._core.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["CLASS_MARK", "check_same_names", "final_schema", "join_schemas", "schema_from_text", "schema_to_text"]

CLASS_MARK = b"trueline.class"
"""Field metadata: the class of a column's cells, one of `trueline.data.cells.CLASSES`."""


class _NoJoinError(Exception):
    """Two types that have no join."""


def check_same_names(headers: Sequence[tuple[str, Sequence[str]]]) -> None:
    """All files of one input have the same columns in the same order.

    Raises:
        DataError: naming the first file that differs, with both headers.
    """
    first_name, first = headers[0]
    for name, names in headers[1:]:
        if list(names) == list(first):
            continue
        what = "in another order" if sorted(names) == sorted(first) else "other columns"
        raise DataError(
            f"the files of one input have {what if what.startswith('other') else 'their columns ' + what}",
            where=name,
            problems=[f"{first_name}: {', '.join(first)}", f"{name}: {', '.join(names)}"],
            hint="give all files the same header, or ingest them apart.",
        )


def join_schemas(
    one: pa.Schema, two: pa.Schema, *, to_text: bool = True, names: tuple[str, str] = ("one part", "another part")
) -> pa.Schema:
    """The schema that holds the values of both; associative and commutative.

    Args:
        one: columns; null stands for a column in which no value was seen.
        two: the same columns in the same order.
        to_text: whether scalars of different types join to text; False where the source cannot give them as text.
        names: what the two belong to, for the error.

    Raises:
        DataError: other columns, or types that have no join: all columns at once, with both types and parts.
    """
    import pyarrow as pa

    from trueline.data.jsonl_types import is_json, join_json
    from trueline.data.tf_example_types import is_open, join_open

    if is_open(one) and is_open(two):
        return join_open(one, two, names)
    if is_json(one) and is_json(two):
        return join_json(one, two)
    check_same_names([(names[0], one.names), (names[1], two.names)])
    fields, problems = [], []
    for left, right in zip(one, two, strict=True):
        try:
            fields.append(_joined_field(left, right, to_text))
        except _NoJoinError:
            problems.append(f"column {left.name!r}: {left.type} in {names[0]}; {right.type} in {names[1]}")
    if problems:
        raise DataError(
            "types that have no common type",
            where=names[1],
            problems=problems,
            hint="give the columns the same type in all parts, or ingest the parts apart.",
        )
    return pa.schema(fields)


def _joined_field(left: pa.Field, right: pa.Field, to_text: bool) -> pa.Field:
    import pyarrow as pa

    classes = [(f.metadata or {}).get(CLASS_MARK) for f in (left, right)]
    if classes[0] is None or classes[1] is None:
        return pa.field(left.name, _joined(left.type, right.type, to_text))
    from trueline.data.cells import arrow_type_of_class, join

    name = join(classes[0].decode(), classes[1].decode())
    arrow_type = pa.null() if name == "null" else arrow_type_of_class(name)
    return pa.field(left.name, arrow_type, metadata={CLASS_MARK: name.encode()})


def _joined(one: pa.DataType, two: pa.DataType, to_text: bool) -> pa.DataType:
    import pyarrow as pa
    import pyarrow.types as t

    if one == two or t.is_null(two):
        return one
    if t.is_null(one):
        return two
    if t.is_nested(one) and t.is_nested(two):
        return _joined_nested(one, two, to_text)
    if {one, two} == {pa.int64(), pa.float64()}:
        return pa.float64()
    texts = (pa.int64(), pa.float64(), pa.bool_(), pa.timestamp("us"), pa.string())
    if to_text and one in texts and two in texts:
        return pa.string()
    raise _NoJoinError


def _joined_nested(one: pa.DataType, two: pa.DataType, to_text: bool) -> pa.DataType:
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_struct(one) and t.is_struct(two):
        names = [f.name for f in one]
        if names != [f.name for f in two]:
            names = sorted({*names, *(f.name for f in two)})
        fields = []
        for name in names:
            sides = [s.field(name).type for s in (one, two) if s.get_field_index(name) >= 0]
            fields.append(pa.field(name, _joined(sides[0], sides[-1], to_text)))
        return pa.struct(fields)
    if t.is_struct(one) or t.is_struct(two):
        raise _NoJoinError
    value = _joined(one.value_type, two.value_type, to_text)
    sizes = [kind.list_size if t.is_fixed_size_list(kind) else -1 for kind in (one, two)]
    return pa.list_(value, sizes[0] if sizes[0] == sizes[1] else -1)


def final_schema(schema: pa.Schema) -> pa.Schema:
    """The schema as Examples keep it: no metadata, and text where no value was seen."""
    import pyarrow as pa

    return pa.schema([pa.field(f.name, _final(f.type)) for f in schema])


def _final(arrow_type: pa.DataType) -> pa.DataType:
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_null(arrow_type):
        return pa.string()
    if t.is_fixed_size_list(arrow_type):
        return pa.list_(_final(arrow_type.value_type), arrow_type.list_size)
    if t.is_list(arrow_type):
        return pa.list_(_final(arrow_type.value_type))
    if t.is_struct(arrow_type):
        return pa.struct([pa.field(f.name, _final(f.type)) for f in arrow_type])
    return arrow_type


def schema_to_text(schema: pa.Schema) -> str:
    """A schema for a job's parameters, nulls and metadata included; of this process's pyarrow, not for keeping."""
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def schema_from_text(text: str) -> pa.Schema:
    """The schema that `schema_to_text` described."""
    import pyarrow as pa

    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))


def problems_of(schema: pa.Schema, reserved: Mapping[str, str]) -> list[str]:
    """What stands against a source's columns: no column, repeated names, names that are reserved."""
    names = schema.names
    found = [f"{n!r} is a name of trueline's own" for n in names if n in reserved]
    found += [f"column {n!r} stands there twice" for n, times in sorted(Counter(names).items()) if times > 1]
    return found if names else ["there is no column"]

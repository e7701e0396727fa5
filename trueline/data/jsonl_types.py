"""The types of JSON values: what a column's values ask for, and how two such demands join.

A column's shape is a class of scalars (those of `trueline.data.cells`), a list of a shape, or an object of shapes by
name. Null says nothing. Classes join as those of text cells do; a list joins with a list, an object with an object,
field by field; every other pair is text: strings as they are, all other values as their JSON text, digits as written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trueline.data.cells import FIXED_TYPES, arrow_type_of_class, join
from trueline.data.widening import CLASS_MARK

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["JSON_MARK", "NULL", "TEXT", "Shape", "is_json", "join_json", "join_shapes", "schema_of", "shapes_of"]

JSON_MARK = b"trueline.json"
"""Schema metadata of a source of JSON objects: a column may be found late, and has nulls where it is missing."""
_FIXED_MARK = b"trueline.fixed"


@dataclass(frozen=True)
class Shape:
    """What a column's values ask for.

    Attributes:
        kind: a class of scalars, ``list``, ``struct``, or ``fixed`` for a type that the caller fixed.
        item: of a list: its values.
        fields: of a struct: its fields, by name, sorted.
        fixed: the fixed type's name.
    """

    kind: str
    item: Shape | None = None
    fields: Mapping[str, Shape] = field(default_factory=dict)
    fixed: str | None = None


NULL, TEXT = Shape("null"), Shape("utf8")


def join_shapes(one: Shape, two: Shape) -> Shape:
    """The shape that holds the values of both; associative and commutative."""
    if one == two or two.kind == "null" or one.kind == "fixed":
        return one
    if one.kind == "null" or two.kind == "fixed":
        return two
    if one.item is not None and two.item is not None:
        return Shape("list", join_shapes(one.item, two.item))
    if one.kind == two.kind == "struct":
        names = sorted({*one.fields, *two.fields})
        return Shape("struct", fields={n: join_shapes(one.fields.get(n, NULL), two.fields.get(n, NULL)) for n in names})
    if one.kind in ("list", "struct") or two.kind in ("list", "struct"):
        return TEXT
    return Shape(join(one.kind, two.kind))


def _field_of(name: str, shape: Shape) -> pa.Field:
    import pyarrow as pa

    if shape.item is not None:
        return pa.field(name, pa.list_(_field_of("item", shape.item)))
    if shape.kind == "struct":
        fields = [_field_of(n, s) for n, s in shape.fields.items()]
        return pa.field(name, pa.struct([f for f in fields if not _holds_nothing(f.type)]) if fields else pa.null())
    if shape.fixed is not None:
        found = pa.string() if shape.fixed == "json" else arrow_type_of_class(FIXED_TYPES[shape.fixed])
        return pa.field(name, found, metadata={_FIXED_MARK: shape.fixed.encode()})
    found = pa.null() if shape.kind == "null" else arrow_type_of_class(shape.kind)
    return pa.field(name, found, metadata={CLASS_MARK: shape.kind.encode()})


def _holds_nothing(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_struct(kind)) and not kind.num_fields


def _shape_of(found: pa.Field) -> Shape:
    import pyarrow as pa

    if pa.types.is_list(found.type):
        return Shape("list", _shape_of(found.type.value_field))
    if pa.types.is_struct(found.type):
        return Shape("struct", fields={f.name: _shape_of(f) for f in found.type})
    marks = found.metadata or {}
    if _FIXED_MARK in marks:
        return Shape("fixed", fixed=marks[_FIXED_MARK].decode())
    if CLASS_MARK in marks:
        return Shape(marks[CLASS_MARK].decode())
    known = {pa.null(): "null", pa.int64(): "int", pa.float64(): "float", pa.bool_(): "bool"}
    return Shape(known.get(found.type, "utf8"))


def schema_of(shapes: Mapping[str, Shape]) -> pa.Schema:
    """The columns, sorted by name, as a schema that says what they are read as."""
    import pyarrow as pa

    return pa.schema([_field_of(n, shapes[n]) for n in sorted(shapes)], metadata={JSON_MARK: b"1"})


def shapes_of(schema: pa.Schema) -> dict[str, Shape]:
    """The columns' shapes, as `schema_of` marked them."""
    return {f.name: _shape_of(f) for f in schema}


def is_json(schema: pa.Schema) -> bool:
    """Whether a schema has `JSON_MARK`."""
    return JSON_MARK in (schema.metadata or {})


def join_json(one: pa.Schema, two: pa.Schema) -> pa.Schema:
    """The schema that holds the rows of both; a column that one side lacks is null there."""
    left, right = shapes_of(one), shapes_of(two)
    return schema_of({n: join_shapes(left.get(n, NULL), right.get(n, NULL)) for n in {*left, *right}})

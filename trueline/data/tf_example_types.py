"""Which types the columns of TFRecords have, and how they grow as more is seen.

An int64 list gives int64, a float list float64, a bytes list text where all values are UTF-8 and bytes otherwise. A
column is a plain value where no record has more than one, else a list. Numbers join to float64, text and bytes to
bytes, a value and a list to a list; numbers and bytes have no common type. Columns stand by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2

__all__ = ["NAMED_TYPES", "OPEN_MARK", "fixed_example_types", "is_open", "join_open", "join_types", "named_type"]

OPEN_MARK = b"trueline.open"
"""Schema metadata of a source that adapts its values to any type of this lattice, and may find columns late."""
NAMED_TYPES = ("int64", "float64", "utf8", "bytes")


class _NoCommonTypeError(Exception):
    """Two types without a common one."""


def named_type(name: str) -> pa.DataType:
    """The Arrow type of ``int64``, ``float64``, ``utf8``, ``bytes`` or ``list<...>`` of one of them.

    Raises:
        ConfigError: for another name.
    """
    import pyarrow as pa

    plain = {"int64": pa.int64(), "float64": pa.float64(), "utf8": pa.string(), "bytes": pa.binary()}
    inner = name[5:-1] if name.startswith("list<") and name.endswith(">") else name
    if inner not in plain:
        raise ConfigError(f"{name!r} is no type of a column", hint=f"give {', '.join(NAMED_TYPES)} or a list<...>.")
    return plain[inner] if inner == name else pa.list_(plain[inner])


def fixed_example_types(schema: schema_pb2.Schema | None) -> dict[str, str]:
    """The types that a schema fixes, by column, as `named_type` reads them.

    The type comes from ``type``: INT int64, FLOAT float64, BYTES utf8. The column is a plain value when the shape has
    no dimension or only dimensions of size 1, or when at most one value is allowed; else a list. Features without a
    type, or with neither shape nor value count, are guessed.
    """
    if schema is None:
        return {}
    from tensorflow_metadata.proto.v0 import schema_pb2

    types = {schema_pb2.BYTES: "utf8", schema_pb2.INT: "int64", schema_pb2.FLOAT: "float64"}
    out = {}
    for feature in schema.feature:
        shape = feature.WhichOneof("shape_type")
        if feature.type not in types or shape not in ("shape", "value_count"):
            continue
        name = "bytes" if feature.WhichOneof("domain_info") == "image_domain" else types[feature.type]
        sizes = [d.size for d in feature.shape.dim] if shape == "shape" else [feature.value_count.max]
        out[feature.name] = name if all(size == 1 for size in sizes) else f"list<{name}>"
    return out


def is_open(schema: pa.Schema) -> bool:
    """Whether a schema has `OPEN_MARK`."""
    return OPEN_MARK in (schema.metadata or {})


def join_types(one: pa.DataType, two: pa.DataType) -> pa.DataType:
    """The type that holds both.

    Raises:
        _NoCommonTypeError: numbers and bytes.
    """
    import pyarrow as pa
    import pyarrow.types as t

    if one == two or t.is_null(two):
        return one
    if t.is_null(one):
        return two
    if t.is_struct(one) and t.is_struct(two):
        return pa.struct(join_fields({f.name: f for f in one}, {f.name: f for f in two}))
    if t.is_list(one) or t.is_list(two):
        inner = [kind.value_type if t.is_list(kind) else kind for kind in (one, two)]
        return pa.list_(join_types(inner[0], inner[1]))
    for pair, joined in (
        ({pa.int64(), pa.float64()}, pa.float64()),
        ({pa.string(), pa.binary()}, pa.binary()),
    ):
        if {one, two} == pair:
            return joined
    raise _NoCommonTypeError


def join_fields(
    one: Mapping[str, Any], two: Mapping[str, Any], parts: tuple[str, str] = ("one part", "another part")
) -> list[pa.Field]:
    """The fields of either side, by name, sorted.

    Raises:
        DataError: listing every column whose types have no common one.
    """
    import pyarrow as pa

    out, problems = [], []
    for name in sorted({*one, *two}):
        sides = [side[name].type for side in (one, two) if name in side]
        try:
            out.append(pa.field(name, join_types(sides[0], sides[-1])))
        except _NoCommonTypeError:
            problems.append(f"column {name!r}: {sides[0]} in {parts[0]}; {sides[1]} in {parts[1]}")
    if problems:
        raise DataError(
            "numbers and bytes in one column have no common type",
            problems=problems,
            hint="fix the column's type by a schema: records of another type are rejects then.",
        )
    return out


def join_open(one: pa.Schema, two: pa.Schema, names: tuple[str, str] = ("one part", "another part")) -> pa.Schema:
    """The schema that holds the rows of both.

    Raises:
        DataError: as `join_fields`.
    """
    import pyarrow as pa

    fields = join_fields({f.name: f for f in one}, {f.name: f for f in two}, names)
    return pa.schema(fields, metadata={OPEN_MARK: b"1"})

"""Avro schemas as trees of nodes: what is read off the wire, which Arrow type it stands in, and what it becomes.

Strings are read as bytes and enums as numbers, logical types as what they are stored in; Arrow then makes text, symbols
and times of whole columns. Contract's types: int and long int64, float and double float64, string, enum and uuid utf8,
bytes and fixed bytes, date and timestamps timestamp[us], decimals float64, times of day their int64 (of milliseconds or
microseconds as in the file), arrays lists, records structs, maps lists of structs of ``key`` and ``value``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from trueline._core.errors import SchemaError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Node", "avro_node", "wire_type"]

_PRIMITIVES = {
    "null": ("null", 0),
    "boolean": ("bool", 1),
    "int": ("int64", 1),
    "long": ("int64", 1),
    "float": ("float64", 4),
    "double": ("float64", 8),
    "bytes": ("bytes", 1),
    "string": ("utf8", 1),
}
_TIMES = {
    ("int", "date"): "date",
    ("long", "timestamp-millis"): "millis",
    ("long", "timestamp-micros"): "micros",
    ("long", "timestamp-nanos"): "nanos",
    ("long", "local-timestamp-millis"): "millis",
    ("long", "local-timestamp-micros"): "micros",
    ("long", "local-timestamp-nanos"): "nanos",
}
_MAX_DEPTH = 32


@dataclass(frozen=True)
class Node:
    """One type of an Avro schema.

    Attributes:
        kind: ``null bool int64 float64 bytes utf8 enum decimal date millis micros nanos list map struct``.
        wire: the Avro type that is decoded.
        smallest: the fewest bytes of a value.
        nullable: whether it may be missing.
        children: names and types of a record's fields; ``item`` or ``value`` of arrays and maps.
        symbols: of an enum.
        scale: of a decimal.
    """

    kind: str
    wire: Any
    smallest: int
    nullable: bool = False
    children: tuple[tuple[str, Node], ...] = ()
    symbols: tuple[str, ...] = ()
    scale: int = 0


def avro_node(schema: Any, where: str = "the record") -> Node:
    """The tree of a record's schema.

    Raises:
        SchemaError: no schema, or types that have no place in the contract: every column that is so, at once.
    """
    if not isinstance(schema, Mapping) or schema.get("type") not in ("record", "error"):
        raise SchemaError("the file's schema is no record", where=where, hint="a row is an Avro record.")
    names: dict[str, Any] = {}
    _register(schema, names, where)
    fields, problems = [], []
    for name, kind in _fields_of(schema, where):
        try:
            fields.append((name, _node(kind, names, name, (str(schema.get("name")),))))
        except SchemaError as error:
            problems.append(f"column {error.where}: {error.message}")
    if problems:
        raise SchemaError("columns that cannot go down the line", where=where, problems=problems)
    made = _record(fields, "Row")
    if made.smallest == 0:
        raise SchemaError("the file's records have no bytes, they cannot be counted", where=where)
    return made


def _fields_of(schema: Mapping[str, Any], where: str) -> list[tuple[str, Any]]:
    fields = schema.get("fields")
    well_formed = isinstance(fields, list) and all(
        isinstance(f, Mapping) and isinstance(f.get("name"), str) and "type" in f for f in fields
    )
    if not well_formed or not isinstance(fields, list):
        raise SchemaError("the record's fields are no list of names and types", where=where)
    names = [f["name"] for f in fields]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise SchemaError(f"the record has fields twice: {', '.join(twice)}", where=where)
    return [(f["name"], f["type"]) for f in fields]


def _register(schema: Any, names: dict[str, Any], where: str, space: str = "", depth: int = 0) -> None:
    """Collects named types, by short and full name."""
    if depth > _MAX_DEPTH:
        raise SchemaError(f"the schema is nested more than {_MAX_DEPTH} deep", where=where)
    if isinstance(schema, list):
        for branch in schema:
            _register(branch, names, where, space, depth + 1)
        return
    if not isinstance(schema, Mapping):
        return
    kind = schema.get("type")
    if kind in ("record", "error", "enum", "fixed") and isinstance(schema.get("name"), str):
        space = str(schema.get("namespace") or space)
        short = schema["name"].rsplit(".", 1)[-1]
        for name in (schema["name"], short, f"{space}.{short}"):
            names.setdefault(name, schema)
    for inner in (schema.get("items"), schema.get("values"), kind if isinstance(kind, Mapping | list) else None):
        _register(inner, names, where, space, depth + 1)
    for field in schema.get("fields") or () if isinstance(schema.get("fields"), list) else ():
        if isinstance(field, Mapping):
            _register(field.get("type"), names, where, space, depth + 1)


def _record(fields: list[tuple[str, Node]], name: str) -> Node:
    wire = {"type": "record", "name": name, "fields": [{"name": n, "type": node.wire} for n, node in fields]}
    return Node("struct", wire, sum(node.smallest for _, node in fields), children=tuple(fields))


def _node(schema: Any, names: Mapping[str, Any], where: str, above: tuple[str, ...]) -> Node:
    if len(above) > _MAX_DEPTH:
        raise SchemaError(f"nested more than {_MAX_DEPTH} deep", where=where)
    if isinstance(schema, list):
        return _union(schema, names, where, above)
    if isinstance(schema, str):
        if schema in _PRIMITIVES:
            kind, smallest = _PRIMITIVES[schema]
            wire = "bytes" if schema == "string" else schema
            return Node(kind, wire, smallest, nullable=schema == "null")
        if schema not in names:
            raise SchemaError(f"the type {schema!r} is not defined", where=where)
        schema = names[schema]
    if not isinstance(schema, Mapping):
        raise SchemaError(f"{schema!r} is no type", where=where)
    outer = schema.get("type")
    if isinstance(outer, Mapping | list):
        return _node(outer, names, where, (*above, ""))
    if outer in ("record", "error"):
        name = str(schema.get("name"))
        if name in above:
            raise SchemaError(f"the record {name!r} contains itself", where=where)
        inner = [(n, _node(t, names, f"{where}.{n}", (*above, name))) for n, t in _fields_of(schema, where)]
        if not inner:
            raise SchemaError("a record without fields", where=where)
        return _record(inner, "R_" + "_".join(str(ord(c)) for c in where))
    if outer in ("array", "map"):
        return _repeated(str(outer), schema, names, where, above)
    return _logical(schema, names, where, above)


def _repeated(kind: str, schema: Mapping[str, Any], names: Mapping[str, Any], where: str, above: Any) -> Node:
    part = "items" if kind == "array" else "values"
    if part not in schema:
        raise SchemaError(f"the {kind} does not say what its {part} are", where=where)
    inner = _node(schema[part], names, f"{where}.{part}", (*above, ""))
    if inner.smallest == 0 and kind == "array":
        raise SchemaError("the array's items have no bytes, they cannot be counted", where=where)
    wire = {"type": kind, part: inner.wire}
    return Node(
        "list" if kind == "array" else "map", wire, 1, children=(("item" if kind == "array" else "value", inner),)
    )


def _logical(schema: Mapping[str, Any], names: Mapping[str, Any], where: str, above: Any) -> Node:
    kind, logical = schema.get("type"), schema.get("logicalType")
    if kind == "enum":
        symbols = schema.get("symbols")
        if not isinstance(symbols, list) or not all(isinstance(s, str) for s in symbols):
            raise SchemaError("the enum's symbols are no list of names", where=where)
        return Node("enum", "int", 1, symbols=tuple(symbols))
    if kind == "fixed":
        size = schema.get("size")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 < size < 1 << 30:
            raise SchemaError(f"a fixed type of {size!r} bytes", where=where)
        wire = {"type": "fixed", "name": "F_" + "_".join(str(ord(c)) for c in where), "size": size}
        plain = Node("bytes", wire, size)
    elif isinstance(kind, str):
        plain = _node(kind, names, where, (*above, ""))
    else:
        raise SchemaError(f"{kind!r} is no type", where=where)
    if logical == "decimal" and plain.kind == "bytes":
        scale = schema.get("scale", 0)
        if not isinstance(scale, int) or isinstance(scale, bool) or not 0 <= scale <= 1_000:
            raise SchemaError(f"a decimal of scale {scale!r}", where=where)
        return replace(plain, kind="decimal", scale=scale)
    return replace(plain, kind=_TIMES.get((str(kind), str(logical)), plain.kind))


def _union(branches: list[Any], names: Mapping[str, Any], where: str, above: Any) -> Node:
    """A union is what its branches have in common; null makes it nullable."""
    nodes = [_node(b, names, where, (*above, "")) for b in branches]
    if not nodes:
        raise SchemaError("a union of nothing", where=where)
    real = [n for n in nodes if n.kind != "null"]
    wire, smallest = [n.wire for n in nodes], 1 + min(n.smallest for n in nodes)
    if not real:
        return replace(nodes[0], wire=wire, smallest=smallest)
    nullable = len(real) < len(nodes)
    kinds = {n.kind for n in real}
    if len(real) == 1:
        return replace(real[0], wire=wire, smallest=smallest, nullable=nullable)
    for allowed, joined in (({"int64", "float64"}, "float64"), ({"utf8", "bytes"}, "bytes")):
        if kinds <= allowed:
            kind = next(iter(kinds)) if len(kinds) == 1 else joined
            return Node(kind, wire, smallest, nullable)
    listed = ", ".join(sorted(kinds))
    raise SchemaError(f"a union of types that have no common one: {listed}", where=where)


def wire_type(node: Node) -> pa.DataType:
    """The Arrow type of values as they are decoded."""
    import pyarrow as pa

    plain = {
        "null": pa.null(),
        "bool": pa.bool_(),
        "float64": pa.float64(),
        "bytes": pa.binary(),
        "utf8": pa.binary(),
        "decimal": pa.binary(),
    }
    if node.kind == "list":
        return pa.list_(wire_type(node.children[0][1]))
    if node.kind == "map":
        return pa.map_(pa.binary(), wire_type(node.children[0][1]))
    if node.kind == "struct":
        return pa.struct([pa.field(name, wire_type(child)) for name, child in node.children])
    return plain.get(node.kind, pa.int64())

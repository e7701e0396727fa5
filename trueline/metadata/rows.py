"""Between records and table rows: property values and their checks."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any

from trueline._core.errors import MetadataError, did_you_mean
from trueline.metadata.records import PropertyType, PropertyValue, ProtoValue, TypeSpec

__all__ = ["PROPERTY_COLUMNS", "check_properties", "property_columns", "property_type_of", "property_value"]

_STRUCT_PREFIX = "mlmd-struct::"
PROPERTY_COLUMNS = ("int_value", "double_value", "string_value", "byte_value", "proto_value", "bool_value")
"""Columns of a property row that hold a value, of which one is used."""


def property_type_of(value: object) -> PropertyType:
    """The type under which a Python value is stored; UNKNOWN for what cannot be."""
    for kind, classes in (
        (PropertyType.BOOLEAN, bool),
        (PropertyType.INT, int),
        (PropertyType.DOUBLE, float),
        (PropertyType.STRING, str),
        (PropertyType.STRUCT, dict),
        (PropertyType.PROTO, ProtoValue),
    ):
        if isinstance(value, classes):
            return kind
    return PropertyType.UNKNOWN


def check_properties(
    spec: TypeSpec, properties: Mapping[str, Any], custom: Mapping[str, Any], what: str
) -> dict[str, Any]:
    """The declared properties with ints widened to doubles where declared so.

    Raises:
        MetadataError: listing every unknown name and every value of a wrong type.
    """
    problems, checked = [], {}
    for name, value in properties.items():
        declared, given = spec.properties.get(name), property_type_of(value)
        if declared is None:
            problems.append(f"type {spec.name!r} declares no property {name!r}. {did_you_mean(name, spec.properties)}")
            continue
        if declared is PropertyType.DOUBLE and given is PropertyType.INT:
            value, given = float(value), PropertyType.DOUBLE
        if given is not declared:
            problems.append(f"property {name!r} is {declared.name}, but was given {value!r}")
        checked[name] = value
    for name, value in custom.items():
        if property_type_of(value) is PropertyType.UNKNOWN:
            problems.append(f"custom property {name!r} cannot hold a {type(value).__name__}: {value!r}")
    for name, value in (*checked.items(), *custom.items()):
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            problems.append(f"property {name!r} is {value}, which does not fit 64 bits")
        if isinstance(value, float) and math.isnan(value):
            problems.append(f"property {name!r} is NaN, which a database turns into a missing value")
    if problems:
        raise MetadataError(f"{what} does not fit its type", problems=problems, code="INVALID_ARGUMENT")
    return checked


def property_columns(value: PropertyValue) -> dict[str, Any]:
    """The columns of a property row: one holds the value, the others are null."""
    columns: dict[str, Any] = dict.fromkeys(PROPERTY_COLUMNS)
    if isinstance(value, bool):
        columns["bool_value"] = value
    elif isinstance(value, int):
        columns["int_value"] = value
    elif isinstance(value, float):
        columns["double_value"] = value
    elif isinstance(value, str):
        columns["string_value"] = value
    elif isinstance(value, ProtoValue):
        columns["proto_value"] = value.data
    else:
        columns["string_value"] = _encode_struct(value)
    return columns


def property_value(row: Mapping[str, Any]) -> PropertyValue | None:
    """The value of a property row; None for a row that holds nothing."""
    for column in ("int_value", "double_value", "bool_value"):
        if row[column] is not None:
            value: PropertyValue = row[column]
            return value
    if row["proto_value"] is not None:
        return ProtoValue(bytes(row["proto_value"]))
    text = row["string_value"]
    if text is None:
        return None
    return _decode_struct(text) if text.startswith(_STRUCT_PREFIX) else str(text)


def _encode_struct(value: Mapping[str, Any]) -> str:
    from google.protobuf.json_format import ParseDict
    from google.protobuf.struct_pb2 import Struct

    message = ParseDict(dict(value), Struct()).SerializeToString(deterministic=True)
    return _STRUCT_PREFIX + base64.b64encode(message).decode("ascii")


def _decode_struct(text: str) -> PropertyValue:
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message import DecodeError
    from google.protobuf.struct_pb2 import Struct

    try:
        message = Struct.FromString(base64.b64decode(text.removeprefix(_STRUCT_PREFIX), validate=True))
    except (DecodeError, binascii.Error):
        return text
    decoded: dict[str, Any] = MessageToDict(message)
    return decoded

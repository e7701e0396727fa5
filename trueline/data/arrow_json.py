"""Arrow schemas of the value contract as readable JSON, for ``examples.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ArtifactError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["schema_from_json", "schema_to_json"]


def _scalars() -> dict[str, pa.DataType]:
    import pyarrow as pa

    return {
        "float64": pa.float64(),
        "float32": pa.float32(),
        "int64": pa.int64(),
        "bool": pa.bool_(),
        "utf8": pa.string(),
        "bytes": pa.binary(),
        "timestamp": pa.timestamp("us"),
    }


def _type_to_json(arrow_type: pa.DataType) -> Any:
    import pyarrow.types as t

    for name, scalar in _scalars().items():
        if arrow_type == scalar:
            return name
    if t.is_fixed_size_list(arrow_type):
        return {"list": _type_to_json(arrow_type.value_type), "size": arrow_type.list_size}
    if t.is_list(arrow_type):
        return {"list": _type_to_json(arrow_type.value_type)}
    if t.is_struct(arrow_type):
        return {"struct": [{"name": f.name, "type": _type_to_json(f.type)} for f in arrow_type]}
    raise ArtifactError(f"Arrow type {arrow_type} is not in the value contract", hint="widen the column first.")


def _type_from_json(data: Any) -> pa.DataType:
    import pyarrow as pa

    if isinstance(data, str) and data in _scalars():
        return _scalars()[data]
    if isinstance(data, Mapping) and "list" in data:
        size = data.get("size", -1)
        if not isinstance(size, int):
            raise ArtifactError(f"a list has size {size!r}")
        return pa.list_(_type_from_json(data["list"]), size)
    if isinstance(data, Mapping) and isinstance(data.get("struct"), list):
        return pa.struct([pa.field(str(f["name"]), _type_from_json(f["type"])) for f in data["struct"]])
    raise ArtifactError(f"{data!r} is no column type", hint="a newer trueline may have written it.")


def schema_to_json(schema: pa.Schema) -> list[dict[str, Any]]:
    """The columns in order, each with name and type.

    Raises:
        ArtifactError: for a type outside the value contract.
    """
    return [{"name": field.name, "type": _type_to_json(field.type)} for field in schema]


def schema_from_json(data: Sequence[Mapping[str, Any]]) -> pa.Schema:
    """The schema that `schema_to_json` described.

    Raises:
        ArtifactError: for an unknown type.
    """
    import pyarrow as pa

    return pa.schema([pa.field(str(f["name"]), _type_from_json(f["type"])) for f in data])

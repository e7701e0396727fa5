"""The value contract: which types of value exist, and how each stands in Arrow.

Raw columns are float64, int64, bool, utf8, bytes or timestamp (microseconds UTC), alone or in lists. Missing is
the Arrow null and nothing else: NaN, 0, "" and False are values. Narrower types are widened once, at ingestion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from trueline._core.errors import SchemaError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "HIDDEN_PREFIX",
    "PRESENT",
    "WIDENED_FROM",
    "DType",
    "Kind",
    "RawFeature",
    "arrow_type_of",
    "raw_feature_of",
    "widen",
    "widened_type",
]

DType = Literal["float64", "int64", "bool", "utf8", "bytes", "timestamp", "float32"]
Kind = Literal["scalar", "fixed", "ragged"]

PRESENT = ":present"
"""Suffix of the ONNX input or output that says which rows of an optional feature are there."""
HIDDEN_PREFIX = "__"
"""Columns that begin so are the line's own (``__row__``) and are no features."""
WIDENED_FROM = b"trueline.widened_from"
"""Metadata of a field whose type says less than its values: they were a ``date``, ``time`` or ``duration``."""


@dataclass(frozen=True)
class RawFeature:
    """One column as the graph, the model and the server see it.

    Attributes:
        name: the column's name.
        dtype: one of `DType`; ``float32`` only at a transform's outputs.
        kind: ``scalar``, ``fixed`` (a vector of `size`) or ``ragged`` (a list of any length).
        size: length of a fixed vector, else None.
        optional: whether the value may be missing.
    """

    name: str
    dtype: DType
    kind: Kind = "scalar"
    size: int | None = None
    optional: bool = True

    def __post_init__(self) -> None:
        if self.dtype not in get_args(DType) or self.kind not in get_args(Kind):
            raise SchemaError(
                f"feature {self.name!r} has type {self.dtype!r} and kind {self.kind!r}",
                hint=f"types: {', '.join(get_args(DType))}; kinds: {', '.join(get_args(Kind))}.",
            )
        if (self.kind == "fixed") != (self.size is not None):
            raise SchemaError(f"feature {self.name!r}: a size belongs to kind 'fixed' and only there")

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` is its inverse."""
        out: dict[str, Any] = {"name": self.name, "dtype": self.dtype, "kind": self.kind, "optional": self.optional}
        if self.size is not None:
            out["size"] = self.size
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RawFeature:
        """The feature that `to_json` described."""
        return cls(
            name=str(data["name"]),
            dtype=cast(DType, data["dtype"]),
            kind=cast(Kind, data.get("kind", "scalar")),
            size=data.get("size"),
            optional=bool(data.get("optional", True)),
        )


def widened_type(arrow_type: pa.DataType) -> pa.DataType:
    """The contract's type for an Arrow type.

    Raises:
        SchemaError: for a type that has no place in the contract.
    """
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_dictionary(arrow_type):
        return widened_type(arrow_type.value_type)
    if t.is_integer(arrow_type):
        return pa.int64()
    if t.is_floating(arrow_type) or t.is_decimal(arrow_type):
        return pa.float64()
    if t.is_boolean(arrow_type):
        return pa.bool_()
    if t.is_string(arrow_type) or t.is_large_string(arrow_type) or t.is_string_view(arrow_type):
        return pa.string()
    if t.is_binary(arrow_type) or t.is_large_binary(arrow_type) or t.is_fixed_size_binary(arrow_type):
        return pa.binary()
    if t.is_timestamp(arrow_type) or t.is_date(arrow_type):
        return pa.timestamp("us")
    if t.is_null(arrow_type):
        return pa.string()
    if t.is_fixed_size_list(arrow_type):
        return pa.list_(widened_type(arrow_type.value_type), arrow_type.list_size)
    if t.is_list(arrow_type) or t.is_large_list(arrow_type):
        return pa.list_(widened_type(arrow_type.value_type))
    if t.is_struct(arrow_type):
        return pa.struct([pa.field(f.name, widened_type(f.type)) for f in arrow_type])
    raise SchemaError(
        f"a column of Arrow type {arrow_type} cannot go down the line",
        hint="numbers, booleans, text, bytes, timestamps, dates, decimals, lists and structs can.",
    )


def widen(batch: pa.RecordBatch, *, keep_dictionaries: bool = False) -> pa.RecordBatch:
    """The same rows in the contract's types; columns already right are not copied.

    Args:
        batch: the rows.
        keep_dictionaries: leave dictionary arrays of text as they are: for a reader that works on codes.

    Raises:
        SchemaError: for a type that has no place, an unsigned value above 2**63 - 1, or a time beyond int64's
            microseconds, naming the column.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    columns, fields = [], []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        try:
            target = field.type if keep_dictionaries and _is_text_dictionary(field.type) else widened_type(field.type)
            if field.type != target:
                if pa.types.is_dictionary(field.type):  # not every kind of text can be taken by codes
                    words = column.dictionary.cast(target) if pa.types.is_string(target) else column.dictionary
                    column = pa.DictionaryArray.from_arrays(column.indices, words)
                if pa.types.is_timestamp(field.type) and field.type.tz is not None:
                    column = pc.cast(column, pa.timestamp("us", "UTC"), safe=_exact(field.type))
                column = pc.cast(column, target, safe=_exact(field.type))
        except (pa.ArrowInvalid, SchemaError) as error:
            raise SchemaError(str(error), where=f"column {field.name!r}") from error
        columns.append(column)
        fields.append(pa.field(field.name, target))
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _is_text_dictionary(arrow_type: pa.DataType) -> bool:
    import pyarrow.types as t

    return bool(t.is_dictionary(arrow_type) and t.is_string(arrow_type.value_type))


def _exact(arrow_type: pa.DataType) -> bool:
    """Whether a cast must keep every value as it is: all but nanoseconds, which are cut to microseconds."""
    text = str(arrow_type)
    return "timestamp[ns" not in text or "uint64" in text


_SCALARS: dict[str, DType] = {
    "double": "float64",
    "float": "float32",
    "int64": "int64",
    "bool": "bool",
    "string": "utf8",
    "binary": "bytes",
    "timestamp[us]": "timestamp",
}


def raw_feature_of(field: pa.Field, optional: bool = True) -> RawFeature:
    """The feature that a widened Arrow field holds.

    Raises:
        SchemaError: for structs and nested lists, which need flattening first.
    """
    import pyarrow.types as t

    arrow_type, kind, size = field.type, "scalar", None
    if t.is_fixed_size_list(arrow_type):
        arrow_type, kind, size = arrow_type.value_type, "fixed", arrow_type.list_size
    elif t.is_list(arrow_type):
        arrow_type, kind = arrow_type.value_type, "ragged"
    dtype = _SCALARS.get(str(arrow_type))
    if dtype is None:
        raise SchemaError(
            f"column {field.name!r} has Arrow type {field.type}, which is no feature",
            hint="widen it with trueline._core.values.widen, or flatten structs and nested lists first.",
        )
    return RawFeature(field.name, dtype, cast(Kind, kind), size, optional)


def arrow_type_of(feature: RawFeature) -> pa.DataType:
    """The Arrow type of a feature's column."""
    import pyarrow as pa

    scalar = {
        "float64": pa.float64(),
        "float32": pa.float32(),
        "int64": pa.int64(),
        "bool": pa.bool_(),
        "utf8": pa.string(),
        "bytes": pa.binary(),
        "timestamp": pa.timestamp("us"),
    }[feature.dtype]
    if feature.kind == "fixed":
        return pa.list_(scalar, feature.size)
    return pa.list_(scalar) if feature.kind == "ragged" else scalar

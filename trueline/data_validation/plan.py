"""Which features a dataset's columns hold: structs opened, lists counted, each feature given its type and kind.

A plan is JSON, so that workers need no schema: it is a parameter of the accumulator.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from trueline._core.errors import SchemaError, did_you_mean
from trueline._core.values import HIDDEN_PREFIX, widened_type
from trueline.data_validation.options import StatsOptions
from trueline.schema.features import find_feature

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FeaturePlan", "plan_features"]

# The contract's types (see `widened_type`) -> the type of the statistics.
_TYPES = {
    "bool": "INT",
    "int64": "INT",
    "timestamp[us]": "INT",
    "double": "FLOAT",
    "string": "STRING",
    "binary": "STRING",
}


@dataclass(frozen=True)
class FeaturePlan:
    """One feature of the statistics.

    Attributes:
        path: column name and names of struct fields.
        type: ``INT``, ``FLOAT``, ``STRING``, ``BYTES`` or ``STRUCT`` of tensorflow-metadata.
        kind: which part of `trueline.data_validation.columns.PARTS` it carries.
        levels: how many lists lie around a value, 0 for a plain column.
        source: ``bool`` or ``timestamp`` where the Arrow type says more than `type`, else ``""``.
    """

    path: tuple[str, ...]
    type: str
    kind: str
    levels: int
    source: str = ""

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` is its inverse."""
        return {**asdict(self), "path": list(self.path)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> FeaturePlan:
        """The plan that `to_json` described."""
        return cls(tuple(data["path"]), data["type"], data["kind"], int(data["levels"]), data["source"])


def plan_features(arrow_schema: pa.Schema, options: StatsOptions) -> tuple[FeaturePlan, ...]:
    """The features of Arrow columns, structs before their fields; hidden columns are left out.

    Raises:
        SchemaError: listing every column whose type has no statistics, or every unknown name of the allowlist.
    """
    names = [name for name in arrow_schema.names if not name.startswith(HIDDEN_PREFIX)]
    if options.feature_allowlist is not None:
        unknown = [name for name in options.feature_allowlist if name not in names]
        if unknown:
            raise SchemaError(
                "the allowlist names columns that the data lack",
                problems=[f"{name!r}: {did_you_mean(name, names)}" for name in unknown],
            )
        names = list(options.feature_allowlist)
    found: list[FeaturePlan] = []
    problems: list[str] = []
    for name in names:
        try:
            found += _plans((name,), widened_type(arrow_schema.field(name).type), options.schema)
        except SchemaError as error:
            problems.append(f"{name!r}: {error.message}")
    if problems:
        raise SchemaError("these columns have no statistics", problems=problems)
    return tuple(found)


def _plans(path: tuple[str, ...], arrow_type: pa.DataType, schema: Any) -> Iterator[FeaturePlan]:
    import pyarrow.types as t

    levels = 0
    while t.is_list(arrow_type) or t.is_fixed_size_list(arrow_type):
        arrow_type, levels = arrow_type.value_type, levels + 1
    if t.is_struct(arrow_type):
        yield FeaturePlan(path, "STRUCT", "struct", levels)
        for field in arrow_type:
            yield from _plans((*path, field.name), field.type, schema)
        return
    yield FeaturePlan(path, *_with_schema(path, _TYPES[str(arrow_type)], schema), levels, _source(arrow_type))


def _source(arrow_type: pa.DataType) -> str:
    import pyarrow.types as t

    if t.is_boolean(arrow_type):
        return "bool"
    return "timestamp" if t.is_temporal(arrow_type) else ""


def _with_schema(path: tuple[str, ...], kind: str, schema: Any) -> tuple[str, str]:
    """Type and kind: a schema may call integers categorical and strings images."""
    feature = find_feature(schema, path) if schema is not None else None
    domain = feature.WhichOneof("domain_info") if feature is not None else None
    if kind == "STRING":
        return ("BYTES", "bytes") if domain == "image_domain" else ("STRING", "string")
    if feature is not None and kind == "INT":
        categorical = domain in ("bool_domain", "natural_language_domain") or (
            domain == "int_domain" and feature.int_domain.is_categorical
        )
        if categorical:
            return "INT", "string"
    return kind, "numeric"

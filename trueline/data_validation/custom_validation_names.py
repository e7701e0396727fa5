"""The names that an expression of a custom validation may use: the figures of a feature's statistics, by dotted name.

    num_examples                    rows of the dataset; also weighted_num_examples
    fraction_present                rows that hold the feature / all rows
    type                            INT, FLOAT, STRING, BYTES or STRUCT
    common_stats.num_missing        of whatever kind the feature's statistics are
    num_stats.mean                  every single figure of a `FeatureNameStatistics`, by its fields
    string_stats.unique             has no value where the statistics are of another kind
    custom_stats.<name>             a custom statistic that is a number or text; col("custom_stats.odd name")

A name may begin with ``feature.``; in pairs it begins with ``feature_test.`` or ``feature_base.``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from trueline.data_validation.views import DatasetView, FeatureView

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["CUSTOM", "figure_values", "from_sql", "looks_like_sql", "validation_names"]

CUSTOM = "custom_stats."
_SQL = re.compile(
    r"\b(SELECT|FROM|WHERE|UNNEST|EXISTS|AND|OR|NOT|IN|IS NULL|IS NOT NULL|BETWEEN|LIKE)\b|<>|(?<![<>=!])=(?!=)"
)
_WORDS = {
    "AND": "and",
    "OR": "or",
    "NOT": "not",
    "IN": "in",
    "IS": "is",
    "NULL": "None",
    "TRUE": "True",
    "FALSE": "False",
}


def looks_like_sql(text: str) -> bool:
    """Whether a text has words or signs of SQL that the expression language lacks."""
    return _SQL.search(text) is not None


def from_sql(text: str) -> str:
    """The text with SQL's words and signs replaced one by one by those of the expression language."""
    words = re.sub(r"\b(" + "|".join(_WORDS) + r")\b", lambda m: _WORDS[m[0]], text)
    return re.sub(r"(?<![<>=!])=(?!=)", "==", words.replace("<>", "!="))


@cache
def validation_names() -> dict[str, str]:
    """Every name that an expression may use, without prefix, with ``int``, ``float`` or ``str``."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    found = {"num_examples": "int", "weighted_num_examples": "float", "fraction_present": "float"}
    found |= dict(_fields(statistics_pb2.FeatureNameStatistics.DESCRIPTOR, ""))
    found |= {f"common_stats.{name}": kind for name, kind in _fields(statistics_pb2.CommonStatistics.DESCRIPTOR, "")}
    return found


def _fields(descriptor: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Single figures at any depth; lists, paths and sources are left out."""
    for field in descriptor.fields:
        if field.is_repeated or field.name in ("path", "validation_derived_source"):
            continue
        if field.message_type is not None:
            yield from _fields(field.message_type, f"{prefix}{field.name}.")
        elif field.enum_type is not None or field.cpp_type == field.CPPTYPE_STRING:
            yield prefix + field.name, "str"
        else:
            whole = field.cpp_type not in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT)
            yield prefix + field.name, "int" if whole else "float"


def figure_values(view: FeatureView, dataset: DatasetView) -> dict[str, Any]:
    """The value of every name that has one."""
    found: dict[str, Any] = dict(_values(view.proto, ""))
    if view.proto.WhichOneof("stats") is not None:
        found |= {f"common_stats.{name}": value for name, value in _values(view.common, "")}
        found["fraction_present"] = view.fraction_present
    found["num_examples"] = int(dataset.proto.num_examples)
    found["weighted_num_examples"] = float(dataset.proto.weighted_num_examples)
    for stat in view.proto.custom_stats:
        if stat.WhichOneof("val") in ("num", "str"):
            found[CUSTOM + stat.name] = getattr(stat, stat.WhichOneof("val"))
    return found


def _values(message: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for field in message.DESCRIPTOR.fields:
        if field.is_repeated or field.name in ("path", "validation_derived_source"):
            continue
        if field.message_type is not None:
            if message.HasField(field.name):
                yield from _values(getattr(message, field.name), f"{prefix}{field.name}.")
        elif field.containing_oneof is not None and message.WhichOneof(field.containing_oneof.name) != field.name:
            continue
        elif field.enum_type is not None:
            yield prefix + field.name, field.enum_type.values_by_number[getattr(message, field.name)].name
        else:
            yield prefix + field.name, getattr(message, field.name)


def arrow_types() -> dict[str, pa.DataType]:
    """The Arrow type of each kind of figure."""
    import pyarrow as pa

    return {"int": pa.int64(), "float": pa.float64(), "str": pa.string()}

"""`infer_schema`: a first schema from statistics, cautious about what it claims.

Rules are TensorFlow Data Validation's: types as seen; presence required only where nothing was missing; a fixed shape
where every row has equally many values; strings get a domain where there are few distinct ones, or a boolean or
integer domain where all of them say so. Numbers get no bounds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import SchemaError
from trueline.data_validation.protos import ARROW_TYPE, FREQUENCY_ERROR
from trueline.data_validation.text import LARGE_BYTES, LONG
from trueline.data_validation.views import FeatureView, dataset_view
from trueline.schema.index import SchemaIndex
from trueline.schema.paths import FeaturePath

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

__all__ = ["fill_feature", "fill_value_count", "infer_schema", "parse_domain_info", "parse_int"]

_TRUE = frozenset({"TRUE", "true", "SET", "set", "1", ""})
_FALSE = frozenset({"FALSE", "false", "CLEAR", "clear", "0"})
_RANKS = 1000  # the usual length of a rank histogram: one as long may have been cut
_INTEGER = re.compile(r"[+-]?[0-9]+\Z")


def infer_schema(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    infer_feature_shape: bool = True,
    max_string_domain_size: int = 100,
    schema_transformations: Sequence[Callable[[Any, Any], Any]] | None = None,
) -> schema_pb2.Schema:
    """A schema that these statistics satisfy.

    Args:
        statistics: one dataset, or slices with one of ``All Examples``.
        infer_feature_shape: give a fixed shape to features whose rows all have equally many values.
        max_string_domain_size: most distinct strings that become a domain.
        schema_transformations: functions of the schema and the `DatasetFeatureStatistics` it comes from, called in
            order; each gives the schema on, changed or new.

    Raises:
        SchemaError: if `statistics` are of another type or hold no dataset that could be chosen.
    """
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = schema_pb2.Schema()
    index = SchemaIndex(schema)
    added: dict[FeaturePath, Any] = {}
    dataset = dataset_view(statistics)
    for view in dataset:
        parent = added.get(view.path.parent) if len(view.path.steps) > 1 else schema
        if parent is None:
            raise SchemaError(f"feature {str(view.path)!r} has no statistics of the struct around it")
        home = parent.feature if parent is schema else parent.struct_domain.feature
        added[view.path] = feature = home.add()
        fill_feature(feature, view, index, shapes=infer_feature_shape, max_domain=max_string_domain_size)
    for transform in schema_transformations or ():
        schema = transform(schema, dataset.proto)
    return schema


def fill_feature(feature: Any, view: FeatureView, index: SchemaIndex, *, shapes: bool, max_domain: int) -> None:
    """Fills an empty `Feature` from statistics; a string domain is added to the schema."""
    feature.name = view.path.name
    feature.type = _schema_type(view)
    if view.proto.HasField("validation_derived_source"):
        feature.validation_derived_source.CopyFrom(view.proto.validation_derived_source)
        feature.lifecycle_stage = _stage("VALIDATION_DERIVED")
    feature.presence.min_count = int(view.num_present >= 1)  # weights may add up to less than a row
    if view.num_present > 0:
        if view.num_missing == 0:
            feature.presence.min_fraction = 1.0
        if not (shapes and _fill_shape(feature, view)):
            fill_value_count(feature, view)
    next((True for infer in _DOMAINS if infer(feature, view, index, max_domain)), False)


def _schema_type(view: FeatureView) -> int:
    from tensorflow_metadata.proto.v0 import schema_pb2

    return int(schema_pb2.FeatureType.Value(view.schema_type))


def _stage(name: str) -> int:
    from tensorflow_metadata.proto.v0 import schema_pb2

    return int(schema_pb2.LifecycleStage.Value(name))


def _fill_shape(feature: Any, view: FeatureView) -> bool:
    levels = view.levels
    fixed = all(not missing and level.min_num_values == level.max_num_values > 0 for missing, level in levels)
    if view.type == "STRUCT" or not fixed:
        return False
    for _, level in levels:
        feature.shape.dim.add(size=level.min_num_values)
    return True


def fill_value_count(feature: Any, view: FeatureView) -> None:
    """Bounds the number of values a row: exactly where all rows have equally many, else at least one."""
    levels = [level for _, level in view.levels]
    if len(levels) == 1 and levels[0].min_num_values == 0:
        return
    for level in levels:
        count = feature.value_count if len(levels) == 1 else feature.value_counts.value_count.add()
        if level.min_num_values > 0:
            equal = level.min_num_values == level.max_num_values
            count.min = level.min_num_values if equal else 1
            if equal:
                count.max = level.max_num_values


def parse_int(text: str) -> int | None:
    """The int64 that a text spells, or None."""
    if not _INTEGER.match(text):
        return None
    value = int(text)
    return value if -(2**63) <= value < 2**63 else None


def parse_domain_info(view: FeatureView) -> tuple[str, Any] | None:
    """Field and message of the one domain that a ``domain_info`` custom statistic describes, if it parses."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    stats = view.custom("domain_info")
    if len(stats) != 1:
        return None
    feature = schema_pb2.Feature()
    try:
        text_format.Parse(stats[0].str, feature)
    except text_format.ParseError:
        return None
    field = feature.WhichOneof("domain_info")
    return None if field is None else (field, getattr(feature, field))


def _infer_described(feature: Any, view: FeatureView, index: SchemaIndex, max_domain: int) -> bool:
    found = parse_domain_info(view)
    if found is not None:
        getattr(feature, found[0]).CopyFrom(found[1])
        getattr(feature, found[0]).SetInParent()
    return found is not None


def _infer_arrow(feature: Any, view: FeatureView, index: SchemaIndex, max_domain: int) -> bool:
    sources = [stat.str for stat in view.custom(ARROW_TYPE)]
    if sources == ["bool"]:
        feature.bool_domain.SetInParent()
    elif sources == ["timestamp"]:
        feature.time_domain.integer_format = feature.time_domain.IntegerTimeFormat.UNIX_MICROSECONDS
    return bool(sources)


def _infer_nothing(feature: Any, view: FeatureView, index: SchemaIndex, max_domain: int) -> bool:
    """Nothing can be said of bytes, of long texts, nor of strings of which only the most frequent are known."""
    if view.type == "BYTES" or view.string is None:
        return view.type == "BYTES"
    cut = len(view.counts) >= _RANKS and view.string.unique > len(view.counts)
    text = any(label == LARGE_BYTES or len(label.encode()) > LONG for label in view.counts)
    return bool(view.string.invalid_utf8_count or view.custom(FREQUENCY_ERROR) or cut or text)


def _infer_bool(feature: Any, view: FeatureView, index: SchemaIndex, max_domain: int) -> bool:
    if view.numeric is not None:
        found = bool(view.type == "INT" and view.numeric.min >= 0 and view.numeric.max == 1)
        if found:
            feature.bool_domain.SetInParent()
        return found
    tokens = set(view.counts)
    true, false = tokens & _TRUE, tokens & _FALSE
    if view.string is None or not tokens or len(true) > 1 or len(false) > 1 or tokens - true - false:
        return False
    feature.bool_domain.SetInParent()
    if true:
        feature.bool_domain.true_value = true.pop()
    if false:
        feature.bool_domain.false_value = false.pop()
    return True


def _infer_int(feature: Any, view: FeatureView, index: SchemaIndex, max_domain: int) -> bool:
    found = view.type == "STRING" and bool(view.counts) and all(parse_int(t) is not None for t in view.counts)
    if found:
        feature.int_domain.SetInParent()
    return found


def _infer_categories(feature: Any, view: FeatureView, index: SchemaIndex, max_domain: int) -> bool:
    """Numbers whose values were counted one by one."""
    fields = {"INT": "int_domain", "FLOAT": "float_domain"}
    found = bool(view.counts) and view.num_present > 0 and view.type in fields
    if found:
        getattr(feature, fields[view.type]).is_categorical = True
    return found


def _infer_strings(feature: Any, view: FeatureView, index: SchemaIndex, max_domain: int) -> bool:
    found = view.string is not None and 0 < len(view.counts) <= max_domain
    if found:
        feature.domain = index.add_domain(str(view.path), view.counts)
    return found


_DOMAINS: tuple[Callable[[Any, FeatureView, SchemaIndex, int], bool], ...] = (
    _infer_described,
    _infer_arrow,
    _infer_nothing,
    _infer_bool,
    _infer_categories,
    _infer_int,
    _infer_strings,
)
"""Tried in this order; the first that says True ends the search."""

"""Rules about a feature as a whole: name, type, presence, valency, shape, distinct values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from trueline.data_validation.rules import Case, Rule, many, retire
from trueline.schema.features import expects

__all__ = ["IDENTITY_RULES", "PRESENCE_RULES"]


def _type_name(case: Case) -> str:
    from tensorflow_metadata.proto.v0 import schema_pb2

    return str(schema_pb2.FeatureType.Name(case.feature.type))


def _missing_name(case: Case) -> list[str]:
    return [] if case.feature.name else ["The schema has a feature without a name."]


def _missing_type(case: Case) -> list[str]:
    known = case.feature.HasField("type") and _type_name(case) != "TYPE_UNKNOWN"
    return [] if known else ["The schema gives the feature no type."]


def _mend_type(case: Case) -> None:
    from tensorflow_metadata.proto.v0 import schema_pb2

    if case.domain in ("domain", "string_domain"):
        case.feature.type = schema_pb2.FeatureType.Value("BYTES")
    else:
        retire(case)


def _unexpected_type(case: Case) -> list[str]:
    """A column of text without a value is one whose type nobody knows: it breaks no type."""
    wanted = _type_name(case)
    unknown = case.view.type == "STRING" and case.view.num_present == 0
    if unknown or case.view.schema_type == wanted:
        return []
    return [f"The schema says {wanted}, the data are {case.view.schema_type}."]


def _bad_lifecycle(case: Case) -> list[str]:
    from tensorflow_metadata.proto.v0 import schema_pb2

    stage = schema_pb2.LifecycleStage.Name(case.feature.lifecycle_stage)
    if not case.feature.HasField("validation_derived_source") or stage == "VALIDATION_DERIVED":
        return []
    return [f"A derived feature must have the lifecycle stage VALIDATION_DERIVED, it has {stage}."]


def _mend_lifecycle(case: Case) -> None:
    from tensorflow_metadata.proto.v0 import schema_pb2

    case.feature.lifecycle_stage = schema_pb2.LifecycleStage.Value("VALIDATION_DERIVED")


def _bad_source(case: Case) -> list[str]:
    derived = case.view.proto.HasField("validation_derived_source")
    if not derived or case.feature.HasField("validation_derived_source"):
        return []
    return ["The data say that the feature is derived, the schema does not."]


def _mend_source(case: Case) -> None:
    case.feature.validation_derived_source.CopyFrom(case.view.proto.validation_derived_source)
    _mend_lifecycle(case)


def _not_present(case: Case) -> list[str]:
    if case.view.num_present > 0 or not expects(case.feature, case.schema, case.environment):
        return []
    return [f"The feature is required, and none of {many(case.view.num_missing, 'row')} holds it."]


IDENTITY_RULES = (
    Rule("FEATURE_MISSING_NAME", "Feature without a name", _missing_name, retire),
    Rule("FEATURE_MISSING_TYPE", "Feature without a type", _missing_type, _mend_type),
    Rule("DERIVED_FEATURE_BAD_LIFECYCLE", "Derived feature in a wrong stage", _bad_lifecycle, _mend_lifecycle),
    Rule("DERIVED_FEATURE_INVALID_SOURCE", "Source of a derived feature unknown", _bad_source, _mend_source),
    Rule("UNEXPECTED_DATA_TYPE", "Unexpected data type", _unexpected_type, retire),
    Rule("FEATURE_TYPE_NOT_PRESENT", "Column empty", _not_present, retire),
)
"""Asked first; the type decides whether anything else can be asked."""


def _bad_fraction(case: Case) -> list[str]:
    fraction = case.feature.presence.min_fraction
    return [] if 0 <= fraction <= 1 else [f"presence.min_fraction is {fraction:g}, it must lie between 0 and 1."]


def _mend_fraction(case: Case) -> None:
    case.feature.presence.min_fraction = min(max(case.feature.presence.min_fraction, 0.0), 1.0)


def _value_counts(feature: Any) -> list[Any]:
    which = feature.WhichOneof("shape_type")
    if which == "value_count":
        return [feature.value_count]
    return list(feature.value_counts.value_count) if which == "value_counts" else []


def _bad_value_count(case: Case) -> list[str]:
    found = []
    for count in _value_counts(case.feature):
        if count.HasField("min") and count.min < 0:
            found.append(f"value_count.min is {count.min}, it must not be negative.")
        if count.HasField("min") and count.HasField("max") and count.max < count.min:
            found.append(f"value_count.max is {count.max}, less than value_count.min, {count.min}.")
        if not count.HasField("min") and count.HasField("max") and count.max < 0:
            found.append(f"value_count.max is {count.max}, it must not be negative.")
    return found


def _mend_value_count(case: Case) -> None:
    for count in _value_counts(case.feature):
        if count.HasField("min") and count.min < 0:
            count.ClearField("min")
        if count.HasField("max"):
            count.max = max(count.max, count.min, 0)


def _bad_shape(case: Case) -> list[str]:
    sizes = [dim.size for dim in case.feature.shape.dim]
    return [f"shape has a dimension of size {size}." for size in sizes if size <= 0]


def _drop_shape(case: Case) -> None:
    case.feature.ClearField("shape")


def _wrong_nesting(case: Case) -> list[str]:
    which, levels = case.feature.WhichOneof("shape_type"), len(case.view.levels)
    if which == "value_count" and levels > 1:
        return [f"value_count is for values without nested lists, the data nest {levels} levels: use value_counts."]
    if which == "value_counts" and len(case.feature.value_counts.value_count) != levels:
        return [f"value_counts has {len(case.feature.value_counts.value_count)} levels, the data have {levels}."]
    return []


def _mend_nesting(case: Case) -> None:
    from trueline.data_validation.inference import fill_value_count

    case.feature.ClearField(case.feature.WhichOneof("shape_type"))
    fill_value_count(case.feature, case.view)


def _counted(case: Case) -> Iterator[tuple[int, Any, Any]]:
    """Level (from 1), the schema's value count and the data's extremes; a level without lists says nothing."""
    pairs = zip(_value_counts(case.feature), case.view.levels, strict=False)
    for level, (count, (_, seen)) in enumerate(pairs, start=1):
        if level == 1 or seen.num_non_missing or seen.max_num_values:
            yield level, count, seen


def _at(level: int, case: Case) -> str:
    return f" at list level {level}" if len(case.view.levels) > 1 else ""


def _too_few(case: Case) -> list[str]:
    return [
        f"Some rows have {many(seen.min_num_values, 'value')}{_at(level, case)}, at least {count.min} are expected."
        for level, count, seen in _counted(case)
        if count.HasField("min") and seen.min_num_values < count.min
    ]


def _mend_too_few(case: Case) -> None:
    for _, count, seen in _counted(case):
        if count.HasField("min") and seen.min_num_values < count.min:
            if seen.min_num_values:
                count.min = seen.min_num_values
            else:
                count.ClearField("min")


def _too_many(case: Case) -> list[str]:
    return [
        f"Some rows have {many(seen.max_num_values, 'value')}{_at(level, case)}, at most {count.max} are expected."
        for level, count, seen in _counted(case)
        if count.HasField("max") and seen.max_num_values > count.max
    ]


def _mend_too_many(case: Case) -> None:
    for _, count, seen in _counted(case):
        if count.HasField("max"):
            count.max = max(count.max, seen.max_num_values)


def _misshapen(case: Case) -> list[str]:
    if not case.feature.HasField("shape"):
        return []
    size, wanted = 1, math.prod(dim.size for dim in case.feature.shape.dim)
    for missing, level in case.view.levels:
        if missing:
            return [f"The schema gives a fixed shape, which {missing:g} of the rows or lists lack."]
        if level.min_num_values != level.max_num_values or level.min_num_values == 0:
            spread = f"{level.min_num_values} to {level.max_num_values}"
            return [f"The schema gives a fixed shape, rows have {spread} values."]
        size *= level.min_num_values
    return [] if size == wanted else [f"The schema's shape holds {wanted} values, rows have {size}."]


def _low_fraction(case: Case) -> list[str]:
    presence, seen = case.feature.presence, case.view.fraction_present
    if not presence.HasField("min_fraction"):
        return []
    if seen >= presence.min_fraction and not (presence.min_fraction == 1.0 and case.view.num_missing):
        return []
    rows = case.view.num_present + case.view.num_missing
    shown = f"{seen:.6g} of the rows hold it ({case.view.num_present:g} of {rows:g})"
    return [f"{shown}, at least {presence.min_fraction:g} are expected."]


def _mend_low_fraction(case: Case) -> None:
    seen = case.view.fraction_present
    case.feature.presence.min_fraction = 0.9999 if seen == 1.0 else seen


def _low_number(case: Case) -> list[str]:
    presence, seen = case.feature.presence, case.view.num_present
    if not presence.HasField("min_count") or seen >= presence.min_count:
        return []
    return [f"{many(seen, 'row')} with a value, at least {presence.min_count} are expected."]


def _mend_low_number(case: Case) -> None:
    case.feature.presence.min_count = int(case.view.num_present)


def _unique(case: Case) -> int:
    return int(case.view.string.unique) if case.view.string is not None else 0


def _no_unique(case: Case) -> list[str]:
    if not case.feature.HasField("unique_constraints") or case.view.string is not None:
        return []
    return ["The schema limits the number of distinct values, which are not counted for these data."]


def _low_unique(case: Case) -> list[str]:
    limits = case.feature.unique_constraints
    if not case.feature.HasField("unique_constraints") or _unique(case) >= limits.min:
        return []
    return [f"There are {_unique(case)} distinct values, at least {limits.min} are expected."]


def _high_unique(case: Case) -> list[str]:
    limits = case.feature.unique_constraints
    if not limits.HasField("max") or _unique(case) <= limits.max:
        return []
    return [f"There are {_unique(case)} distinct values, at most {limits.max} are expected."]


def _set_unique(field: str) -> Any:
    return lambda case: setattr(case.feature.unique_constraints, field, _unique(case))


def _drop_unique(case: Case) -> None:
    case.feature.ClearField("unique_constraints")


PRESENCE_RULES = (
    Rule("INVALID_SCHEMA_SPECIFICATION", "Schema contradicts itself", _bad_fraction, _mend_fraction),
    Rule("INVALID_SCHEMA_SPECIFICATION", "Schema contradicts itself", _bad_value_count, _mend_value_count),
    Rule("INVALID_SCHEMA_SPECIFICATION", "Schema contradicts itself", _bad_shape, _drop_shape),
    Rule("VALUE_NESTEDNESS_MISMATCH", "Other depth of lists", _wrong_nesting, _mend_nesting),
    Rule("FEATURE_TYPE_LOW_NUMBER_VALUES", "Too few values in a row", _too_few, _mend_too_few),
    Rule("FEATURE_TYPE_HIGH_NUMBER_VALUES", "Too many values in a row", _too_many, _mend_too_many),
    Rule("INVALID_FEATURE_SHAPE", "Other shape", _misshapen, _drop_shape),
    Rule("FEATURE_TYPE_LOW_FRACTION_PRESENT", "Missing in too many rows", _low_fraction, _mend_low_fraction),
    Rule("FEATURE_TYPE_LOW_NUMBER_PRESENT", "Present in too few rows", _low_number, _mend_low_number),
    Rule("FEATURE_TYPE_NO_UNIQUE", "Distinct values not counted", _no_unique, _drop_unique),
    Rule("FEATURE_TYPE_LOW_UNIQUE", "Too few distinct values", _low_unique, _set_unique("min")),
    Rule("FEATURE_TYPE_HIGH_UNIQUE", "Too many distinct values", _high_unique, _set_unique("max")),
)
"""Asked of every present feature."""

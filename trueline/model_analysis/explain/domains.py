"""What values a raw feature may take in a row that could exist: by the schema, the data, and the caller's word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError
from trueline._core.values import RawFeature, arrow_type_of
from trueline.model_analysis.explain.distance import numbers_of
from trueline.model_analysis.explain.grids import grid_of, is_number

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2

    from trueline.model_analysis.explain.target import Target

__all__ = ["DIRECTIONS", "Domain", "Limits", "domains_of"]

DIRECTIONS = ("increase", "decrease")
_CHOICES = 50


@dataclass(frozen=True)
class Limits:
    """What the caller says of features.

    Attributes:
        immutable: features that keep their values.
        ranges: feature -> (least, greatest), None for no end.
        directions: feature -> ``increase`` or ``decrease``.
    """

    immutable: tuple[str, ...] = ()
    ranges: Mapping[str, tuple[float | None, float | None]] | None = None
    directions: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Domain:
    """What one feature may become.

    Attributes:
        feature: the raw feature.
        values: other values than the row's own, None for missing; none where it keeps its value.
        low, high: the ends between which a number may be moved.
        number: whether it is one, and may take values between those of the data.
    """

    feature: RawFeature
    values: tuple[Any, ...]
    low: float = -np.inf
    high: float = np.inf
    number: bool = False


def domains_of(
    target: Target, row: Mapping[str, Any], data: pa.Table, schema: schema_pb2.Schema | None, limits: Limits, grid: int
) -> list[Domain]:
    """The domain of every raw feature, in the signature's order.

    Raises:
        ConfigError: a range or a direction that does not fit; all of them at once.
    """
    _check(target, limits)
    found = []
    for feature in target.features:
        own = row[feature.name]
        rule = _rule(schema, feature)
        if feature.name in limits.immutable:
            found.append(Domain(feature, ()))
            continue
        column = data.column(feature.name)
        if is_number(feature):
            found.append(_number(feature, own, column, rule, limits, grid))
        else:
            values = rule.values if rule.values is not None else grid_of(feature, column, _CHOICES).values
            found.append(Domain(feature, _others(feature, own, column, values, rule)))
    return found


@dataclass(frozen=True)
class _Rule:
    """What the schema says."""

    low: float = -np.inf
    high: float = np.inf
    values: tuple[Any, ...] | None = None
    required: bool = False
    categories: bool = False


def _rule(schema: schema_pb2.Schema | None, feature: RawFeature) -> _Rule:
    if schema is None:
        return _Rule(required=not feature.optional)
    from trueline.schema import get_domain
    from trueline.schema.features import find_feature

    message = find_feature(schema, feature.name)
    if message is None:
        return _Rule(required=not feature.optional)
    needed = not feature.optional or (message.HasField("presence") and message.presence.min_fraction >= 1.0)
    kind = message.WhichOneof("domain_info")
    if kind in ("int_domain", "float_domain"):
        domain = get_domain(schema, feature.name)
        low = float(domain.min) if domain.HasField("min") else -np.inf
        high = float(domain.max) if domain.HasField("max") else np.inf
        return _Rule(low, high, None, needed, bool(domain.is_categorical))
    if kind in ("domain", "string_domain") and feature.kind == "scalar":
        values = tuple(get_domain(schema, feature.name).value)
        return _Rule(values=values if feature.dtype == "utf8" else None, required=needed)
    return _Rule(required=needed)


def _number(feature: RawFeature, own: Any, column: Any, rule: _Rule, limits: Limits, grid: int) -> Domain:
    """Quantiles of the data within the ends; a number that stands for a category takes values of the data alone."""
    low, high = (limits.ranges or {}).get(feature.name, (None, None))
    ends = [max(rule.low, -np.inf if low is None else low), min(rule.high, np.inf if high is None else high)]
    here = _float(feature, own)
    way = (limits.directions or {}).get(feature.name)
    if way and here is not None:
        ends = [max(ends[0], here), ends[1]] if way == "increase" else [ends[0], min(ends[1], here)]
    values = grid_of(feature, column, grid).values
    kept = [v for v in values if v is not None and ends[0] <= (_float(feature, v) or 0.0) <= ends[1]]
    for end in ends:  # the ends themselves: the caller's range may begin beyond the data
        if np.isfinite(end) and (edge := _typed(feature, end, ends)) is not None and edge not in kept:
            kept.append(edge)
    if here is None and kept:  # from a missing value all numbers are equally far: the middle ones come first
        middle = float(np.median([_float(feature, v) or 0.0 for v in kept]))
        kept.sort(key=lambda v: abs((_float(feature, v) or 0.0) - middle))
    return Domain(feature, _others(feature, own, column, kept, rule), ends[0], ends[1], not rule.categories)


def _typed(feature: RawFeature, value: float, ends: Sequence[float]) -> Any:
    """A number in the feature's type, within the ends; None where there is none."""
    import pyarrow as pa

    if feature.dtype == "float64":
        return float(value)
    whole = int(np.ceil(value)) if value == ends[0] else int(np.floor(value))
    return whole if feature.dtype == "int64" else pa.array([whole], pa.timestamp("us")).to_pylist()[0]


def _others(feature: RawFeature, own: Any, column: Any, values: Sequence[Any], rule: _Rule) -> tuple[Any, ...]:
    """Values that are not the row's own; missing where it may be, and is in the data."""
    import pyarrow as pa

    kept = [v for v in values if v is not None and v != own]
    if not rule.required and feature.optional and own is not None and column.null_count:
        kept.append(None)
    made: list[Any] = pa.array(kept, arrow_type_of(feature)).to_pylist()
    return tuple(made)


def _float(feature: RawFeature, value: Any) -> float | None:
    import pyarrow as pa

    if value is None:
        return None
    found = float(numbers_of(pa.array([value], arrow_type_of(feature)), feature.dtype)[0])
    return None if np.isnan(found) else found


def _check(target: Target, limits: Limits) -> None:
    numbers = {f.name for f in target.features if is_number(f)}
    problems = [f"a range of {n!r}, which is no number" for n in limits.ranges or {} if n not in numbers]
    problems += [f"a direction of {n!r}, which is no number" for n in limits.directions or {} if n not in numbers]
    problems += [
        f"direction {way!r} of {n!r}: say increase or decrease"
        for n, way in (limits.directions or {}).items()
        if way not in DIRECTIONS
    ]
    for name, ends in (limits.ranges or {}).items():
        low, high = ends
        if low is not None and high is not None and low > high:
            problems.append(f"the range of {name!r} begins at {low} and ends at {high}")
    if problems:
        raise ConfigError("what may change does not fit the model's features", problems=problems)

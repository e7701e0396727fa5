"""What the page knows of each raw feature: how it is edited, within which ends, along which grid its curve is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError
from trueline._core.values import RawFeature
from trueline.model_analysis.explain.distance import Gower, numbers_of
from trueline.model_analysis.explain.grids import grid_of, is_number
from trueline.model_analysis.whatif.values import encode

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2

    from trueline.model_analysis.explain.target import Target

__all__ = ["fields_of", "joined_features"]

_CHOICES = 50
_STEPS = 100
_EDITORS = {"bool": "flag", "utf8": "text", "bytes": "fixed", "timestamp": "time"}


@dataclass(frozen=True)
class _Rule:
    """What the schema says of a feature: ends, values, and whether others and none are allowed."""

    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] | None = None
    free: bool = True
    required: bool = False


def joined_features(targets: Sequence[Target]) -> tuple[RawFeature, ...]:
    """The raw features of all models, each once; required where one of them requires it.

    Raises:
        ConfigError: a feature that is of another type in another model.
    """
    found: dict[str, RawFeature] = {}
    problems = []
    for target in targets:
        for feature in target.features:
            known = found.setdefault(feature.name, feature)
            if replace(known, optional=feature.optional) != feature:
                problems.append(
                    f"{feature.name!r} is {known.dtype} ({known.kind}) in one model and "
                    f"{feature.dtype} ({feature.kind}) in the other"
                )
            found[feature.name] = replace(known, optional=known.optional and feature.optional)
    if problems:
        raise ConfigError("the models read other raw features, so that one row does not fit both", problems=problems)
    return tuple(found.values())


def fields_of(
    features: Sequence[RawFeature],
    reference: pa.Table,
    schema: schema_pb2.Schema | None,
    edited: Sequence[str] | None,
    grid: int,
) -> list[dict[str, Any]]:
    """A JSON object for each feature, in order.

    Keys: ``name dtype kind size optional`` (the feature), ``missing`` (may be emptied), ``editor`` (``number flag
    choice text time json fixed``), ``low high step`` (of a slider), ``limits`` (the schema's ends), ``values`` (to be
    chosen from), ``free`` (others too), ``grid`` and ``x`` (the curve's values and, of numbers, where they stand),
    ``spread`` (what Gower's distance divides by), ``edited`` (whether the page offers it).

    Args:
        features: the raw features.
        reference: rows for ranges, frequent values and spreads, in the features' types.
        schema: domains and presence, where there is one.
        edited: the features to edit, None for all.
        grid: values of a curve at most.
    """
    spreads = Gower(features, reference).spreads
    made = []
    for feature, spread in zip(features, spreads, strict=True):
        rule, column = _rule(schema, feature), reference.column(feature.name)
        offered = edited is None or feature.name in edited
        field = feature.to_json() | {
            "missing": feature.optional and not rule.required,
            "edited": offered and feature.dtype != "bytes",
            "spread": [float(s) for s in spread],
        }
        made.append(field | _editor(feature, column, rule) | _curve(feature, column, rule, grid))
    return made


def _rule(schema: schema_pb2.Schema | None, feature: RawFeature) -> _Rule:
    if schema is None:
        return _Rule()
    from trueline.schema import get_domain
    from trueline.schema.features import find_feature

    message = find_feature(schema, feature.name)
    if message is None:
        return _Rule()
    required = bool(message.HasField("presence") and message.presence.min_fraction >= 1.0)
    kind = message.WhichOneof("domain_info")
    if kind in ("int_domain", "float_domain"):
        domain = get_domain(schema, feature.name)
        low = float(domain.min) if domain.HasField("min") and math.isfinite(domain.min) else None
        high = float(domain.max) if domain.HasField("max") and math.isfinite(domain.max) else None
        return _Rule(low, high, required=required)
    if kind in ("domain", "string_domain") and feature.dtype == "utf8":
        limits = message.distribution_constraints
        free = message.HasField("distribution_constraints") and limits.min_domain_mass < 1.0
        return _Rule(values=tuple(get_domain(schema, feature.name).value), free=free, required=required)
    return _Rule(required=required)


def _editor(feature: RawFeature, column: pa.ChunkedArray, rule: _Rule) -> dict[str, Any]:
    if feature.dtype == "bytes":
        return {"editor": "fixed"}
    if feature.kind != "scalar":
        return {"editor": "json"}
    if feature.dtype in ("float64", "float32", "int64"):
        return {"editor": "number"} | _range(feature, column, rule)
    if feature.dtype == "utf8":
        if rule.values is not None and not rule.free:
            return {"editor": "choice", "values": list(rule.values), "free": False}
        known = dict.fromkeys([*(rule.values or ()), *_frequent(feature, column)])
        return {"editor": "text", "values": list(known), "free": True}
    return {"editor": _EDITORS[feature.dtype]}


def _frequent(feature: RawFeature, column: pa.ChunkedArray) -> list[str]:
    return [v for v in grid_of(feature, column, _CHOICES).values if v is not None]


def _range(feature: RawFeature, column: pa.ChunkedArray, rule: _Rule) -> dict[str, Any]:
    """The slider's ends: the schema's, else those of the data; and a step of some hundredth of them."""
    values = numbers_of(_whole(column), feature.dtype)
    values = values[np.isfinite(values)]
    low = rule.low if rule.low is not None else float(values.min()) if len(values) else 0.0
    high = rule.high if rule.high is not None else float(values.max()) if len(values) else max(low, 0.0) + 1.0
    if feature.dtype == "int64":
        step = float(max(1, 10 ** math.floor(math.log10(max(1.0, (high - low) / (10 * _STEPS))))))
    else:
        step = 10.0 ** math.floor(math.log10((high - low) / _STEPS)) if high > low else 1.0
    found = {"low": low, "high": high, "step": step}
    ends = [rule.low, rule.high]
    return {k: encode(v) for k, v in found.items()} | {"limits": ends}


def _whole(column: pa.ChunkedArray) -> Any:
    import pyarrow as pa

    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _curve(feature: RawFeature, column: pa.ChunkedArray, rule: _Rule, grid: int) -> dict[str, Any]:
    """The values along which one feature's curve is drawn."""
    import pyarrow as pa

    if feature.dtype == "bytes":
        return {"grid": [], "x": None}
    if rule.values and len(rule.values) <= grid:
        values: list[Any] = list(rule.values)
        values += [None] if feature.optional and not rule.required else []
        return {"grid": values, "x": None}
    made = grid_of(feature, column, grid)
    values = [v for v in made.values if v is not None or not rule.required]
    if not is_number(feature):
        return {"grid": encode(values), "x": None}
    array = pa.array(values, made.array().type)
    places = [None if math.isnan(v) else v for v in numbers_of(array, feature.dtype).tolist()]
    return {"grid": encode(values), "x": places}

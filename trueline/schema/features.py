"""Questions to a schema about its features: where they are, whether they count, which raw feature each column is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from trueline._core.errors import SchemaError, did_you_mean
from trueline._core.values import HIDDEN_PREFIX, RawFeature, raw_feature_of
from trueline.schema.paths import FeaturePath

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2

    from trueline.schema.index import SchemaIndex

__all__ = [
    "deprecated",
    "expects",
    "find_feature",
    "get_feature",
    "in_environment",
    "owner_of",
    "raw_features",
    "usable_features",
    "walk_features",
]

_OWNER = "owner:"

# PLANNED, ALPHA, DEPRECATED, DISABLED, DEBUG_ONLY of tensorflow-metadata's LifecycleStage: not validated.
_RESTING_STAGES = frozenset({"PLANNED", "ALPHA", "DEPRECATED", "DISABLED", "DEBUG_ONLY"})


def walk_features(schema: schema_pb2.Schema) -> Iterator[tuple[FeaturePath, schema_pb2.Feature]]:
    """All features with their paths, depth first, in the schema's order."""

    def walk(features: Any, parent: FeaturePath) -> Iterator[tuple[FeaturePath, Any]]:
        for feature in features:
            path = parent.child(feature.name)
            yield path, feature
            if feature.WhichOneof("domain_info") == "struct_domain":
                yield from walk(feature.struct_domain.feature, path)

    yield from walk(schema.feature, FeaturePath(()))


def find_feature(schema: schema_pb2.Schema, path: FeaturePath | str | Sequence[str]) -> schema_pb2.Feature | None:
    """The feature at a path, or None."""
    features: Any = schema.feature
    found: Any = None
    for step in FeaturePath.of(path).steps:
        found = next((feature for feature in features if feature.name == step), None)
        if found is None:
            return None
        features = found.struct_domain.feature if found.WhichOneof("domain_info") == "struct_domain" else ()
    return found


def get_feature(schema: schema_pb2.Schema, path: FeaturePath | str | Sequence[str]) -> schema_pb2.Feature:
    """The feature at a path; changing it changes the schema.

    Raises:
        SchemaError: naming the features that there are, if it is none of them.
    """
    found = find_feature(schema, path)
    if found is None:
        wanted = FeaturePath.of(path)
        names = [str(known) for known, _ in walk_features(schema)]
        raise SchemaError(f"the schema has no feature {str(wanted)!r}", hint=did_you_mean(str(wanted), names))
    return found


def deprecated(feature: schema_pb2.Feature) -> bool:
    """Whether a feature is out of service: its lifecycle stage, or the old `deprecated` flag, says so."""
    return feature.lifecycle_stage in _resting() or bool(feature.deprecated)


@cache
def _resting() -> frozenset[int]:
    from tensorflow_metadata.proto.v0 import schema_pb2

    return frozenset(schema_pb2.LifecycleStage.Value(name) for name in _RESTING_STAGES)


def in_environment(feature: schema_pb2.Feature, schema: schema_pb2.Schema, environment: str | None) -> bool:
    """Whether a feature belongs to an environment: `in_environment` wins over `not_in_environment` over the default."""
    if environment is None or environment in feature.in_environment:
        return True
    if environment in feature.not_in_environment:
        return False
    return environment in schema.default_environment


def expects(feature: schema_pb2.Feature, schema: schema_pb2.Schema, environment: str | None = None) -> bool:
    """Whether data must hold the feature: in service, in the environment, and with a presence above zero."""
    required = feature.presence.min_count > 0 or feature.presence.min_fraction > 0
    return required and not deprecated(feature) and in_environment(feature, schema, environment)


def owner_of(index: SchemaIndex, path: FeaturePath) -> str:
    """The owner in a feature's ``annotation { tag: "owner:..." }``, or in that of a struct around it; else empty."""
    for length in range(len(path.steps), 0, -1):
        feature = index.features.get(FeaturePath(path.steps[:length]))
        for tag in () if feature is None else feature.annotation.tag:
            if tag.startswith(_OWNER):
                return str(tag.removeprefix(_OWNER).strip())
    return ""


def raw_features(arrow_schema: pa.Schema, schema: schema_pb2.Schema | None = None) -> tuple[RawFeature, ...]:
    """The raw features of widened Arrow columns, in their order.

    The dtype comes from Arrow. A feature is required (`optional=False`) only where the schema says
    ``presence.min_fraction == 1.0``. Columns whose name starts with ``__`` are hidden and left out.

    Raises:
        SchemaError: listing every column whose Arrow type is no feature.
    """
    found, refused = usable_features(arrow_schema, schema)
    if refused:
        raise SchemaError(
            f"{len(refused)} columns are no features",
            problems=list(refused.values()),
            hint="widen them with trueline._core.values.widen, or flatten structs and nested lists first.",
        )
    return found


def usable_features(
    arrow_schema: pa.Schema, schema: schema_pb2.Schema | None = None
) -> tuple[tuple[RawFeature, ...], dict[str, str]]:
    """As `raw_features`, with the columns that are no features by name, and why: nothing needs to read them."""
    found: list[RawFeature] = []
    refused: dict[str, str] = {}
    known = {} if schema is None else {feature.name: feature for feature in reversed(schema.feature)}
    for field in arrow_schema:
        if field.name.startswith(HIDDEN_PREFIX):
            continue
        feature = known.get(field.name)
        required = feature is not None and feature.presence.min_fraction == 1.0
        try:
            found.append(raw_feature_of(field, optional=not required))
        except SchemaError as error:
            refused[field.name] = error.message
    return tuple(found), refused

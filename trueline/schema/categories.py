"""Which features a schema declares categorical, bytes, or of several values a row; and schemas of names alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from trueline.schema.features import walk_features
from trueline.schema.paths import FeaturePath

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

__all__ = [
    "generate_dummy_schema_with_paths",
    "get_bytes_features",
    "get_categorical_features",
    "get_categorical_numeric_features",
    "get_multivalent_features",
    "is_categorical_feature",
]


def is_categorical_feature(feature: schema_pb2.Feature) -> bool:
    """Whether values are counted one by one.

    Bytes always; integers with ``int_domain.is_categorical``, a boolean or a natural-language domain; floats with
    ``float_domain.is_categorical``.
    """
    kind, domain = _type_of(feature), feature.WhichOneof("domain_info")
    if kind == "INT":
        named = domain in ("bool_domain", "natural_language_domain")
        return named or bool(domain == "int_domain" and feature.int_domain.is_categorical)
    if kind == "FLOAT":
        return bool(domain == "float_domain" and feature.float_domain.is_categorical)
    return kind == "BYTES"


def _type_of(feature: Any) -> str:
    from tensorflow_metadata.proto.v0 import schema_pb2

    return str(schema_pb2.FeatureType.Name(feature.type))


def _leaves(schema: Any, wanted: Callable[[Any], bool]) -> list[FeaturePath]:
    """The paths of features with values of their own for which `wanted` is true, in the schema's order."""
    return [path for path, f in walk_features(schema) if f.WhichOneof("domain_info") != "struct_domain" and wanted(f)]


def get_categorical_features(schema: schema_pb2.Schema) -> set[FeaturePath]:
    """The features for which `is_categorical_feature` is true."""
    return set(_leaves(schema, is_categorical_feature))


def get_categorical_numeric_features(schema: schema_pb2.Schema) -> list[FeaturePath]:
    """The numbers among the categorical features, in the schema's order."""
    return _leaves(schema, lambda f: _type_of(f) in ("INT", "FLOAT") and is_categorical_feature(f))


def get_bytes_features(schema: schema_pb2.Schema) -> list[FeaturePath]:
    """The features whose values are bytes rather than text: those with an image domain, in the schema's order."""
    return _leaves(schema, lambda f: f.WhichOneof("domain_info") == "image_domain")


def get_multivalent_features(schema: schema_pb2.Schema) -> set[FeaturePath]:
    """The features that may have other than one value a row: no shape of one value and no ``value_count.max`` of 1."""

    def many(feature: Any) -> bool:
        shape = [dim.size for dim in feature.shape.dim] if feature.WhichOneof("shape_type") == "shape" else []
        return shape != [1] and feature.value_count.max != 1

    return set(_leaves(schema, many))


def generate_dummy_schema_with_paths(paths: Iterable[FeaturePath | str | Sequence[str]]) -> schema_pb2.Schema:
    """A schema of features that have a name and nothing else; all but the last step of a path are structs."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = schema_pb2.Schema()
    added: dict[FeaturePath, Any] = {}
    for path in map(FeaturePath.of, paths):
        for depth in range(1, len(path.steps) + 1):
            step = FeaturePath(path.steps[:depth])
            if step not in added:
                home: Any = schema if depth == 1 else added[step.parent].struct_domain
                added[step] = home.feature.add(name=step.name)
                if depth > 1:
                    added[step.parent].type = schema_pb2.FeatureType.Value("STRUCT")
    return schema

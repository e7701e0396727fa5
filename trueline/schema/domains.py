"""Domains: the values that a schema allows a feature to take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import SchemaError, did_you_mean
from trueline.schema.features import get_feature
from trueline.schema.paths import FeaturePath

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

__all__ = ["get_domain", "set_domain"]

# Message name -> the field of Feature that holds it.
_FIELDS = {
    "IntDomain": "int_domain",
    "FloatDomain": "float_domain",
    "StringDomain": "string_domain",
    "BoolDomain": "bool_domain",
    "StructDomain": "struct_domain",
    "NaturalLanguageDomain": "natural_language_domain",
    "ImageDomain": "image_domain",
    "MIDDomain": "mid_domain",
    "URLDomain": "url_domain",
    "AudioDomain": "audio_domain",
    "VideoDomain": "video_domain",
    "ContentChunkDomain": "content_chunk_domain",
    "TimeDomain": "time_domain",
    "TimeOfDayDomain": "time_of_day_domain",
}


def get_domain(schema: schema_pb2.Schema, path: FeaturePath | str | Sequence[str]) -> Any:
    """The domain message of a feature; a named string domain is looked up in the schema.

    Raises:
        SchemaError: if the feature is not there, has no domain, or names one that the schema lacks.
    """
    feature = get_feature(schema, path)
    field = feature.WhichOneof("domain_info")
    where = f"feature {str(FeaturePath.of(path))!r}"
    if field is None:
        raise SchemaError("the feature has no domain", where=where, hint="set one with set_domain.")
    if field != "domain":
        return getattr(feature, field)
    for domain in schema.string_domain:
        if domain.name == feature.domain:
            return domain
    names = [domain.name for domain in schema.string_domain]
    raise SchemaError(
        f"the schema has no string domain {feature.domain!r}", where=where, hint=did_you_mean(feature.domain, names)
    )


def set_domain(schema: schema_pb2.Schema, path: FeaturePath | str | Sequence[str], domain: Any) -> None:
    """Gives a feature a domain, replacing what it had.

    Args:
        schema: changed in place.
        path: the feature.
        domain: a domain message, or the name of one of the schema's string domains.

    Raises:
        SchemaError: if the feature or the named domain is not there, or `domain` is neither.
    """
    feature = get_feature(schema, path)
    where = f"feature {str(FeaturePath.of(path))!r}"
    if isinstance(domain, str):
        names = [known.name for known in schema.string_domain]
        if domain not in names:
            raise SchemaError(
                f"the schema has no string domain {domain!r}", where=where, hint=did_you_mean(domain, names)
            )
        feature.domain = domain
        return
    field = _FIELDS.get(type(domain).__name__)
    if field is None:
        raise SchemaError(
            f"{type(domain).__name__} is no domain",
            where=where,
            hint=f"give the name of a string domain, or one of {', '.join(_FIELDS)}.",
        )
    getattr(feature, field).CopyFrom(domain)
    # CopyFrom of an empty message leaves the oneof unset.
    getattr(feature, field).SetInParent()

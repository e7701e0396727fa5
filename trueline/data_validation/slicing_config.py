"""The `SlicingConfig` proto that TensorFlow Data Validation takes: text, JSON or a message becomes feature slicers.

    slicing_specs { feature_keys: "country" feature_values { key: "state" value: "CA" } }

Its wire format is that of ``tfx_bsl.public.SlicingConfig``; the message class here is built from its field numbers, so
that no other package is needed, and a message of upstream's own class is read too.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from trueline._core.errors import ConfigError

__all__ = ["parse_slicing_config", "slicing_config_class", "slicing_features"]

_WHERE = "slicing_config"


@cache
def slicing_config_class() -> Any:
    """The message class: ``slicing_specs``, each with ``feature_keys``, ``feature_values``, ``slice_keys_sql``."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="trueline/slicing_config.proto", package="trueline.slicing", syntax="proto3"
    )
    spec = file.message_type.add(name="SlicingSpec")
    spec.field.add(name="feature_keys", number=1, type=field.TYPE_STRING, label=field.LABEL_REPEATED)
    spec.field.add(
        name="feature_values",
        number=2,
        type=field.TYPE_MESSAGE,
        label=field.LABEL_REPEATED,
        type_name=".trueline.slicing.SlicingSpec.FeatureValuesEntry",
    )
    spec.field.add(name="slice_keys_sql", number=3, type=field.TYPE_STRING, label=field.LABEL_REPEATED)
    entry = spec.nested_type.add(name="FeatureValuesEntry")
    entry.options.map_entry = True
    for number, name in enumerate(("key", "value"), 1):
        entry.field.add(name=name, number=number, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    file.message_type.add(name="SlicingConfig").field.add(
        name="slicing_specs",
        number=1,
        type=field.TYPE_MESSAGE,
        label=field.LABEL_REPEATED,
        type_name=".trueline.slicing.SlicingSpec",
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("trueline.slicing.SlicingConfig"))


def parse_slicing_config(config: Any) -> Any:
    """A `SlicingConfig` message from one (ours or upstream's), its text, or its JSON as a dict.

    Raises:
        ConfigError: for anything else, and for ``slice_keys_sql``.
    """
    from google.protobuf import json_format, text_format
    from google.protobuf.message import DecodeError, Message

    message = slicing_config_class()()
    try:
        if isinstance(config, str):
            text_format.Parse(config, message)
        elif isinstance(config, Mapping):
            json_format.ParseDict(dict(config), message)
        elif isinstance(config, Message) and config.DESCRIPTOR.name == "SlicingConfig":
            message.ParseFromString(config.SerializeToString(deterministic=True))
        else:
            raise ConfigError(f"it is a {type(config).__name__}, no SlicingConfig", where=_WHERE)
    except (text_format.ParseError, json_format.ParseError, DecodeError) as error:
        raise ConfigError(f"it does not parse: {error}", where=_WHERE, hint=_EXAMPLE) from error
    if any(spec.slice_keys_sql for spec in message.slicing_specs):
        raise ConfigError(
            "slice_keys_sql is not supported: it needs ZetaSQL, which upstream has removed too",
            where=_WHERE,
            hint="give the condition as an expression: StatsOptions(slices=['fare > 20']).",
        )
    return message


_EXAMPLE = 'write slicing_specs { feature_keys: "country" feature_values { key: "state" value: "CA" } }'


def slicing_features(message: Any) -> list[dict[str, list[str] | None]]:
    """For each spec that is not empty, its features: None for every value, a list for one value."""
    found = []
    for spec in message.slicing_specs:
        features: dict[str, list[str] | None] = dict.fromkeys(spec.feature_keys)
        features.update({name: [value] for name, value in spec.feature_values.items()})
        if features:  # an empty spec is the whole data, which is there anyway
            found.append(features)
    return found

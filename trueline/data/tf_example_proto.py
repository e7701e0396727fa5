"""tf.Example and tf.SequenceExample as protobuf messages, described at run time in a pool of their own.

The pool is private, so that a process may import TensorFlow as well. Records that `trueline.data.tf_example_wire` does
not know are read here and written anew in the shape that it knows: what is left is exactly what protobuf understands.
"""

from __future__ import annotations

import functools
from typing import Any

__all__ = ["canonical", "example_class", "sequence_example_class"]

_PACKAGE = "trueline.records"
# message -> (number, name, type, label); a map is a repeated message with the option set.
_LISTS = {"BytesList": "TYPE_BYTES", "FloatList": "TYPE_FLOAT", "Int64List": "TYPE_INT64"}


@functools.cache
def _classes() -> dict[str, Any]:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="trueline/records.proto", package=_PACKAGE, syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto

    def add(message: Any, number: int, name: str, kind: str, *, repeated: bool = False, oneof: bool = False) -> None:
        scalar = kind.startswith("TYPE_")
        new = message.field.add(
            name=name, number=number, label=field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
        )
        new.type = getattr(field, kind) if scalar else field.TYPE_MESSAGE
        if not scalar:
            new.type_name = f".{_PACKAGE}.{kind}"
        if oneof:
            new.oneof_index = 0

    def add_map(message: Any, number: int, name: str, entry: str, value: str) -> None:
        nested = message.nested_type.add(name=entry)
        nested.options.map_entry = True
        add(nested, 1, "key", "TYPE_STRING")
        add(nested, 2, "value", value)
        add(message, number, name, f"{message.name}.{entry}", repeated=True)

    for name, kind in _LISTS.items():
        add(file.message_type.add(name=name), 1, "value", kind, repeated=True)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (name, kind) in enumerate({"bytes_list": "BytesList", "float_list": "FloatList"}.items(), 1):
        add(feature, number, name, kind, oneof=True)
    add(feature, 3, "int64_list", "Int64List", oneof=True)
    add_map(file.message_type.add(name="Features"), 1, "feature", "FeatureEntry", "Feature")
    add(file.message_type.add(name="FeatureList"), 1, "feature", "Feature", repeated=True)
    add_map(file.message_type.add(name="FeatureLists"), 1, "feature_list", "FeatureListEntry", "FeatureList")
    add(file.message_type.add(name="Example"), 1, "features", "Features")
    sequence = file.message_type.add(name="SequenceExample")
    add(sequence, 1, "context", "Features")
    add(sequence, 2, "feature_lists", "FeatureLists")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = message_factory.GetMessageClassesForFiles([file.name], pool)
    return {name.rsplit(".", 1)[-1]: made for name, made in found.items()}


def example_class() -> Any:
    """The message class of tf.Example."""
    return _classes()["Example"]


def sequence_example_class() -> Any:
    """The message class of tf.SequenceExample."""
    return _classes()["SequenceExample"]


def canonical(record: bytes) -> bytes:
    """The same record with each field once and in order, numbers packed, unknown fields left out.

    Every Example is a SequenceExample without feature lists, on the wire.

    Raises:
        ValueError: when the record is neither.
    """
    from google.protobuf.message import DecodeError

    message = sequence_example_class()()
    try:
        message.ParseFromString(record)
    except DecodeError as error:
        raise ValueError(str(error)) from error
    message.DiscardUnknownFields()
    written: bytes = message.SerializeToString(deterministic=True)
    return written

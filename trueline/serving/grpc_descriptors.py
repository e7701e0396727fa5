"""Protobuf messages without generated code: descriptors that lie in the package, in a pool of their own.

`protos/*.proto` are compiled to ``descriptors.binpb`` by ``scripts/make_descriptors.py``. The pool is private because
TensorFlow registers messages of the same names in protobuf's default pool: both must fit into one process. Generated
modules would also tie this package to one version of protobuf.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["Message", "enum_numbers", "message", "pool", "service_methods"]

Message = Any
"""An instance of a class that `message` gave: protobuf makes these classes at run time, so no type tells more."""


@cache
def pool() -> descriptor_pool.DescriptorPool:
    """The descriptors of TensorFlow Serving's and gRPC's services that are served here."""
    found = descriptor_pb2.FileDescriptorSet.FromString(
        files("trueline.serving").joinpath("descriptors.binpb").read_bytes()
    )
    made = descriptor_pool.DescriptorPool()
    for file in found.file:
        made.Add(file)
    return made


@cache
def message(name: str) -> type[Message]:
    """The class of a message, such as ``tensorflow.serving.PredictRequest``."""
    found: type[Message] = message_factory.GetMessageClass(pool().FindMessageTypeByName(name))
    return found


@cache
def enum_numbers(name: str) -> Mapping[str, int]:
    """The numbers of an enumeration's values by name, such as those of ``tensorflow.DataType``."""
    return {value.name: value.number for value in pool().FindEnumTypeByName(name).values}


@cache
def service_methods(name: str) -> Mapping[str, tuple[type[Message], type[Message]]]:
    """By method of a service, such as ``tensorflow.serving.PredictionService``, its request and its response."""
    methods = pool().FindServiceByName(name).methods
    return {m.name: (message(m.input_type.full_name), message(m.output_type.full_name)) for m in methods}

"""What a function's annotations say: which artifacts go in and come out, which parameters it takes, what it returns.

`trueline.pipeline.function` tells what each annotation means to the user.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, Union

from trueline._core.errors import ConfigError
from trueline.pipeline.artifacts import ArtifactType, ValueArtifact, value_type_of
from trueline.pipeline.context import ArtifactHandle, ExecutionContext
from trueline.pipeline.node import In, Out

__all__ = ["FunctionShape", "Input", "Output", "shape_of"]

T = TypeVar("T")
_VALUE_TYPES = (int, float, str, bool, dict, list)


class Input(ArtifactHandle, Generic[T]):
    """Annotation: an input artifact of type T."""


class Output(ArtifactHandle, Generic[T]):
    """Annotation: an output artifact of type T."""


@dataclass
class FunctionShape:
    """What a function's annotations say; `many` are inputs of several artifacts, `elements` the types of what lists
    hold, `nullable` the parameters that may be None."""

    inputs: dict[str, In] = field(default_factory=dict)
    outputs: dict[str, Out] = field(default_factory=dict)
    params: dict[str, type] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    many: set[str] = field(default_factory=set)
    elements: dict[str, type] = field(default_factory=dict)
    nullable: set[str] = field(default_factory=set)
    context: str | None = None
    returns: dict[str, type[ValueArtifact]] = field(default_factory=dict)
    single: bool = False


def shape_of(function: Callable[..., Any]) -> FunctionShape:
    """Reads a function's annotations.

    Raises:
        ConfigError: for annotations that are missing or mean nothing here; all of them at once.
    """
    where = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"
    try:
        hints = typing.get_type_hints(function)
    except NameError as error:
        raise ConfigError(f"an annotation of {function.__name__} cannot be resolved: {error}", where=where) from error
    shape, problems = FunctionShape(), list[str]()
    for name, parameter in inspect.signature(function).parameters.items():
        _add_argument(shape, name, hints.get(name), parameter.default, problems)
    shape.returns, shape.single = _returns(hints.get("return"), problems)
    if "node_id" in inspect.signature(function).parameters:
        problems.append("argument 'node_id' is what every node is named by: give it another name")
    clash = sorted(set(shape.returns) & {*shape.outputs, *shape.inputs, *shape.params})
    problems += [f"returns a value named {key!r}, which is an argument too" for key in clash]
    if problems:
        raise ConfigError(
            f"@component cannot use {function.__name__}",
            where=where,
            problems=problems,
            hint="annotate with Input[T], Output[T], int, float, str, bool, dict, list or ExecutionContext.",
        )
    shape.outputs.update({key: Out(kind) for key, kind in shape.returns.items()})
    return shape


def _add_argument(shape: FunctionShape, name: str, annotation: Any, default: Any, problems: list[str]) -> None:
    hint, optional = _without_none(annotation)
    origin = typing.get_origin(hint) or hint
    if origin is Input or origin is Output:
        _add_artifact(shape, name, hint, optional, problems)
        return
    if origin is ExecutionContext:
        shape.context = name
        return
    if origin in _VALUE_TYPES:
        shape.params[name] = typing.cast(type, origin)
        of = typing.get_args(hint)
        if origin is list and len(of) == 1 and (typing.get_origin(of[0]) or of[0]) in _VALUE_TYPES:
            shape.elements[name] = typing.get_origin(of[0]) or of[0]
    else:
        problems.append(f"argument {name!r} has no annotation that means something here: {annotation!r}")
    if optional or default is None:
        shape.nullable.add(name)
    if default is not inspect.Parameter.empty:
        shape.defaults[name] = default


def _without_none(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) in (Union, types.UnionType):
        rest = [arg for arg in typing.get_args(hint) if arg is not types.NoneType]
        if len(rest) == 1:
            return rest[0], True
    return hint, False


def _add_artifact(shape: FunctionShape, name: str, hint: Any, optional: bool, problems: list[str]) -> None:
    origin, args = typing.get_origin(hint) or hint, typing.get_args(hint)
    many = origin is Input and len(args) == 1 and typing.get_origin(args[0]) is list
    if many:
        args = typing.get_args(args[0])
        shape.many.add(name)
    if len(args) != 1 or not isinstance(args[0], type) or not issubclass(args[0], ArtifactType):
        problems.append(f"argument {name!r} must say an artifact type, as in {origin.__name__}[Examples]")
    elif origin is Input:
        shape.inputs[name] = In(args[0], optional)
    else:
        shape.outputs[name] = Out(args[0])


def _returns(hint: Any, problems: list[str]) -> tuple[dict[str, type[ValueArtifact]], bool]:
    if hint is None or hint is types.NoneType:
        return {}, False
    found = value_type_of(typing.get_origin(hint) or hint)
    if found is not None:
        return {"result": found}, True
    returns: dict[str, type[ValueArtifact]] = {}
    if isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields"):
        for field, kind in typing.get_type_hints(hint).items():
            value = value_type_of(typing.get_origin(kind) or kind)
            if value is None:
                problems.append(f"returned field {field!r} has type {kind!r}, which no value artifact holds")
            else:
                returns[field] = value
        return returns, False
    problems.append(f"the return annotation {hint!r} is neither a value type nor a NamedTuple of them")
    return {}, False

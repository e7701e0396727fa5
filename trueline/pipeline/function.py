"""Components from plain functions: the annotations say what goes in and what comes out.

    @component
    def count_rows(examples: Input[Examples], split: str = "train") -> int:
        return Examples.open(examples.uri).num_rows(split)

    rows = count_rows(examples=gen.outputs["examples"])
    report = write_report(rows=rows.outputs["result"], out_title="Rows")

* ``Input[T]`` takes a channel of artifacts of type T; ``Input[T] | None = None`` is optional. ``Input[list[T]]`` takes
  all of them, such as those of all passes of a loop, in the order of its items.
* ``Output[T]`` is an artifact that the function fills: `ArtifactHandle` with `.uri` and `.properties`.
* ``int, float, str, bool, dict, list`` are parameters; instead of a value, a channel of such a value may be given, or
  a placeholder, whose type is checked when it is known. ``list[int]`` also takes the ``int`` of all passes of a loop.
* The returned value becomes the value artifact ``result``; a returned ``NamedTuple`` class gives one per field.
* A parameter annotated `ExecutionContext` gets the context.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar, Union

from trueline._core.errors import ArtifactError, ConfigError, did_you_mean
from trueline.pipeline.artifacts import ArtifactType, JsonValue, ValueArtifact, value_type_of
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ArtifactHandle, ExecutionContext
from trueline.pipeline.node import Component, In, Out, stable_module
from trueline.pipeline.placeholders import Placeholder, RuntimeParameter
from trueline.pipeline.user_function import UserFunction

__all__ = ["FunctionComponent", "Input", "Output", "component", "execute"]

T = TypeVar("T")
_CODE = "function"
_COLLECTED = "__collected__"
_VALUE_TYPES = (int, float, str, bool, dict, list)


class Input(ArtifactHandle, Generic[T]):
    """Annotation: an input artifact of type T."""


class Output(ArtifactHandle, Generic[T]):
    """Annotation: an output artifact of type T."""


@dataclass
class _Shape:
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


class FunctionComponent:
    """What `@component` makes: call it with keyword arguments to get a node; `.function` is the raw function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__trueline_function__ = function
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.shape = _shape_of(function)

    def __call__(self, *, node_id: str | None = None, **arguments: Any) -> Component:
        """A node; a missing or unknown argument is reported when the pipeline is built."""
        return _FunctionNode(self, node_id, arguments)


def component(function: Callable[..., Any]) -> FunctionComponent:
    """Makes a component class of a function.

    Raises:
        ConfigError: for annotations that are missing or mean nothing here; all of them at once.
    """
    return FunctionComponent(function)


class _FunctionNode(Component):
    EXECUTOR = "trueline.pipeline.function:execute"
    OUTPUTS: ClassVar[Mapping[str, Out]] = {}

    def __init__(self, made: FunctionComponent, node_id: str | None, arguments: Mapping[str, Any]) -> None:
        shape = made.shape
        self._name = f"{stable_module(made.__module__)}.{made.__name__}"
        given = {**shape.defaults, **arguments}
        channels = {k: v for k, v in given.items() if k in shape.inputs or _is_wire(v)}
        values = {k: v for k, v in given.items() if k not in channels}
        super().__init__(node_id=node_id or made.__name__, params={_CODE: UserFunction.of(made.function), **values})
        for name in channels:
            if name in shape.params:
                self.declared_inputs[name] = In(_wire_type(shape, name, channels[name]))
        self.declared_inputs.update(shape.inputs)
        self.declared_outputs.update(shape.outputs)
        known = {*shape.inputs, *shape.params}
        for name in sorted(set(given) - known):
            self.note(f"takes no argument {name!r}. {did_you_mean(name, known)}")
        for name, kind in shape.params.items():
            if name not in given:
                self.note(f"needs the argument {name!r} ({kind.__name__})")
            elif name in values:
                self._check(name, kind, values[name])
        self._wire({name: channel for name, channel in channels.items() if name in known})
        self._lists = {name for name in channels if shape.params.get(name) is list}
        self.takes_one = frozenset(set(self.inputs) - self._lists - shape.many)

    def _check(self, name: str, kind: type, value: Any) -> None:
        if isinstance(value, RuntimeParameter):
            if value.ptype is not kind and (value.ptype, kind) != (int, float):
                self.note(f"argument {name!r} takes {kind.__name__}, but {value!r} is {value.ptype.__name__}")
        elif isinstance(value, Placeholder):
            return
        elif kind is float and type(value) is int:
            self.params[name] = float(value)
        elif value is not None and not _fits(kind, value) and not (kind is list and isinstance(value, tuple)):
            self.note(f"argument {name!r} takes {kind.__name__}, but was given {value!r}")

    def compiled_params(self) -> dict[str, Any]:
        """The parameters, and the names of the lists that are put together from several artifacts."""
        collected = sorted(name for name in self._lists if self._collects(name))
        return {**self.params, **({_COLLECTED: collected} if collected else {})}

    def _collects(self, name: str) -> bool:
        channels = self.inputs[name]
        whole = len(channels) == 1 and channels[0].type is not None and issubclass(channels[0].type, JsonValue)
        return not whole or any(self.loops_left(channel) for channel in channels)

    def type_name(self) -> str:
        return self._name


def _wire_type(shape: _Shape, name: str, given: Any) -> type[ArtifactType]:
    """What a channel for a parameter may hold: a list takes one list, or several artifacts of its elements."""
    wanted = value_type_of(shape.params[name]) or ValueArtifact
    if shape.params[name] is not list:
        return wanted
    channels = [given] if isinstance(given, Channel) else given
    element = value_type_of(shape.elements.get(name)) or ValueArtifact
    several = len(channels) > 1 or not all(channel.type is wanted for channel in channels)
    fitting = all(channel.type is not None and issubclass(channel.type, element) for channel in channels)
    return element if several and fitting else wanted


def _fits(kind: type, value: Any) -> bool:
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _is_wire(value: Any) -> bool:
    return isinstance(value, Channel) or (
        isinstance(value, list | tuple) and bool(value) and all(isinstance(v, Channel) for v in value)
    )


def _shape_of(function: Callable[..., Any]) -> _Shape:
    where = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"
    try:
        hints = typing.get_type_hints(function)
    except NameError as error:
        raise ConfigError(f"an annotation of {function.__name__} cannot be resolved: {error}", where=where) from error
    shape, problems = _Shape(), list[str]()
    for name, parameter in inspect.signature(function).parameters.items():
        _add_argument(shape, name, hints.get(name), parameter.default, problems)
    shape.returns, shape.single = _returns(hints.get("return"), problems)
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


def _add_argument(shape: _Shape, name: str, annotation: Any, default: Any, problems: list[str]) -> None:
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


def _add_artifact(shape: _Shape, name: str, hint: Any, optional: bool, problems: list[str]) -> None:
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


def execute(ctx: ExecutionContext) -> None:
    """The executor of all function components: calls the function, stores what it returns.

    Raises:
        ArtifactError: when a value artifact does not hold what the annotation says, or the function returns
            another type than it declares.
    """
    reference = ctx.params[_CODE]
    function = reference.load()
    shape = _shape_of(inspect.unwrap(function))
    arguments: dict[str, Any] = {}
    for name in shape.inputs:
        if name in shape.many:
            arguments[name] = list(ctx.inputs[name])
        else:
            arguments[name] = ctx.optional_input(name) if shape.inputs[name].optional else ctx.input(name)
    for name in shape.params:
        if name in ctx.inputs or name in ctx.params:
            arguments[name] = _value(ctx, shape, name)
    arguments.update({name: ctx.output(name) for name in shape.outputs if name not in shape.returns})
    if shape.context is not None:
        arguments[shape.context] = ctx
    _store(ctx, shape, function(**arguments))


def _value(ctx: ExecutionContext, shape: _Shape, name: str) -> Any:
    """A parameter's value, of which the type is known only now where it came from an artifact or a placeholder."""
    kind = shape.params[name]
    if name not in ctx.inputs:
        return _of_type(ctx, name, kind, ctx.params[name], name in shape.nullable)
    if name not in ctx.params.get(_COLLECTED, ()):
        return _of_type(ctx, name, kind, ctx.input(name).value, False)
    values = [handle.value for handle in ctx.inputs[name]]
    of = shape.elements.get(name)
    return values if of is None else [_of_type(ctx, f"{name}[{n}]", of, v, False) for n, v in enumerate(values)]


def _of_type(ctx: ExecutionContext, name: str, kind: type, value: Any, nullable: bool) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if not _fits(kind, value) and not (value is None and nullable):
        # The value itself is not shown: it may be a secret.
        found = "None" if value is None else f"a value of type {type(value).__name__}"
        raise ArtifactError(
            f"argument {name!r} takes {kind.__name__}, but was given {found}", where=f"node {ctx.node_id}"
        )
    return value


def _store(ctx: ExecutionContext, shape: _Shape, result: Any) -> None:
    values = {"result": result} if shape.single else dict(zip(shape.returns, result or (), strict=True))
    for key, value in values.items():
        kind = shape.returns[key]
        if type(value) is int and float in kind.PYTHON_TYPES:
            value = float(value)
        if type(value) not in kind.PYTHON_TYPES:
            raise ArtifactError(
                f"returned {value!r} for {key!r}, declared is {kind.TYPE_NAME}", where=f"node {ctx.node_id}"
            )
        ctx.output(key).value = value
        ctx.report(**{key: value})

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
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from trueline._core.errors import ArtifactError, did_you_mean
from trueline.pipeline.artifacts import ArtifactType, JsonValue, ValueArtifact, value_type_of
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ExecutionContext
from trueline.pipeline.function_shape import FunctionShape, shape_of
from trueline.pipeline.node import Component, In, Out, stable_module
from trueline.pipeline.placeholders import Placeholder
from trueline.pipeline.runtime_parameter import RuntimeParameter
from trueline.pipeline.user_function import UserFunction

__all__ = ["FunctionComponent", "component", "execute"]

_CODE, _CODE_BESIDE = "function", "__code__"
"""The parameter that holds the function: the second where the function has a parameter of the first's name."""
_COLLECTED = "__collected__"


class FunctionComponent:
    """What `@component` makes: call it with keyword arguments to get a node; `.function` is the raw function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__trueline_function__ = function
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.shape = shape_of(function)

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
        known = {*shape.inputs, *shape.params}
        code = _CODE_BESIDE if _CODE in known else _CODE
        super().__init__(node_id=node_id or made.__name__, params={code: UserFunction.of(made.function), **values})
        for name in channels:
            if name in shape.params:
                self.declared_inputs[name] = In(_wire_type(shape, name, channels[name]))
        self.declared_inputs.update(shape.inputs)
        self.declared_outputs.update(shape.outputs)
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


def _wire_type(shape: FunctionShape, name: str, given: Any) -> type[ArtifactType]:
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


def execute(ctx: ExecutionContext) -> None:
    """The executor of all function components: calls the function, stores what it returns.

    Raises:
        ArtifactError: when a value artifact does not hold what the annotation says, or the function returns
            another type than it declares.
    """
    reference = ctx.params.get(_CODE_BESIDE) or ctx.params[_CODE]
    function = reference.load()
    shape = shape_of(inspect.unwrap(function))
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


def _value(ctx: ExecutionContext, shape: FunctionShape, name: str) -> Any:
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


def _store(ctx: ExecutionContext, shape: FunctionShape, result: Any) -> None:
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

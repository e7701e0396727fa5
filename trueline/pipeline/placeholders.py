"""Placeholders: expressions over what is only known when a node runs.

`channel.value`, `.uri` and `.property("p")` speak of an upstream artifact, `RuntimeParameter` (its own module) of a
value given with the run, `Secret` of an environment variable, `FinalStatus` of how the run went. Comparison, ``&``,
``|``, ``~``, ``+`` and ``[...]`` make larger expressions. They may stand anywhere in a node's parameters, in `Cond` and
in `ForEach`; a pipeline carries them as data, see `trueline.pipeline.evaluate`.

TFX's names work too: ``channel.future()[0].value``, `logical_and`, `logical_or`, `logical_not`, `join`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from trueline._core.errors import ConfigError

if TYPE_CHECKING:
    from trueline.pipeline.channel import Channel

__all__ = [
    "MARK",
    "NAME",
    "FinalStatus",
    "Placeholder",
    "RunInfo",
    "Secret",
    "environment_variable",
    "exec_property",
    "input",
    "join",
    "leaves",
    "logical_and",
    "logical_not",
    "logical_or",
    "make_dict",
    "make_list",
    "output",
]

MARK = "__placeholder__"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Placeholder:
    """One operation over constants, channels and other placeholders; nothing is computed while a pipeline is built."""

    def __init__(self, op: str, *args: Any) -> None:
        self.op = op
        self.args = args if op == "artifacts" else tuple(map(_operand, args))

    # -- reading artifacts ------------------------------------------------------------------------------------------

    @property
    def value(self) -> Placeholder:
        """The value that a value artifact holds."""
        return Placeholder("value", self._one())

    @property
    def uri(self) -> Placeholder:
        """The artifact's folder."""
        return Placeholder("uri", self._one())

    def split_uri(self, split: str) -> Placeholder:
        """The folder of one split."""
        return Placeholder("split_uri", self._one(), split)

    def property(self, name: str) -> Placeholder:
        """A declared or custom property of the artifact."""
        return Placeholder("property", self._one(), name)

    custom_property = property

    def _one(self) -> Placeholder:
        return Placeholder("index", self, 0) if self.op == "artifacts" else self

    # -- computing --------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Placeholder:
        return Placeholder("index", self, key)

    def __eq__(self, other: object) -> Placeholder:  # type: ignore[override]
        return Placeholder("eq", self, other)

    def __ne__(self, other: object) -> Placeholder:  # type: ignore[override]
        return Placeholder("ne", self, other)

    def __lt__(self, other: Any) -> Placeholder:
        return Placeholder("lt", self, other)

    def __le__(self, other: Any) -> Placeholder:
        return Placeholder("le", self, other)

    def __gt__(self, other: Any) -> Placeholder:
        return Placeholder("gt", self, other)

    def __ge__(self, other: Any) -> Placeholder:
        return Placeholder("ge", self, other)

    def __and__(self, other: Any) -> Placeholder:
        return Placeholder("and", self, other)

    def __or__(self, other: Any) -> Placeholder:
        return Placeholder("or", self, other)

    def __invert__(self) -> Placeholder:
        return Placeholder("not", self)

    def __add__(self, other: Any) -> Placeholder:
        return Placeholder("add", self, other)

    def __radd__(self, other: Any) -> Placeholder:
        return Placeholder("add", other, self)

    def b64encode(self) -> Placeholder:
        """The text in base64."""
        return Placeholder("b64", self)

    def to_json(self) -> Placeholder:
        """The value as JSON text."""
        return Placeholder("json", self)

    # -- what cannot work -------------------------------------------------------------------------------------------

    __hash__ = object.__hash__

    def __bool__(self) -> NoReturn:
        raise ConfigError(
            "a placeholder has no truth value while the pipeline is built",
            hint="use Cond(...) for a condition, and &, | and ~ instead of and, or and not.",
        )

    def __iter__(self) -> NoReturn:
        raise ConfigError("a placeholder cannot be looped over while the pipeline is built", hint="use ForEach(...).")

    def __format__(self, spec: str) -> str:
        raise ConfigError("a placeholder cannot be put into a text with f'...'", hint="join it with +.")

    def __str__(self) -> str:
        raise ConfigError("a placeholder has no text while the pipeline is built", hint="join it with +.")

    def __repr__(self) -> str:
        return f"<placeholder {self.op}>"


def _operand(arg: Any) -> Any:
    """A channel among the operands stands for its value."""
    from trueline.pipeline.channel import Channel

    return arg.value if isinstance(arg, Channel) else arg


class Secret(Placeholder):
    """The text of an environment variable, read in the executor's process alone.

    Only the name is ever stored, hashed or logged.
    """

    def __init__(self, variable: str) -> None:
        super().__init__("secret", variable)
        if not NAME.fullmatch(variable):
            raise ConfigError(f"{variable!r} is no name of an environment variable")


class RunInfo(Placeholder):
    """``run_id``, ``pipeline``, ``root`` or ``node_id`` of the run under way. It is a part of the cache key like any
    parameter: a node that takes the run's id runs every time."""

    def __init__(self, field: str) -> None:
        super().__init__("run", field)
        if field not in ("run_id", "pipeline", "root", "node_id"):
            raise ConfigError(f"a run has no {field!r}", hint="run_id, pipeline, root or node_id.")


class FinalStatus(Placeholder):
    """How the run went, for nodes of ``Pipeline(on_exit=[...])``: a dict with ``state`` (SUCCEEDED, FAILED or
    CANCELLED), ``run_id``, ``error`` (a sentence or None) and ``failed`` (ids of nodes)."""

    def __init__(self) -> None:
        super().__init__("status")


def input(key: str) -> Placeholder:
    """In a container's command: the artifacts under one of the node's own inputs."""
    return Placeholder("input", key)


def output(key: str) -> Placeholder:
    """In a container's command: the artifact under one of the node's own outputs."""
    return Placeholder("output", key)


def exec_property(key: str) -> Placeholder:
    """In a container's command: one of the node's own parameters."""
    return Placeholder("exec_property", key)


def environment_variable(key: str) -> Placeholder:
    """An environment variable that is no secret: read by the launcher, recorded and part of the cache key."""
    return Placeholder("env", key)


def logical_and(left: Any, right: Any) -> Placeholder:
    """Both."""
    return Placeholder("and", left, right)


def logical_or(left: Any, right: Any) -> Placeholder:
    """One of the two, or both."""
    return Placeholder("or", left, right)


def logical_not(operand: Any) -> Placeholder:
    """Not."""
    return Placeholder("not", operand)


def join(items: Sequence[Any], separator: str = "") -> Placeholder:
    """The texts one after the other."""
    return Placeholder("join", separator, *items)


def make_list(items: Sequence[Any]) -> Placeholder:
    """A list of what the items come to."""
    return Placeholder("list", *items)


def make_dict(items: Mapping[str, Any]) -> Placeholder:
    """A dict of what the values come to."""
    return Placeholder("dict", *(part for pair in items.items() for part in pair))


@dataclass(frozen=True)
class _Walk:
    found: list[Any]
    wanted: Callable[[Any], bool]

    def visit(self, value: Any) -> None:
        if self.wanted(value):
            self.found.append(value)
        if isinstance(value, Placeholder):
            for arg in value.args:
                self.visit(arg)
        elif isinstance(value, Mapping):
            for item in value.values():
                self.visit(item)
        elif isinstance(value, list | tuple):
            for item in value:
                self.visit(item)


def leaves(value: Any, kind: type) -> Iterator[Any]:
    """Every object of a class in parameters or a placeholder, such as `Channel` or `RuntimeParameter`."""
    walk = _Walk([], lambda item: isinstance(item, kind))
    walk.visit(value)
    return iter(walk.found)


def of_channel(channel: Channel) -> Placeholder:
    """All artifacts of a channel, as TFX's ``channel.future()``."""
    return Placeholder("artifacts", channel)

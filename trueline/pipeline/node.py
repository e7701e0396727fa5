"""Components: nodes of a pipeline as classes with typed keyword arguments.

A component declares what it takes (`INPUTS`), what it makes (`OUTPUTS`) and which function does the work
(`EXECUTOR`). Its constructor only notes; nothing runs, and nothing is raised for wrong wiring: the problems of all
nodes are gathered and reported by `Pipeline` at once, each with the user's file and line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from trueline._core.errors import ConfigError, did_you_mean
from trueline.pipeline.artifacts import ArtifactType
from trueline.pipeline.channel import Channel, OutputChannels
from trueline.pipeline.params import check_params
from trueline.pipeline.placeholders import Placeholder, leaves
from trueline.pipeline.settings import NodeSettings, check_settings
from trueline.pipeline.user_function import UserFunction

if TYPE_CHECKING:
    from trueline.pipeline.context import ArtifactHandle

__all__ = ["Block", "Component", "In", "Out", "blocks_now", "stable_module"]

SystemKind = Literal["importer", "resolver", "loop", "approval"]
_PACKAGE = str(Path(__file__).resolve().parents[1]) + os.sep

blocks_now: ContextVar[tuple[Block, ...]] = ContextVar("blocks_now", default=())
"""The blocks of control flow that are open, the outermost first."""


class Block:
    """Base of `Cond` and `ForEach`: nodes that are made while it is open belong to it."""

    def open(self) -> None:
        """Begins the block."""
        self._token = blocks_now.set((*blocks_now.get(), self))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        blocks_now.reset(self._token)


@dataclass(frozen=True)
class In:
    """One declared input: artifacts of `type`; an optional one may be left out or resolve to nothing.

    With `other_than`, artifacts with the same contents as those under that other input are left out: a model that is
    its own baseline is compared with nothing, and comes from the cache as it did before it was blessed.
    """

    type: type[ArtifactType]
    optional: bool = False
    other_than: str | None = None


@dataclass(frozen=True)
class Out:
    """One declared output: an artifact of `type`."""

    type: type[ArtifactType]


class Component:
    """Base of all nodes.

    Attributes:
        INPUTS: declared inputs by name.
        OUTPUTS: declared outputs by name.
        EXECUTOR: ``package.module:function`` or the function itself; it is called with an `ExecutionContext`.
        FINGERPRINT: optional, the same forms; called with the parameters, it returns a JSON value that joins the
            cache key, such as a digest of the files that the node reads from outside the pipeline.
        OUTDATED: optional, the same forms; before an earlier result is taken from the cache it is called with the
            parameters and the outputs' properties by output name, and returns None, or why the world outside is no
            longer as that result says: then the node runs again.
        SYSTEM: for nodes that the launcher itself carries out (`Importer`, `Resolver`, `Approval`, loops).

    Args:
        node_id: the node's name in the pipeline; the class's name by default.
        inputs: a channel, a list of channels or None, by input name.
        params: JSON values or `UserFunction`, by name. Fill in the defaults: what is here is in the cache key.

    A node also keeps `made_with`, the arguments that its class was called with, from which a notebook's session is
    written out as a pipeline file, `artifacts`, what `trueline.interactive` ran it to, and `takes_one`, the inputs
    that must not be given the artifacts of several passes of a loop.
    """

    made_with: tuple[tuple[Any, ...], dict[str, Any]]
    artifacts: Mapping[str, list[ArtifactHandle]] | None = None
    takes_one: frozenset[str] = frozenset()

    INPUTS: ClassVar[Mapping[str, In]] = {}
    OUTPUTS: ClassVar[Mapping[str, Out]] = {}
    EXECUTOR: ClassVar[str | Callable[..., None] | None] = None
    FINGERPRINT: ClassVar[str | Callable[..., Any] | None] = None
    OUTDATED: ClassVar[str | Callable[..., str | None] | None] = None
    SYSTEM: ClassVar[SystemKind | None] = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        node = super().__new__(cls)
        node.made_with = (args, kwargs)
        return node

    def __init__(
        self,
        *,
        node_id: str | None = None,
        inputs: Mapping[str, Channel | Sequence[Channel] | None] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        self.node_id = node_id if node_id is not None else type(self).__name__
        self.location = _location(self)
        self.problems: list[str] = []
        self.upstream: list[Component] = []
        self.blocks: tuple[Block, ...] = blocks_now.get()
        self.settings = NodeSettings()
        self.owner: Any = None  # the sub-pipeline that the node belongs to
        self.declared_inputs: dict[str, In] = dict(type(self).INPUTS)
        self.declared_outputs: dict[str, Out] = dict(type(self).OUTPUTS)
        self.params: dict[str, Any] = check_params(params or {}, self.note)
        self._wire(inputs or {})

    def _wire(self, inputs: Mapping[str, Channel | Sequence[Channel] | None]) -> None:
        """Notes channels and outputs; called again by nodes whose inputs are not those of their class."""
        self.inputs: dict[str, tuple[Channel, ...]] = {}
        self.outputs = OutputChannels(self, {key: out.type for key, out in self.declared_outputs.items()})
        for key, given in inputs.items():
            if key not in self.declared_inputs:
                self.note(f"has no input {key!r}. {did_you_mean(key, self.declared_inputs)}")
                continue
            self.inputs[key] = self._channels(key, given)
        for key, declared in self.declared_inputs.items():
            if not self.inputs.setdefault(key, ()) and not declared.optional and inputs.get(key) is None:
                self.note(f"needs the input {key!r} of type {declared.type.TYPE_NAME}")

    def _channels(self, key: str, given: Channel | Sequence[Channel] | None) -> tuple[Channel, ...]:
        if given is None:
            return ()
        items: Sequence[Any] = [given] if not isinstance(given, list | tuple) else given
        wanted, good = self.declared_inputs[key].type, []
        for item in items:
            if isinstance(item, Component):
                self.note(
                    f"input {key!r} was given the node {item.node_id!r}; give one of its outputs: "
                    f"{', '.join(f'{item.node_id}.outputs[{name!r}]' for name in item.outputs) or 'it has none'}"
                )
            elif not isinstance(item, Channel):
                self.note(f"input {key!r} was given {item!r}, which is no channel; give node.outputs[...]")
            elif item.type is not None and not issubclass(item.type, wanted):
                self.note(
                    f"input {key!r} takes {wanted.TYPE_NAME}, but {item.producer.node_id}.{item.key} "
                    f"is {item.type.TYPE_NAME}"
                )
                good.append(item)
            else:
                good.append(item)
        return tuple(good)

    def note(self, problem: str, *, caller: bool = False) -> None:
        """Notes a problem for `Pipeline` to report, at the node's line or at the line that runs now."""
        where = _location(self) if caller else self.location
        self.problems.append(f"{where}: {self.node_id} {problem}")

    def with_id(self, node_id: str) -> Self:
        """The same node under another id."""
        self.node_id = node_id
        return self

    def after(self, *nodes: Component) -> Self:
        """Runs this node only after those have succeeded, without taking anything from them."""
        self.upstream.extend(nodes)
        return self

    def add_upstream_node(self, node: Component) -> None:
        """TFX's name of `after`."""
        self.after(node)

    def add_downstream_node(self, node: Component) -> None:
        """TFX's name of ``node.after(self)``."""
        node.after(self)

    def with_settings(self, **settings: Any) -> Self:
        """Says how the node is carried out, see `NodeSettings`; what is not named stays."""
        known = {name: value for name, value in settings.items() if name in NodeSettings.__dataclass_fields__}
        for name in settings.keys() - known.keys():
            self.note(f"has no setting {name!r}. {did_you_mean(name, NodeSettings.__dataclass_fields__)}", caller=True)
        self.settings = replace(self.settings, **known)
        check_settings(self.settings, self.note)
        return self

    @property
    def loops(self) -> tuple[Component, ...]:
        """The loops around this node, the outermost first."""
        return tuple(block.loop for block in self.blocks if hasattr(block, "loop"))

    @property
    def conditions(self) -> tuple[Placeholder, ...]:
        """The predicates around this node; all must be true."""
        return tuple(block.predicate for block in self.blocks if hasattr(block, "predicate"))

    def referred(self) -> list[Channel]:
        """The channels that its parameters, environment and conditions speak of."""
        return list(leaves([self.params, dict(self.settings.environment), list(self.conditions)], Channel))

    def loops_left(self, channel: Channel) -> list[Component]:
        """The loops around a channel's producer that this node does not stand in: it gets the artifacts of all their
        passes."""
        if channel.item_of is not None:
            return []
        return [loop for loop in channel.producer.loops if loop not in self.loops]

    def compiled_params(self) -> dict[str, Any]:
        """The parameters as the compiled pipeline keeps them, once the whole graph is known."""
        return self.params

    def predecessors(self) -> list[Component]:
        """The nodes that this one waits for, each once."""
        wired = [channel for channels in self.inputs.values() for channel in channels]
        loops = [channel.item_of for channel in wired if channel.item_of is not None]
        named = [channel.producer for channel in (*wired, *self.referred())]
        return list(dict.fromkeys([*named, *loops, *self.loops, *self.upstream]))

    @classmethod
    def executor_function(cls) -> UserFunction | None:
        """The executor by reference; None for system nodes.

        Raises:
            ConfigError: when the class names none, or none that other processes could find.
        """
        if cls.SYSTEM is not None:
            return None
        if cls.EXECUTOR is None:
            raise ConfigError(
                f"component class {cls.__qualname__} names no EXECUTOR",
                hint='write EXECUTOR = "package.module:execute".',
            )
        return UserFunction.of(cls.__dict__.get("EXECUTOR", cls.EXECUTOR))

    @classmethod
    def fingerprint_function(cls) -> UserFunction | None:
        """The extra cache key's function by reference, or None."""
        return None if cls.FINGERPRINT is None else UserFunction.of(cls.__dict__.get("FINGERPRINT", cls.FINGERPRINT))

    @classmethod
    def outdated_function(cls) -> UserFunction | None:
        """What asks whether a cached result still holds, by reference, or None."""
        return None if cls.OUTDATED is None else UserFunction.of(cls.__dict__.get("OUTDATED", cls.OUTDATED))

    def type_name(self) -> str:
        """The execution type's name in the metadata store: the class's path, as in TFX."""
        return f"{stable_module(type(self).__module__)}.{type(self).__qualname__}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.node_id!r}>"


def stable_module(module: str) -> str:
    """A module's name that does not depend on how its file was started: a script goes by its file's name."""
    if module == "__main__" or module.startswith("_trueline_"):
        file = getattr(sys.modules.get(module), "__file__", None)
        return Path(file).stem if file else "script"
    return module


def _location(node: object) -> str:
    """``file:line`` of the first caller that is neither ours nor a constructor of this very node."""
    frame: FrameType | None = sys._getframe(1)
    last = frame
    while frame is not None:
        last = frame
        ours = frame.f_code.co_filename.startswith(_PACKAGE)
        if not ours and frame.f_locals.get("self") is not node:
            break
        frame = frame.f_back
    if last is None:
        return "<unknown>"
    return f"{last.f_code.co_filename}:{last.f_lineno}"

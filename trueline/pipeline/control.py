"""Control flow: conditions and loops, as blocks around the nodes that they hold for.

    with Cond(evaluator.outputs["blessing"].property("blessed") == 1):
        Pusher(...)

    with ForEach(countries.outputs["result"], name="countries") as country:
        model = train(country=country)
    compare(models=model.outputs["model"])  # outside: the models of all passes, in the order of the items

A node whose condition is false is OMITTED, and so is a node that needs what an omitted one would have made; neither
fails the run. Blocks may stand inside each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any, ClassVar

from trueline._core.errors import ConfigError
from trueline.pipeline.artifacts import JsonValue
from trueline.pipeline.channel import Channel
from trueline.pipeline.node import Block, Component, In, blocks_now
from trueline.pipeline.placeholders import Placeholder

__all__ = ["Cond", "ForEach", "Loop"]

_OPEN: ContextVar[tuple[Block, ...]] = blocks_now


class Cond(Block):
    """The nodes inside run only where the predicate is true.

    Args:
        predicate: a placeholder, such as ``node.outputs["result"].value > 0.9``.

    Raises:
        ConfigError: a predicate that is known already, for which Python's ``if`` is right.
    """

    def __init__(self, predicate: Placeholder) -> None:
        if not isinstance(predicate, Placeholder):
            raise ConfigError(
                f"Cond was given {predicate!r}, which is known while the pipeline is built",
                hint="use Python's if for that; Cond takes an expression such as node.outputs['result'].value > 3.",
            )
        self.predicate = predicate

    def __enter__(self) -> Placeholder:
        self.open()
        return self.predicate


class ForEach(Block):
    """The nodes inside run once for each item, the passes side by side.

    Args:
        items: a channel of a list (`JsonValue`) or of several artifacts, a list, or a placeholder that comes to a list.
        name: the loop's id in the pipeline.
        parallel: at most so many passes at once; all by default.
    """

    def __init__(self, items: Any, *, name: str = "loop", parallel: int | None = None) -> None:
        self.loop = Loop(items, name, parallel)

    def __enter__(self) -> Any:
        self.open()
        return self.loop.item


class Loop(Component):
    """The node that a `ForEach` stands for: it counts the items; its body's nodes come after it."""

    SYSTEM = "loop"
    INPUTS: ClassVar[Mapping[str, In]] = {}

    def __init__(self, items: Any, name: str, parallel: int | None) -> None:
        channel = items if isinstance(items, Channel) else None
        over_artifacts = channel is not None and not (channel.type is not None and issubclass(channel.type, JsonValue))
        params: dict[str, Any] = {"parallel": parallel}
        if not over_artifacts:
            params["items"] = channel.value if channel is not None else items
        super().__init__(node_id=name, params=params)
        if parallel is not None and (not isinstance(parallel, int) or parallel < 1):
            self.note(f"cannot run {parallel!r} passes at once")
        if not over_artifacts and not isinstance(params["items"], Placeholder | Sequence):
            self.note(f"takes a channel, a list or a placeholder, but was given {items!r}")
        self.item: Any
        if over_artifacts:
            assert channel is not None
            if channel.type is not None:
                self.declared_inputs = {"items": In(channel.type, optional=True)}
            self._wire({"items": channel} if channel.type is not None else {})
            self.item = Channel(channel.producer, channel.key, channel.type, item_of=self)
        else:
            self.item = Placeholder("item", self)

    def type_name(self) -> str:
        return "trueline.pipeline.control.ForEach"

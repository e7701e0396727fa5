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
            Of a resolver that makes groups (windows, pairs) an item is a group. Several channels of artifacts, as in
            ``resolver.outputs``, go side by side; the item then is a dict of channels by name.
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
        channels = _artifact_channels(items)
        params: dict[str, Any] = {"parallel": parallel}
        if channels is None:
            params["items"] = items.value if isinstance(items, Channel) else items
        super().__init__(node_id=name, params=params)
        if parallel is not None and (isinstance(parallel, bool) or not isinstance(parallel, int) or parallel < 1):
            self.note(f"cannot run {parallel!r} passes at once")
        self.item: Any = Placeholder("item", self)
        if channels is not None:
            known = {key: channel for key, channel in channels.items() if channel.type is not None}
            self.declared_inputs = {key: In(c.type, optional=True) for key, c in known.items() if c.type is not None}
            self._wire(known)
            made = {key: Channel(c.producer, c.key, c.type, item_of=self) for key, c in channels.items()}
            self.item = made["items"] if isinstance(items, Channel) else made
        elif isinstance(params["items"], str) or not isinstance(params["items"], Placeholder | Sequence):
            self.note(f"takes a channel, a list or a placeholder, but was given {items!r}")

    def type_name(self) -> str:
        return "trueline.pipeline.control.ForEach"


def _artifact_channels(items: Any) -> dict[str, Channel] | None:
    """The channels of a loop over artifacts by input name, or None for a loop over values."""
    if isinstance(items, Channel):
        values = items.type is not None and issubclass(items.type, JsonValue) and not _several(items)
        return None if values else {"items": items}
    if isinstance(items, Mapping) and items and all(isinstance(item, Channel) for item in items.values()):
        return dict(items)
    return None


def _several(channel: Channel) -> bool:
    """Whether it holds the artifacts of all passes of a loop: these are the items then, not what one of them holds."""
    left = [loop for loop in channel.producer.loops if all(getattr(b, "loop", None) is not loop for b in _OPEN.get())]
    return bool(left) and channel.item_of is None

"""Channels: the wire from one node's output to another's input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trueline._core.errors import ConfigError, did_you_mean
from trueline.pipeline.artifacts import ArtifactType
from trueline.pipeline.placeholders import Placeholder

if TYPE_CHECKING:
    from trueline.pipeline.context import ArtifactHandle
    from trueline.pipeline.node import Component

__all__ = ["Channel", "OutputChannels"]


@dataclass(frozen=True, eq=False)
class Channel:
    """The artifacts that one output of one node will hold.

    Attributes:
        producer: the node.
        key: the name of the output.
        type: the artifact type, or None where the node has no such output (the pipeline reports it).
        item_of: the loop whose present item this is, or None for all artifacts.
    """

    producer: Component
    key: str
    type: type[ArtifactType] | None
    item_of: Component | None = None

    def future(self) -> Placeholder:
        """All artifacts, for expressions: ``channel.future()[0].value``, as in TFX."""
        return Placeholder("artifacts", self)

    @property
    def value(self) -> Placeholder:
        """The value of the (first) artifact, known when it is there."""
        return self.future().value

    @property
    def uri(self) -> Placeholder:
        """The folder of the (first) artifact."""
        return self.future().uri

    def property(self, name: str) -> Placeholder:
        """A declared or custom property of the (first) artifact."""
        return self.future().property(name)

    def get(self) -> list[ArtifactHandle]:
        """The artifacts, once an `InteractiveContext` has run the node.

        Raises:
            ConfigError: the node has not run in this session, or has no such output.
        """
        made = self.producer.artifacts
        if made is None or self.key not in made:
            outputs = did_you_mean(self.key, made or {}) if made is not None else "run it first: context.run(node)."
            raise ConfigError(f"node {self.producer.node_id!r} has made no {self.key!r} yet", hint=outputs)
        return made[self.key]

    def __repr__(self) -> str:
        return f"Channel({self.producer.node_id}.{self.key})"


class OutputChannels(Mapping[str, Channel]):
    """A node's outputs, by key or by attribute.

    A name that does not exist gives a channel that leads nowhere and notes the problem at the node, so that
    building the pipeline reports it together with everything else.
    """

    def __init__(self, producer: Component, types: Mapping[str, type[ArtifactType]]) -> None:
        self._producer = producer
        self._channels = {key: Channel(producer, key, kind) for key, kind in types.items()}

    def __getitem__(self, key: str) -> Channel:
        found = self._channels.get(key)
        if found is not None:
            return found
        self._producer.note(f"has no output {key!r}. {did_you_mean(key, self._channels)}", caller=True)
        return Channel(self._producer, key, None)

    def __getattr__(self, key: str) -> Channel:
        if key.startswith("_"):
            raise AttributeError(key)
        return self[key]

    def __contains__(self, key: object) -> bool:
        return key in self._channels

    def __iter__(self) -> Iterator[str]:
        return iter(self._channels)

    def __len__(self) -> int:
        return len(self._channels)

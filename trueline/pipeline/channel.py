"""Channels: the wire from one node's output to another's input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trueline._core.errors import did_you_mean
from trueline.pipeline.artifacts import ArtifactType

if TYPE_CHECKING:
    from trueline.pipeline.node import Component

__all__ = ["Channel", "OutputChannels"]


@dataclass(frozen=True, eq=False)
class Channel:
    """The artifacts that one output of one node will hold.

    Attributes:
        producer: the node.
        key: the name of the output.
        type: the artifact type, or None where the node has no such output (the pipeline reports it).
    """

    producer: Component
    key: str
    type: type[ArtifactType] | None

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

"""Pipelines inside pipelines: a pipeline with named inputs and outputs is used like a component.

    given = PipelineInputs({"examples": gen.outputs["examples"]})
    trainer = Trainer(examples=given["examples"], ...)
    training = Pipeline("training", [trainer], inputs=given, outputs={"model": trainer.outputs["model"]})
    Pipeline("whole", [training, Pusher(model=training.outputs["model"])])

Its nodes become nodes of the outer pipeline, called ``training.Trainer``: one graph, which every runner understands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from trueline._core.errors import ConfigError, did_you_mean
from trueline.pipeline.channel import Channel
from trueline.pipeline.node import Block, Component
from trueline.pipeline.placeholders import leaves

if TYPE_CHECKING:
    from trueline.pipeline.pipeline import Pipeline

__all__ = ["PipelineInputs", "PipelineOutputs", "around", "embed", "outermost"]


class PipelineInputs(Mapping[str, Channel]):
    """What a sub-pipeline takes from outside: channels by name.

    Raises:
        ConfigError: something that is no channel.
    """

    def __init__(self, inputs: Mapping[str, Channel]) -> None:
        self._inputs = dict(inputs)
        problems = [f"input {k!r} was given {v!r}" for k, v in self._inputs.items() if not isinstance(v, Channel)]
        if problems:
            raise ConfigError("a pipeline's inputs are channels", problems=problems, hint="give node.outputs[...].")

    def __getitem__(self, key: str) -> Channel:
        try:
            return self._inputs[key]
        except KeyError:
            raise ConfigError(f"the pipeline has no input {key!r}", hint=did_you_mean(key, self._inputs)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._inputs)

    def __len__(self) -> int:
        return len(self._inputs)

    def producers(self) -> set[int]:
        """Identities of the nodes outside, at which the sub-pipeline ends."""
        return {id(channel.producer) for channel in self._inputs.values()}


class PipelineOutputs(Mapping[str, Channel]):
    """What a sub-pipeline gives: channels of its nodes by name."""

    def __init__(self, pipeline: str, outputs: Mapping[str, Channel]) -> None:
        self._pipeline, self._outputs = pipeline, dict(outputs)

    def __getitem__(self, key: str) -> Channel:
        try:
            return self._outputs[key]
        except KeyError:
            raise ConfigError(
                f"pipeline {self._pipeline!r} has no output {key!r}", hint=did_you_mean(key, self._outputs)
            ) from None

    def __getattr__(self, key: str) -> Channel:
        if key.startswith("_"):
            raise AttributeError(key)
        return self[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)


def around(blocks: Iterable[Block]) -> set[int]:
    """Identities of the nodes that the blocks around a sub-pipeline speak of; they lie outside of it."""
    found = {id(block.loop) for block in blocks if hasattr(block, "loop")}
    predicates = [block.predicate for block in blocks if hasattr(block, "predicate")]
    return found | {id(channel.producer) for channel in leaves(predicates, Channel)}


def outermost(part: Pipeline, whole: Pipeline) -> Pipeline:
    """The sub-pipeline of the whole that a part of a part belongs to."""
    while part.owner is not None and part.owner is not whole:
        part = part.owner
    return part


def embed(inner: Pipeline, problems: list[str]) -> list[Component]:
    """The nodes of a sub-pipeline as nodes of the outer one, renamed once."""
    if inner.on_exit:
        problems.append(f"pipeline {inner.name!r} is a part of another: its on_exit nodes belong to the outer one")
    if not inner.embedded:
        inner.embedded = True
        for node in inner.nodes:
            node.node_id = f"{inner.name}.{node.node_id}"
            missing = tuple(block for block in inner.blocks if block not in node.blocks)
            node.blocks = (*missing, *node.blocks)
    return list(inner.nodes)

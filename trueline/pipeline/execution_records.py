"""What a launch records of an execution in ML Metadata's and TFX's form: its properties, its result, what it read."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trueline.metadata.client_writes import ArtifactEvent
from trueline.metadata.records import EventType, Execution, ExecutionState
from trueline.pipeline.compile import CompiledNode
from trueline.pipeline.context import ArtifactHandle

__all__ = ["EXECUTION_RESULT", "Inputs", "exec_properties", "execution_of", "execution_result", "input_events"]

EXECUTION_RESULT = "__execution_result__"
_INT64 = 2**63


def exec_properties(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as TFX keeps them: custom properties, what is no primitive as JSON text, None left out."""
    kept: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, bool | float | str) or (isinstance(value, int) and -_INT64 <= value < _INT64):
            kept[name] = value
        elif value is not None:
            kept[name] = json.dumps(value, sort_keys=True)
    return kept


def execution_result(code: int, message: str) -> str:
    """TFX's record of a failure."""
    return json.dumps({"code": code, "resultMessage": message})


def execution_of(node: CompiledNode, state: ExecutionState) -> Execution:
    """A new execution of a node, under a name that nothing else has."""
    return Execution(node.type, state, name=str(uuid.uuid4()), custom_properties=exec_properties(node.params))


@dataclass(frozen=True)
class Inputs:
    """What went into an execution: artifacts under its inputs, and those that its parameters were `read` from, by
    (node, output)."""

    wired: Mapping[str, list[ArtifactHandle]]
    read: Mapping[tuple[str, str], list[ArtifactHandle]]


def input_events(inputs: Inputs) -> list[ArtifactEvent]:
    """INPUT events of the inputs; INTERNAL_INPUT, with TFX's name of an implicit input, of what parameters read."""
    wired: list[ArtifactEvent] = [
        (handle.id, EventType.INPUT, (key, index))
        for key, handles in sorted(inputs.wired.items())
        for index, handle in enumerate(handles)
        if handle.id is not None
    ]
    return wired + [
        (handle.id, EventType.INTERNAL_INPUT, (f"_{node}.{key}", index))
        for (node, key), handles in sorted(inputs.read.items())
        for index, handle in enumerate(handles)
        if handle.id is not None
    ]

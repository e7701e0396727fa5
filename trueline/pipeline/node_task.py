"""One execution as data: what goes to the process or thread that carries it out, and what comes back."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a node's own process reads tasks, and needs no database for it
    from trueline.pipeline.compile import CompiledNode
    from trueline.pipeline.context import ArtifactHandle
    from trueline.pipeline.run_context import RunContext

__all__ = ["STORE_VARIABLE", "NodeTask", "Outcome", "Report", "task_of"]

Report = Callable[[dict[str, Any]], None]
STORE_VARIABLE = "TRUELINE_STORE_URL"  # of the environment: the database's address may hold a password


@dataclass(frozen=True)
class NodeTask:
    """One execution as data: what another process needs to carry it out."""

    node_id: str
    pipeline: str
    run_id: str
    execution_id: int
    executor: Mapping[str, Any]
    params: Mapping[str, Any]
    inputs: Mapping[str, list[dict[str, Any]]]
    outputs: Mapping[str, dict[str, Any]]
    tmp_dir: str
    log: str
    resume_dir: str = ""
    sys_path: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    sample: int | None = None
    attempt: int = 1
    left_out: tuple[str, ...] = ()

    def to_json(self) -> str:
        """JSON; `from_json` is its inverse."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> NodeTask:
        """The task that `to_json` described."""
        data = json.loads(text)
        return cls(**{**data, "sys_path": tuple(data["sys_path"]), "left_out": tuple(data["left_out"])})


def task_of(
    run: RunContext,
    node: CompiledNode,
    execution_id: int,
    inputs: Mapping[str, list[ArtifactHandle]],
    outputs: Mapping[str, ArtifactHandle],
    *,
    tmp_dir: str,
    resume_dir: str,
    log: str,
) -> NodeTask:
    """The task of a node's execution in a run, for an executor that finds what this process finds."""
    from trueline.pipeline.resolve import left_out

    return NodeTask(
        node_id=node.id,
        pipeline=run.plan.name,
        run_id=run.run_id,
        execution_id=execution_id,
        executor=node.executor or {},
        params=node.params,
        inputs={name: [handle.to_json() for handle in handles] for name, handles in inputs.items()},
        outputs={name: handle.to_json() for name, handle in outputs.items()},
        tmp_dir=tmp_dir,
        resume_dir=resume_dir,
        log=log,
        sys_path=tuple(sys.path),
        environment=node.settings.get("environment", {}),
        sample=run.sample,
        attempt=run.attempt,
        left_out=left_out(run, node, inputs),
    )


@dataclass(frozen=True)
class Outcome:
    """How an execution ended: `error` is None, or one sentence with `trace` beside it. An error of the configuration is
    not `retryable`: another attempt would end the same."""

    found: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    gate: str | None = None
    error: str | None = None
    trace: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    retryable: bool = True

"""One execution as data: what goes to the process or thread that carries it out, and what comes back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["STORE_VARIABLE", "NodeTask", "Outcome", "Report"]

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

    def to_json(self) -> str:
        """JSON; `from_json` is its inverse."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> NodeTask:
        """The task that `to_json` described."""
        data = json.loads(text)
        return cls(**{**data, "sys_path": tuple(data["sys_path"])})


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

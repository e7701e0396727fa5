"""Human approval: a node that waits for somebody's decision, see `trueline.pipeline.approval_node.Approval`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from trueline._core import store as files
from trueline._core.errors import ConfigError
from trueline.metadata import approvals
from trueline.metadata.node_rows import now_ms
from trueline.metadata.records import Execution
from trueline.pipeline.approval_listen import hash_of, listening, new_token
from trueline.pipeline.approval_node import address
from trueline.pipeline.approval_notify import Call, notify
from trueline.pipeline.compile import CompiledNode
from trueline.pipeline.context import ArtifactHandle
from trueline.pipeline.evaluate import ExecutorScope, evaluate
from trueline.pipeline.execution_records import Inputs
from trueline.pipeline.node_errors import describe_error
from trueline.pipeline.node_task import Outcome
from trueline.pipeline.publish import publish_failed, publish_success, register
from trueline.pipeline.resolve import resolve_inputs
from trueline.pipeline.results import NodeResult
from trueline.pipeline.run_context import RunContext
from trueline.pipeline.run_scope import with_values

__all__ = ["wait"]

_POLL_SECONDS = 1.0
_CANCELED = "the run was cancelled"


@dataclass(frozen=True)
class _Asked:
    """One question under way."""

    run: RunContext
    node: CompiledNode
    about: list[ArtifactHandle]
    text: str
    targets: Mapping[str, str]

    @property
    def key(self) -> tuple[str, str]:
        return self.run.run_id, self.node.id

    def log(self, line: str) -> None:
        """Adds a line to the node's log."""
        path = self.run.log_path(self.node.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as handle:
            handle.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {line}\n")


def wait(run: RunContext, node: CompiledNode) -> NodeResult:
    """Asks, waits, and publishes the decision: COMPLETE when approved, else a closed gate, whose output can be read."""
    node, scope = with_values(run, node)
    inputs = resolve_inputs(run, node)
    asked = _question(run, node, inputs)
    execution, outputs = register(run, node, Inputs(inputs, scope.artifacts), None, "a decision is never cached")
    try:
        found = _decision(asked)
        if found is not None and found.decision != "expired":
            return _publish(run, node, execution, outputs, found)
        message = _CANCELED if found is None else _no_decision(node)
        canceled, trace = found is None, None
    except Exception as error:
        canceled, message = run.cancelled.is_set(), describe_error(error, run.plan.root)
        trace = type(error).__name__
    publish_failed(run, node, execution, outputs, message, Outcome(trace=trace), canceled=canceled)
    state = "CANCELED" if canceled else "FAILED"
    return NodeResult(node.id, state, message=message, execution_id=execution.id, retryable=False)  # type: ignore[arg-type]


def _question(run: RunContext, node: CompiledNode, inputs: Mapping[str, list[ArtifactHandle]]) -> _Asked:
    """What is asked. The artifacts are a part of the text: a decision about others is no decision about these.

    Raises:
        ConfigError: the question or the time-out came to something else, or a secret is not set.
    """
    question, timeout = node.params.get("question"), node.params.get("timeout")
    if not isinstance(question, str) or not question.strip():
        raise ConfigError(f"the question came to {question!r}; text is needed, and no secret", where=f"node {node.id}")
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0):
        raise ConfigError(f"timeout came to {timeout!r}; seconds above 0 are needed", where=f"node {node.id}")
    about = [handle for key in sorted(inputs) for handle in inputs[key]]
    listed = ", ".join(f"{handle.type} {handle.id}" for handle in about)
    hooks = {name: node.params[name] for name in ("webhook", "slack") if node.params.get(name) is not None}
    targets = evaluate(hooks, ExecutorScope(inputs, {}, node.params), deferred=True)
    text = f"{question.strip()} (about {listed})" if listed else question.strip()
    return _Asked(run, node, about, text, targets)


def _decision(asked: _Asked) -> approvals.Approval | None:
    """The question with its decision; None where the run was cancelled before anybody decided."""
    run, node = asked.run, asked.node
    token = new_token() if node.params.get("listen") else None
    found = approvals.ask(
        run.store,
        *asked.key,
        asked.text,
        timeout=node.params.get("timeout"),
        token_hash=None if token is None else hash_of(token),
    )
    if found.decision is not None:
        asked.log(f"decided before: {found.decision} by {found.decided_by}")
        return found
    with _open_to_decisions(asked, token) as listen:
        expires = None if found.expires is None else datetime.fromtimestamp(found.expires / 1000, UTC)
        until = None if expires is None else expires.isoformat(timespec="seconds")
        call = Call(*asked.key, run.plan.name, str(node.params["question"]).strip(), asked.about, until, listen)
        message = f"{asked.text}: {call.command}, or --reject"
        asked.log(f"waits: {message}")
        run.runs.set_node(*asked.key, state="WAITING", message=message)
        run.on_waiting(node.id, message)
        if asked.targets:
            threading.Thread(target=notify, args=(asked.targets, call, asked.log), daemon=True).start()
        return _poll(asked, found)


@contextmanager
def _open_to_decisions(asked: _Asked, token: str | None) -> Iterator[tuple[str, str] | None]:
    """Where the node listens, with the token; None where it does not."""
    place = address(str(asked.node.params.get("listen", "")))
    if token is None or place is None:
        yield None
        return

    def decide(approved: bool, by: str | None, comment: str | None) -> str:
        found = approvals.decide(asked.run.store, *asked.key, approved, by=by, comment=comment)
        return str(found.decision)

    with listening(place, hash_of(token), decide) as url:
        yield url, token


def _poll(asked: _Asked, found: approvals.Approval) -> approvals.Approval | None:
    """Looks about once a second; a store that is away for a moment ends nothing."""
    run, told = asked.run, False
    while not run.cancelled.is_set():
        try:
            found = approvals.decision_of(run.store, *asked.key)
            if found.over:
                found = approvals.expire(run.store, *asked.key, *_at_the_end(asked.node))
        except Exception as error:
            if not told:
                asked.log(f"the metadata store cannot be asked ({type(error).__name__}); waiting on")
            told = True
        if found.decision is not None:
            break
        left = _POLL_SECONDS if found.expires is None else (found.expires - now_ms()) / 1000
        run.cancelled.wait(min(_POLL_SECONDS, max(left, 0.01)) if not told else _POLL_SECONDS)
    else:
        return None
    by = found.decided_by or "time-out"
    asked.log(f"{found.decision} by {by}" + (f": {found.comment}" if found.comment else ""))
    return found


def _at_the_end(node: CompiledNode) -> tuple[approvals.ApprovalDecision, str]:
    """What was agreed on for when time is up."""
    agreed: dict[str, approvals.ApprovalDecision] = {"approve": "approved", "reject": "rejected"}
    return agreed.get(str(node.params.get("on_timeout")), "expired"), _no_decision(node)


def _no_decision(node: CompiledNode) -> str:
    return f"nobody decided within {node.params['timeout']:g} s"


def _publish(
    run: RunContext,
    node: CompiledNode,
    execution: Execution,
    outputs: dict[str, ArtifactHandle],
    found: approvals.Approval,
) -> NodeResult:
    """The decision as an artifact, and who decided with the execution."""
    approved = found.decision == "approved"
    value: dict[str, Any] = {"approved": approved, "by": found.decided_by, "comment": found.comment}
    noted = {"decision": found.decision, "decided_by": found.decided_by or "", "comment": found.comment or ""}
    handle = outputs["decision"]
    files.makedirs(handle.uri)
    handle.value = value
    handle.properties.update({"approved": approved, **{k: v for k, v in noted.items() if v and k != "decision"}})
    outcome = Outcome(found=value, gate=None if approved else _rejection(found))
    said = replace(
        execution, custom_properties={**execution.custom_properties, **{k: v for k, v in noted.items() if v}}
    )
    published = publish_success(run, node, said, outputs, outcome)
    state = "COMPLETE" if approved else "FAILED"
    return NodeResult(
        node.id,
        state,  # type: ignore[arg-type]
        found=value,
        message=outcome.gate,
        outputs=published,
        execution_id=execution.id,
        retryable=False,
    )


def _rejection(found: approvals.Approval) -> str:
    if found.decided_by is None:
        return f"not approved: {found.comment}"
    return f"{found.decided_by} rejected it" + (f": {found.comment}" if found.comment else "")

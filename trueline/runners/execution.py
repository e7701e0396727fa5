"""One run under way: the calling thread decides what runs next, a thread per node works."""

from __future__ import annotations

import os
import queue
import shutil
import threading
import time
from dataclasses import replace
from typing import Any

from trueline.metadata.node_rows import now_ms
from trueline.metadata.run_control import add_passes, cancel_requested
from trueline.metadata.run_records import RunStatus
from trueline.pipeline.compile import CompiledNode
from trueline.pipeline.context import ArtifactHandle
from trueline.pipeline.launcher import launch, omit, reuse, skip
from trueline.pipeline.results import NodeResult, OnEvent, RunEvent, RunResult
from trueline.pipeline.run_context import Done, RunContext
from trueline.pipeline.schedule import Decision, Schedule
from trueline.pipeline.sentence import sentence
from trueline.runners.interrupt import Interrupt

__all__ = ["Execution"]

_BEAT_SECONDS = 5.0
_LOOK_SECONDS = 1.0
_GRACE_SECONDS = 5.0


class Execution:
    """Carries out one run.

    Args:
        run: the run; nodes that have ended already stand in `run.done`.
        reused: nodes that lend the outputs of an earlier run.
        workers: how many nodes at most run at the same time; nodes that wait for somebody do not count.
        on_event: told of everything that happens.
    """

    def __init__(self, run: RunContext, reused: frozenset[str], workers: int, on_event: OnEvent | None) -> None:
        self._run = replace(run, on_found=self._on_found, on_waiting=self._on_waiting, status=self._status)
        self._reused, self._workers, self._on_event = reused, workers, on_event
        self._schedule = Schedule(run.plan, {one: done.state for one, done in run.done.items()}, run.counts)
        # A SimpleQueue may be put into from a signal handler, whatever the interrupted thread holds.
        self._done: queue.SimpleQueue[NodeResult | None] = queue.SimpleQueue()
        self._results: dict[str, NodeResult] = {one: self._known(one, done) for one, done in run.done.items()}
        self._busy: dict[str, tuple[CompiledNode, threading.Thread | None]] = {}
        self._waiting_on_people: set[str] = set()
        self._telling = threading.Lock()
        self._over = threading.Event()
        self._in_main = False

    def _known(self, node_id: str, done: Done) -> NodeResult:
        outputs = {
            key: [ArtifactHandle(a.type, a.uri or "", id=a.id) for a in artifacts]
            for key, artifacts in (done.artifacts or {}).items()
        }
        return NodeResult(node_id, done.state, found=done.found, outputs=outputs, execution_id=done.execution_id)  # type: ignore[arg-type]

    # -- from start to end ------------------------------------------------------------------------------------------

    def carry_out(self) -> RunResult:
        """Runs everything; an interruption of this process is raised after the run has ended properly."""
        self._tell(RunEvent("run_started", self._run.run_id, now_ms()))
        watch = threading.Thread(target=self._watch, name="trueline-heartbeat", daemon=True)
        watch.start()
        with Interrupt(self._cancel, lambda: self._in_main) as interrupt:
            try:
                self._add_known_passes()
                while not self._schedule.over:
                    self._step()
                result = self._end()
            except BaseException as error:
                self._run.cancelled.set()
                self._give_up(error)
                raise
            finally:
                self._over.set()
                watch.join()
                shutil.rmtree(self._run.work_dir / "tmp" / self._run.run_id, ignore_errors=True)
        if interrupt.received:
            raise KeyboardInterrupt(f"run {self._run.run_id} was interrupted")
        return result

    def _add_known_passes(self) -> None:
        """Of a run that is taken up: a loop may have been counted before its process ended, its passes not added."""
        if self._run.counts:
            passes = [one for node in self._run.plan.nodes for one in self._schedule.passes(node)]
            known = {one.id: one.base_id for one in passes if one.id != one.base_id}
            if known:
                add_passes(self._run.store, self._run.run_id, known)

    def _step(self) -> None:
        """Starts what can start, then waits for something to happen."""
        progressed = False
        for decision in self._schedule.decide():
            progressed = self._act(decision) or progressed
        if progressed and not self._busy:
            return
        if self._busy:
            result = self._done.get()
            if result is not None:
                self._take(result)
        elif not progressed:
            raise RuntimeError("the run stands still, though nodes are left")

    def _act(self, decision: Decision) -> bool:
        node = decision.node
        if self._run.cancelled.is_set() and not node.on_exit:
            self._take(self._canceled(node))
            return True
        if decision.action == "skip":
            self._schedule.blame(node.id, decision.because)
            self._take(skip(self._run, node, decision.because))
            return True
        if decision.action == "omit":
            self._take(omit(self._run, node, decision.because))
            return True
        if not self._has_room(node):
            return False
        self._start(node)
        return True

    def _canceled(self, node: CompiledNode) -> NodeResult:
        message = "the run was cancelled"
        self._run.runs.set_node(self._run.run_id, node.id, state="CANCELED", message=message, finished=now_ms())
        return NodeResult(node.id, "CANCELED", message=message)

    def _has_room(self, node: CompiledNode) -> bool:
        if node.system is not None or not self._busy:
            return True
        working = [one for one, _ in self._busy.values() if one.id not in self._waiting_on_people]
        if len(working) >= self._workers:
            return False
        cores = sum(one.node_settings.resources.cpu for one in (*working, node))
        return not working or cores <= max(self._workers, os.cpu_count() or 1)

    def _start(self, node: CompiledNode) -> None:
        self._schedule.started(node.id)
        self._tell(RunEvent("node_started", self._run.run_id, now_ms(), node.id))
        debug = self._run.debug_node in (node.id, node.base_id)
        chosen = node.node_settings.isolation or self._run.isolation_by_node.get(node.base_id) or self._run.isolation
        if debug or chosen == "main":
            self._busy[node.id] = (node, None)
            self._in_main = True
            self._work(node)
            self._in_main = False
            return
        thread = threading.Thread(target=self._work, args=(node,), name=f"trueline-{node.id}", daemon=True)
        self._busy[node.id] = (node, thread)
        thread.start()

    # -- one node ---------------------------------------------------------------------------------------------------

    def _work(self, node: CompiledNode) -> None:
        try:
            # A cancelled run's nodes for the end run all the same.
            run = replace(self._run, cancelled=threading.Event()) if node.on_exit else self._run
            result = reuse(run, node) if node.base_id in self._reused else self._attempts(run, node)
        except BaseException as error:
            # The store itself failed: the run must still come to its end and say so.
            result = NodeResult(node.id, "FAILED", message=f"{type(error).__name__}: {error}")
        self._done.put(result)

    def _attempts(self, run: RunContext, node: CompiledNode) -> NodeResult:
        """Launches a node, again after a failure as often as its settings say."""
        settings = node.node_settings
        for attempt in range(1, settings.retries + 2):
            result = launch(run, node, attempt)
            last = attempt > settings.retries
            if last or not result.retryable or result.state != "FAILED" or run.cancelled.is_set():
                return result
            wait = settings.wait_before(attempt + 1)
            what = f"attempt {attempt} of {settings.retries + 1} failed: {sentence(result.message or '')}"
            said = f"{what}; the next in {wait:g} s"
            self._tell(RunEvent("node_retry", self._run.run_id, now_ms(), node.id, message=said))
            run.cancelled.wait(wait)
        return result

    def _take(self, result: NodeResult) -> None:
        if result.node_id in self._schedule.ended:  # a thread that was given up has come back
            return
        self._busy.pop(result.node_id, None)
        self._waiting_on_people.discard(result.node_id)
        self._results[result.node_id] = result
        self._run.done[result.node_id] = Done(result.state, result.execution_id, None, result.found)
        items = result.found.get("items")
        passes = self._schedule.finished(result.node_id, result.state, items if isinstance(items, int) else None)
        self._run.counts.update(self._schedule.counts)
        if passes:
            add_passes(self._run.store, self._run.run_id, {one.id: one.base_id for one in passes})
            ids = tuple(one.id for one in passes)
            self._tell(RunEvent("nodes_added", self._run.run_id, now_ms(), result.node_id, nodes=ids))
        self._tell(RunEvent("node_finished", self._run.run_id, now_ms(), result.node_id, result.found, result))

    # -- ending -----------------------------------------------------------------------------------------------------

    def _cancel(self) -> None:
        """Asks the run to end: processes are ended, waiting nodes are CANCELED, nodes for the end still run."""
        self._run.cancelled.set()
        self._done.put(None)
        threading.Thread(target=self._abandon, name="trueline-abandon", daemon=True).start()

    def _abandon(self) -> None:
        """Threads cannot be ended: after a moment the run goes on without them, and they publish nothing."""
        stop = time.monotonic() + _GRACE_SECONDS
        while time.monotonic() < stop and not self._over.is_set():
            time.sleep(0.05)
        for node, thread in list(self._busy.values()):
            if thread is not None and thread.is_alive() and not node.on_exit:
                self._done.put(self._given_up(node))

    def _given_up(self, node: CompiledNode) -> NodeResult:
        try:
            return self._canceled(node)
        except Exception as error:
            # Without a result for every node at work the run would wait for ever; its end tells of the store again.
            return NodeResult(node.id, "CANCELED", message=f"{type(error).__name__}: {error}")

    def _give_up(self, error: BaseException) -> None:
        """Something broke outside the nodes: the store must still tell the truth, if it can be reached."""
        try:
            for node in self._run.plan.nodes:
                for one in self._schedule.passes(node):
                    if one.id not in self._results:
                        self._canceled(one)
            status: RunStatus = "CANCELED" if isinstance(error, KeyboardInterrupt) else "FAILED"
            self._run.runs.finish(self._run.run_id, status, f"{type(error).__name__}: {error}")
        except Exception:  # noqa: S110 - the error under way is the one to tell of
            pass

    def _status(self) -> dict[str, Any]:
        """How the run goes, as `FinalStatus` tells it."""
        failed = [r for r in self._results.values() if r.state in ("FAILED", "CANCELED")]
        state = "CANCELLED" if self._run.cancelled.is_set() else "FAILED" if failed else "SUCCEEDED"
        error = "; ".join(f"{r.node_id}: {sentence(r.message or r.state)}" for r in failed) or None
        return {"state": state, "run_id": self._run.run_id, "error": error, "failed": [r.node_id for r in failed]}

    def _end(self) -> RunResult:
        bad = [r for r in self._results.values() if not r.ok and r.state != "OMITTED"]
        message = "; ".join(
            f"{r.node_id}: {sentence(r.message or r.state)}" for r in bad if r.state in ("FAILED", "CANCELED")
        )
        status: RunStatus = "CANCELED" if self._run.cancelled.is_set() else "FAILED" if bad else "COMPLETE"
        if status == "CANCELED":
            message = "cancelled" + (f"; {message}" if any(r.state == "FAILED" for r in bad) else "")
        self._run.runs.finish(self._run.run_id, status, message or None)
        self._tell(RunEvent("run_finished", self._run.run_id, now_ms(), status=status))
        order = [one.id for node in self._run.plan.nodes for one in self._schedule.passes(node)]
        return RunResult(self._run.run_id, status, {one: self._results[one] for one in order}, message or None)

    # -- beside the nodes -------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Says that the process lives, and looks whether somebody asked for the run's end."""
        beaten = 0.0
        while not self._over.wait(_LOOK_SECONDS):
            try:
                if time.monotonic() - beaten >= _BEAT_SECONDS:
                    self._run.runs.beat(self._run.run_id)
                    beaten = time.monotonic()
                if not self._run.cancelled.is_set() and cancel_requested(self._run.store, self._run.run_id):
                    self._cancel()
            except Exception:  # noqa: S112 - a store that is away for a moment ends no run; nodes say so themselves
                continue

    def _on_found(self, node_id: str, found: dict[str, Any]) -> None:
        self._tell(RunEvent("node_found", self._run.run_id, now_ms(), node_id, found))

    def _on_waiting(self, node_id: str, message: str) -> None:
        self._waiting_on_people.add(node_id)
        self._tell(RunEvent("node_waiting", self._run.run_id, now_ms(), node_id, message=message))
        self._done.put(None)  # its place is free for another node

    def _tell(self, event: RunEvent) -> None:
        if self._on_event is not None:
            with self._telling:
                self._on_event(event)

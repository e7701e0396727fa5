"""The local runner: nodes of one machine, independent ones at the same time."""

from __future__ import annotations

import os
import queue
import secrets
import shutil
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from trueline._core.errors import ConfigError
from trueline.metadata.node_rows import now_ms
from trueline.metadata.records import Context
from trueline.metadata.runs import RunStatus, RunStore
from trueline.metadata.store import MetadataStore
from trueline.pipeline.compile import CompiledNode, CompiledPipeline, compile_pipeline
from trueline.pipeline.launcher import launch, reuse, skip
from trueline.pipeline.pipeline import Pipeline
from trueline.pipeline.recover import recover
from trueline.pipeline.results import NodeResult, OnEvent, RunEvent, RunResult
from trueline.pipeline.run_context import Isolation, RunContext, register_types
from trueline.pipeline.selection import select

__all__ = ["LocalRunner"]

_BEAT_SECONDS = 5.0
_DEFAULT_WORKERS = 4


class LocalRunner:
    """Runs pipelines on this machine.

    Args:
        max_workers: how many nodes at most run at the same time.
        isolation: ``thread`` runs executors in this process; ``process`` gives each node a spawned process of its
            own, so that a crash or a kill fails that node alone.
    """

    def __init__(self, max_workers: int | None = None, isolation: Isolation = "thread") -> None:
        if max_workers is not None and max_workers < 1:
            raise ConfigError(f"max_workers is {max_workers}; at least one is needed")
        if isolation not in ("thread", "process"):
            raise ConfigError(f"isolation is {isolation!r}", hint="'thread' or 'process'.")
        self.max_workers = max_workers or min(_DEFAULT_WORKERS, max(2, os.cpu_count() or 2))
        self.isolation: Isolation = isolation

    def run(
        self,
        pipeline: Pipeline | CompiledPipeline,
        *,
        params: Mapping[str, Any] | None = None,
        use_cache: bool | None = None,
        from_nodes: Iterable[str] | None = None,
        to_nodes: Iterable[str] | None = None,
        isolation: Isolation | Mapping[str, Isolation] | None = None,
        on_event: OnEvent | None = None,
        run_id: str | None = None,
    ) -> RunResult:
        """Carries a pipeline out.

        A node that fails stops the nodes that need it; independent branches go on. Runs of dead processes are
        cleaned up first.

        Args:
            pipeline: what to run.
            params: the parameters the pipeline was made with; they are recorded with the run.
            use_cache: overrides the pipeline's own setting.
            from_nodes, to_nodes: a partial run; nodes before it lend the outputs of earlier runs.
            isolation: overrides the runner's, for all nodes or by node id.
            on_event: told of everything that happens, from one thread at a time; it must not raise.
            run_id: a name for the run, unique in the metadata store.

        Raises:
            ConfigError: unknown nodes, or a run started from within a node.
            MetadataError: the metadata database cannot be used.
        """
        _refuse_inside_node()
        plan = compile_pipeline(pipeline) if isinstance(pipeline, Pipeline) else pipeline
        part, reused = select(plan, from_nodes, to_nodes)
        by_node: Mapping[str, Isolation] = isolation if isinstance(isolation, Mapping) else {}
        for node_id in by_node:
            plan.node(node_id)
        store = MetadataStore(plan.metadata)
        try:
            run = RunContext(
                plan=part,
                run_id=run_id or _new_run_id(),
                store=store,
                runs=RunStore(store),
                use_cache=plan.cache if use_cache is None else use_cache,
                isolation=isolation if isinstance(isolation, str) else self.isolation,
                isolation_by_node=by_node,
            )
            for dead in recover(store):
                shutil.rmtree(run.work_dir / "tmp" / dead, ignore_errors=True)
            _begin(run, params or {})
            return _Execution(run, reused, self.max_workers, on_event).carry_out()
        finally:
            store.close()


def _refuse_inside_node() -> None:
    node = os.environ.get("TRUELINE_NODE")
    if node is not None:
        raise ConfigError(
            f"a run was started while node {node!r} imported the file that defines it",
            hint="put the run under `if __name__ == '__main__':`.",
        )


def _new_run_id() -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _begin(run: RunContext, params: Mapping[str, Any]) -> None:
    register_types(run.store, run.plan)
    pipeline_id, run_context_id = run.store.put_contexts(
        [Context("pipeline", run.plan.name), Context("pipeline_run", run.run_id)]
    )
    run.store.put_parent_context(run_context_id, pipeline_id)
    nodes = [node.id for node in run.plan.nodes]
    run.runs.start(run.run_id, run.plan.name, run.plan.to_json(), params, nodes, run_context_id)


class _Execution:
    """One run under way: the calling thread schedules, a thread per node works."""

    def __init__(self, run: RunContext, reused: frozenset[str], workers: int, on_event: OnEvent | None) -> None:
        self._run = replace(run, on_found=self._on_found)
        self._reused, self._workers, self._on_event = reused, workers, on_event
        self._done: queue.Queue[NodeResult] = queue.Queue()
        self._results: dict[str, NodeResult] = {}
        self._waiting = {node.id: node for node in run.plan.nodes}
        self._busy: dict[str, threading.Thread] = {}
        self._telling = threading.Lock()
        self._over = threading.Event()

    def carry_out(self) -> RunResult:
        self._tell(RunEvent("run_started", self._run.run_id, now_ms()))
        beat = threading.Thread(target=self._beat, name="trueline-heartbeat", daemon=True)
        beat.start()
        try:
            self._schedule()
        except BaseException:
            self._cancel()
            raise
        finally:
            self._over.set()
            beat.join()
            shutil.rmtree(self._run.work_dir / "tmp" / self._run.run_id, ignore_errors=True)
        return self._end()

    def _schedule(self) -> None:
        while self._waiting or self._busy:
            self._start_ready()
            if self._busy:
                self._take(self._done.get())

    def _start_ready(self) -> None:
        for node in list(self._waiting.values()):
            failed = [u for u in node.upstream if u in self._results and not self._results[u].ok]
            if failed:
                del self._waiting[node.id]
                self._take(skip(self._run, node, self._root_of(failed[0])))
            elif all(u in self._results for u in node.upstream) and len(self._busy) < self._workers:
                del self._waiting[node.id]
                thread = threading.Thread(target=self._work, args=(node,), name=f"trueline-{node.id}", daemon=True)
                self._busy[node.id] = thread
                self._tell(RunEvent("node_started", self._run.run_id, now_ms(), node.id))
                thread.start()

    def _root_of(self, node_id: str) -> str:
        """The node whose failure made this one skip."""
        plan = {node.id: node for node in self._run.plan.nodes}
        while self._results[node_id].state == "SKIPPED":
            node_id = next(u for u in plan[node_id].upstream if u in self._results and not self._results[u].ok)
        return node_id

    def _work(self, node: CompiledNode) -> None:
        try:
            result = reuse(self._run, node) if node.id in self._reused else launch(self._run, node)
        except BaseException as error:
            # The store itself failed: the run must still come to its end and say so.
            result = NodeResult(node.id, "FAILED", message=f"{type(error).__name__}: {error}")
        self._done.put(result)

    def _take(self, result: NodeResult) -> None:
        self._busy.pop(result.node_id, None)
        self._results[result.node_id] = result
        self._tell(RunEvent("node_finished", self._run.run_id, now_ms(), result.node_id, result.found, result))

    def _cancel(self) -> None:
        """Gives the run up: processes are killed, threads get a moment; what they leave, the next run cleans."""
        self._run.cancelled.set()
        for thread in list(self._busy.values()):
            thread.join(timeout=2.0)
        for node_id in (*self._waiting, *self._busy):
            self._run.runs.set_node(self._run.run_id, node_id, state="CANCELED", message="the run was cancelled")
        self._run.runs.finish(self._run.run_id, "CANCELED", "cancelled")

    def _end(self) -> RunResult:
        failed = [r for r in self._results.values() if r.state in ("FAILED", "CANCELED")]
        message = "; ".join(f"{r.node_id}: {_sentence(r.message or r.state)}" for r in failed)
        status: RunStatus = "FAILED" if any(not r.ok for r in self._results.values()) else "COMPLETE"
        self._run.runs.finish(self._run.run_id, status, message or None)
        self._tell(RunEvent("run_finished", self._run.run_id, now_ms(), status=status))
        ordered = {node.id: self._results[node.id] for node in self._run.plan.nodes}
        return RunResult(self._run.run_id, status, ordered, message or None)

    def _beat(self) -> None:
        while not self._over.wait(_BEAT_SECONDS):
            self._run.runs.beat(self._run.run_id)

    def _on_found(self, node_id: str, found: dict[str, Any]) -> None:
        self._tell(RunEvent("node_found", self._run.run_id, now_ms(), node_id, found))

    def _tell(self, event: RunEvent) -> None:
        if self._on_event is not None:
            with self._telling:
                self._on_event(event)


def _sentence(message: str) -> str:
    """What a message says first, with the first of the problems that it lists."""
    first, *rest = message.splitlines()
    problems = [line.removeprefix("  - ") for line in rest if line.startswith("  - ")]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{first}: {problems[0]}{more}" if problems else first

"""The local runner: nodes of one machine, independent ones at the same time."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from trueline._core.errors import ConfigError, MetadataError
from trueline.engine.local import ENGINE_VARIABLE
from trueline.metadata.liveness import let_go
from trueline.metadata.records import Context
from trueline.metadata.run_control import begin_again, claim, settings_of
from trueline.metadata.runs import RunStore
from trueline.metadata.store import MetadataStore
from trueline.pipeline.compile import CompiledPipeline, compile_pipeline
from trueline.pipeline.pipeline import Pipeline
from trueline.pipeline.recover import recover
from trueline.pipeline.results import OnEvent, RunResult
from trueline.pipeline.run_context import RunContext, register_types
from trueline.pipeline.runtime import runtime_values
from trueline.pipeline.selection import select
from trueline.pipeline.settings import Isolation
from trueline.pipeline.take_up import ended_nodes, nothing_left, result_of
from trueline.runners.execution import Execution

__all__ = ["LocalRunner"]

_DEFAULT_WORKERS = 4


class LocalRunner:
    """Runs pipelines on this machine.

    Args:
        max_workers: how many nodes at most run at the same time.
        isolation: ``thread`` runs executors in this process; ``process`` gives each node a spawned process of its
            own, so that a crash or a kill fails that node alone; ``main`` runs them in the calling thread.
    """

    def __init__(self, max_workers: int | None = None, isolation: Isolation = "thread") -> None:
        if max_workers is not None and max_workers < 1:
            raise ConfigError(f"max_workers is {max_workers}; at least one is needed")
        _check_isolation(isolation)
        self.max_workers = max_workers or min(_DEFAULT_WORKERS, max(2, os.cpu_count() or 2))
        self.isolation: Isolation = isolation

    def run(
        self,
        pipeline: Pipeline | CompiledPipeline,
        *,
        params: Mapping[str, Any] | None = None,
        runtime_parameters: Mapping[str, Any] | None = None,
        use_cache: bool | None = None,
        from_nodes: Iterable[str] | None = None,
        to_nodes: Iterable[str] | None = None,
        isolation: Isolation | Mapping[str, Isolation] | None = None,
        sample: int | None = None,
        debug_node: str | None = None,
        on_event: OnEvent | None = None,
        run_id: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> RunResult:
        """Carries a pipeline out.

        A node that fails stops the nodes that need it; independent branches go on. Runs of dead processes are
        cleaned up first.

        Args:
            pipeline: what to run.
            params: the parameters the pipeline was made with; they are recorded with the run.
            runtime_parameters: values of its runtime parameters.
            use_cache: overrides the pipeline's own setting.
            from_nodes, to_nodes: a partial run; nodes before it lend the outputs of earlier runs.
            isolation: overrides the runner's, for all nodes or by node id.
            sample: work on so many rows only; such a run never blesses and never pushes.
            debug_node: run this node in the calling thread, and open the debugger where it fails.
            on_event: told of everything that happens, from one thread at a time; it must not raise.
            run_id: a name for the run, unique in the metadata store.
            settings: further facts to keep with the run, such as the pipeline's file; JSON, no secrets.

        Returns:
            How it ended; a run that was cancelled from outside has the status CANCELED.

        Raises:
            ConfigError: unknown nodes, wrong parameters, or a run started from within a node.
            MetadataError: the metadata database cannot be used.
            KeyboardInterrupt: the run was interrupted here, by Ctrl-C or SIGTERM; it has ended as CANCELED.
        """
        _refuse_inside_node()
        plan = compile_pipeline(pipeline) if isinstance(pipeline, Pipeline) else pipeline
        part, reused = select(plan, from_nodes, to_nodes)
        runtime = runtime_values(part, runtime_parameters or {})
        by_node = _isolation_by_node(plan, isolation)
        _check_sample(sample)
        if debug_node is not None:
            plan.node(debug_node)
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
                sample=sample,
                runtime=runtime,
                debug_node=debug_node,
            )
            _clean_up(run)
            _begin(run, params or {}, {**(settings or {}), **_settings(run, reused)})
            return _carry_out(run, reused, self.max_workers, on_event)
        finally:
            store.close()

    def resume(
        self, metadata: str, run_id: str = "latest", *, on_event: OnEvent | None = None, debug_node: str | None = None
    ) -> RunResult:
        """Takes up a run that failed, was cancelled or whose process died: what had succeeded, and is whole, stays.

        The plan is the recorded one; code is read as the files are now.

        Args:
            metadata: the metadata database.
            run_id: the run, the beginning of its id, or ``latest``.
            on_event, debug_node: as for `run`.

        Raises:
            MetadataError: no such run, or it is under way.
        """
        _refuse_inside_node()
        store = MetadataStore(metadata, create=False)
        try:
            dead = recover(store)
            record = RunStore(store).run(run_id)
            if record.status == "RUNNING" and record.alive:
                raise MetadataError(f"run {record.run_id} is under way", hint="wait for it, or cancel it first.")
            plan, kept = CompiledPipeline.from_json(record.plan), settings_of(store, record.run_id)
            run = RunContext(
                plan=plan,
                run_id=record.run_id,
                store=store,
                runs=RunStore(store),
                use_cache=kept.get("use_cache", plan.cache),
                isolation=kept.get("isolation", self.isolation),
                isolation_by_node=kept.get("isolation_by_node", {}),
                sample=kept.get("sample"),
                runtime=kept.get("runtime", runtime_values(plan, {}) if not kept else {}),
                debug_node=debug_node,
            )
            _drop_temporary(run, dead)
            ended_nodes(run, record.nodes)
            if record.status == "COMPLETE" and nothing_left(run, record.nodes):
                _drop_temporary(run, [record.run_id])  # its process may have died just before it did so itself
                return result_of(RunStore(store).run(record.run_id))
            register_types(store, plan)
            claim(store, record.run_id)
            try:
                # Looked at again: a collection, or another process, may have come in between until the run was ours.
                run.done.clear()
                run.counts.clear()
                ended_nodes(run, run.runs.run(record.run_id).nodes)
                begin_again(store, record.run_id, run.done)
                return _carry_out(run, frozenset(kept.get("reused", ())), self.max_workers, on_event)
            finally:
                # Whatever went wrong: this process, which may live on, does not hold the run any more.
                let_go(record.run_id)
        finally:
            store.close()


def _check_isolation(isolation: str) -> None:
    if isolation not in ("thread", "process", "main"):
        raise ConfigError(f"isolation is {isolation!r}", hint="'thread', 'process' or 'main'.")


def _isolation_by_node(
    plan: CompiledPipeline, isolation: Isolation | Mapping[str, Isolation] | None
) -> Mapping[str, Isolation]:
    if not isinstance(isolation, Mapping):
        if isolation is not None:
            _check_isolation(isolation)
        return {}
    for node_id, one in isolation.items():
        plan.node(node_id)
        _check_isolation(one)
    return isolation


def _check_sample(sample: int | None) -> None:
    if sample is not None and (isinstance(sample, bool) or sample < 1):
        raise ConfigError(f"sample is {sample!r}; a number of rows from 1 on is needed")


def _refuse_inside_node() -> None:
    node = os.environ.get("TRUELINE_NODE")
    if node is not None:
        raise ConfigError(
            f"a run was started while node {node!r} imported the file that defines it",
            hint="put the run under `if __name__ == '__main__':`.",
        )


def _new_run_id() -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _carry_out(run: RunContext, reused: frozenset[str], workers: int, on_event: OnEvent | None) -> RunResult:
    try:
        return Execution(run, reused, workers, on_event).carry_out()
    finally:
        let_go(run.run_id)


def _clean_up(run: RunContext) -> None:
    _drop_temporary(run, recover(run.store))


def _drop_temporary(run: RunContext, run_ids: Iterable[str]) -> None:
    for dead in run_ids:
        shutil.rmtree(run.work_dir / "tmp" / dead, ignore_errors=True)


def _settings(run: RunContext, reused: frozenset[str]) -> dict[str, Any]:
    kept = {
        "use_cache": run.use_cache,
        "isolation": run.isolation,
        "isolation_by_node": dict(run.isolation_by_node),
        "runtime": dict(run.runtime),
        "reused": sorted(reused),
        **_engine(),
    }
    return {**kept, **({"sample": run.sample} if run.sample is not None else {})}


def _engine() -> dict[str, str | None]:
    """The engine's name; an address that holds a login is no fact to keep."""
    engine = os.environ.get(ENGINE_VARIABLE) or None
    return {} if engine is not None and "@" in engine else {"engine": engine}


def _begin(run: RunContext, params: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    register_types(run.store, run.plan)
    pipeline_id, run_context_id = run.store.put_contexts(
        [Context("pipeline", run.plan.name), Context("pipeline_run", run.run_id)]
    )
    run.store.put_parent_context(run_context_id, pipeline_id)
    nodes = [node.id for node in run.plan.nodes]
    run.runs.start(run.run_id, run.plan.name, run.plan.to_json(), params, nodes, run_context_id, settings)

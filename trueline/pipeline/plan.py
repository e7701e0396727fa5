"""What a run would do and why, found out without doing it: the database is only read, and nothing is written.

`trueline.pipeline.plan_walk` asks the nodes; here a pipeline becomes a run that is only looked at.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trueline._core.errors import MetadataError
from trueline.metadata.runs import RunStore
from trueline.metadata.store import MetadataStore
from trueline.pipeline.compile import CompiledPipeline, compile_pipeline
from trueline.pipeline.pipeline import Pipeline
from trueline.pipeline.plan_walk import PlannedNode, plan_run
from trueline.pipeline.run_context import RunContext, register_types
from trueline.pipeline.runtime import runtime_values
from trueline.pipeline.selection import select

__all__ = ["plan_pipeline"]


def plan_pipeline(
    pipeline: Pipeline | CompiledPipeline,
    *,
    runtime_parameters: Mapping[str, Any] | None = None,
    use_cache: bool | None = None,
    from_nodes: Iterable[str] | None = None,
    to_nodes: Iterable[str] | None = None,
    sample: int | None = None,
) -> list[PlannedNode]:
    """What `trueline.runners.local.LocalRunner.run` with the same arguments would do.

    Raises:
        ConfigError: unknown nodes or wrong parameters.
        MetadataError: the metadata database cannot be read. One that does not exist is an empty one.
    """
    plan = compile_pipeline(pipeline) if isinstance(pipeline, Pipeline) else pipeline
    part, reused = select(plan, from_nodes, to_nodes)
    runtime = runtime_values(part, runtime_parameters or {})
    with tempfile.TemporaryDirectory(prefix="trueline-plan-") as folder, _memory(part, Path(folder)) as store:
        run = _Look(
            plan=part,
            run_id="",
            store=store,
            runs=RunStore(store),
            use_cache=plan.cache if use_cache is None else use_cache,
            sample=sample,
            runtime=runtime,
            folder=Path(folder),
        )
        run.recall()
        return plan_run(run, reused)


@dataclass(frozen=True)
class _Look(RunContext):
    """A run that is only looked at: its files lie in a folder that goes away."""

    folder: Path = field(default_factory=Path)

    @property
    def work_dir(self) -> Path:
        return self.folder

    def recall(self) -> None:
        """Takes along what is remembered of files that were read before, so that they are not read again."""
        known = super().work_dir / "verified"
        if known.is_dir():
            shutil.copytree(known, self.folder / "verified", dirs_exist_ok=True)


@contextmanager
def _memory(plan: CompiledPipeline, folder: Path) -> Iterator[MetadataStore]:
    try:
        store = MetadataStore(plan.metadata, create=False, readonly=True)
    except MetadataError as error:
        if error.message != "there is no metadata database":
            raise
        store = MetadataStore(str(folder / "metadata.db"))
        register_types(store, plan)
    try:
        yield store
    finally:
        store.close()

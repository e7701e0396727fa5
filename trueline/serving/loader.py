"""The threads on which versions are looked for, loaded and freed, apart from those that answer requests.

What a load gives is handed over whole: a `Live`, warmed up, which no request has seen yet.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from trueline._core import store
from trueline._core.feed_blocks import Packed, merge_packed
from trueline._core.manifest import read_manifest
from trueline.serving.batching import Batcher
from trueline.serving.batching_file import PER_MODEL_NAME, read_batching_file
from trueline.serving.batching_timer import PatientBatcher
from trueline.serving.config import BatchSettings, ModelConfig
from trueline.serving.copies import Copies
from trueline.serving.loading import LoadedModel, load_model
from trueline.serving.options import ServerOptions
from trueline.serving.scan import Candidate
from trueline.serving.sized import sized_run
from trueline.serving.sources import Source
from trueline.serving.versions import Live

__all__ = ["Loaded", "Loader", "ObserveBatch"]

ObserveBatch = Callable[[str, int], Callable[..., None]]


@dataclass(frozen=True)
class Loaded:
    """A version that is ready to answer, and what its load took, for the event that tells of it."""

    live: Live
    facts: Mapping[str, Any]


class Loader:
    """Brings versions from where they lie to where they answer.

    Args:
        options: the server's settings.
        observe_batch: by model and version, what is told of each run.
    """

    def __init__(self, options: ServerOptions, observe_batch: ObserveBatch) -> None:
        self._options = options
        self._observe_batch = observe_batch
        self._copies = Copies(options.cache_dir)
        self._scans = ThreadPoolExecutor(1, thread_name_prefix="trueline-scan")
        self._loads = ThreadPoolExecutor(options.load_threads, thread_name_prefix="trueline-loader")

    def close(self) -> None:
        """Ends the threads when what they do now is done."""
        self._scans.shutdown(wait=False)
        self._loads.submit(self._copies.close)
        self._loads.shutdown(wait=False)

    async def scan(self, source: Source) -> dict[int, Candidate]:
        """The complete versions of a source.

        Raises:
            Exception: whatever the source raises.
        """
        return dict(await asyncio.get_running_loop().run_in_executor(self._scans, source.scan))

    async def check(self, candidate: Candidate) -> None:
        """Reads a version's files against its manifest, before another version makes room for it.

        Raises:
            ArtifactError: a file is gone or changed.
        """
        await asyncio.get_running_loop().run_in_executor(self._loads, read_manifest, candidate.uri, "sha256")

    async def load(self, model: ModelConfig, candidate: Candidate, began: Callable[[], None]) -> Loaded:
        """Loads and warms up one version; `began` is called in the thread when its turn comes.

        Raises:
            Exception: whatever a broken model does. A load whose caller is cancelled is freed when it ends.
        """

        def work() -> Loaded:
            began()
            return self._load(model, candidate)

        job = asyncio.get_running_loop().run_in_executor(self._loads, work)
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            job.add_done_callback(_abandon)
            raise

    async def free(self, live: Live) -> None:
        """Drops a version on a loader thread: freeing a large session takes a while. The caller keeps no reference."""
        held = [live]
        del live
        await asyncio.get_running_loop().run_in_executor(self._loads, _forget, held)

    def _load(self, model: ModelConfig, candidate: Candidate) -> Loaded:
        copy = None if store.is_local(candidate.uri) else self._copies.fetch(candidate)
        try:
            loaded = load_model(copy or candidate.uri, self._options)
            settings, notes = self._batching(model, copy or candidate.uri)
            live = self._live(model, candidate.number, loaded, settings, copy)
        except BaseException:
            if copy is not None:
                self._copies.drop(copy)
            raise
        facts = {
            "inline": live.inline,
            "load_seconds": loaded.load_seconds,
            "one_row_micros": loaded.one_row_micros,
        }
        return Loaded(live, {**facts, "notes": notes} if notes else facts)

    def _batching(self, model: ModelConfig, folder: str) -> tuple[BatchSettings, list[str]]:
        """How a version's requests are put together: its own file, the model's settings, the server's."""
        own = store.join(folder, PER_MODEL_NAME)
        if self._options.enable_per_model_batching_parameters and store.exists(own):
            return read_batching_file(own)
        return model.batching or self._options.batching, []

    def _live(
        self, model: ModelConfig, number: int, loaded: LoadedModel, settings: BatchSettings, copy: str | None
    ) -> Live:
        options = self._options
        graph = loaded.runtime.graph
        inline = loaded.one_row_micros is not None and loaded.one_row_micros < options.inline_micros
        executor = ThreadPoolExecutor(1, thread_name_prefix=f"trueline-{model.name}-{number}")
        make = partial(PatientBatcher, timeout=settings.timeout_micros / 1e6) if settings.timeout_micros else Batcher
        batcher: Batcher[Packed] = make(
            sized_run(graph.run_packed, settings),
            executor,
            merge=merge_packed,
            inline=inline,
            inline_rows=options.inline_rows,
            max_batch_rows=settings.max_batch_rows,
            max_queue_rows=settings.max_queue_rows,
            observe=self._observe_batch(model.name, number),
        )
        outputs = ",".join(quote(n, safe="") for n in graph.output_names)
        headers = ((b"x-model-version", b"%d" % number), (b"x-model-outputs", outputs.encode()))
        return Live(loaded.runtime, batcher, executor, inline, headers, copy)


def _forget(held: list[Live]) -> None:
    """Drops the last reference here, on the thread that calls it."""
    copies = [live.copy for live in held if live.copy is not None]
    for live in held:
        live.executor.shutdown(wait=False)
    del live
    held.clear()
    for copy in copies:
        shutil.rmtree(copy, ignore_errors=True)


def _abandon(job: asyncio.Future[Loaded]) -> None:
    if not job.cancelled() and job.exception() is None:
        _forget([job.result().live])

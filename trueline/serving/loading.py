"""One version from disk to ready: checked against its manifest, loaded, warmed up and timed, all off the event loop."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from trueline._core.runtime import ModelRuntime
from trueline.serving.options import ServerOptions
from trueline.serving.warmup import synthetic_rows, warm_up, warmup_rows

__all__ = ["LoadedModel", "load_model"]

_TIMED_RUNS = 21


@dataclass(frozen=True)
class LoadedModel:
    """A model that has answered its warm-up rows.

    Attributes:
        runtime: the model.
        load_seconds: time to check and load it.
        warmup_rows: rows and recorded requests that it answered.
        one_row_micros: wall time of one run with one row, the median of several; None with host steps.
    """

    runtime: ModelRuntime
    load_seconds: float
    warmup_rows: int
    one_row_micros: float | None


def load_model(uri: str, options: ServerOptions) -> LoadedModel:
    """Loads and warms up a model directory.

    Raises:
        TruelineError: an incomplete or changed folder, a graph that does not load, a host step that is not allowed, a
            warm-up row or recorded request that the model does not answer.
    """
    start = time.perf_counter()
    runtime = ModelRuntime.load(uri, allow_host=options.allow_host)
    seconds = time.perf_counter() - start
    if not options.enable_model_warmup:
        return LoadedModel(runtime, seconds, 0, _one_row_micros(runtime, synthetic_rows(runtime.inputs)[:1]))
    answered = warm_up(runtime, options)
    return LoadedModel(runtime, seconds, answered, _one_row_micros(runtime, warmup_rows(runtime)[:1]))


def _one_row_micros(runtime: ModelRuntime, rows: list[dict[str, Any]]) -> float | None:
    if runtime.steps:
        return None
    packed = runtime.graph.packed_from_rows(rows)
    times = []
    for _ in range(_TIMED_RUNS):
        start = time.perf_counter()
        runtime.graph.run_packed(packed)
        times.append(time.perf_counter() - start)
    return sorted(times)[_TIMED_RUNS // 2] * 1e6

"""How long a model takes on this machine, now: a figure to look at, no reason to choose."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from trueline._core.feeds import Arrays
    from trueline._core.runtime import ModelRuntime, OnnxGraph

__all__ = ["measure_latency"]


def measure_latency(runtime: ModelRuntime, table: Any, *, repeats: int = 30) -> dict[str, float]:
    """Times of the graph alone, feeds made beforehand.

    Args:
        runtime: the loaded model.
        table: raw rows as an Arrow table or batch; the whole of it is one batch.
        repeats: runs of each; the median counts. One run before them is not counted.

    Returns:
        ``one_row_us``: microseconds for the first row alone; ``batch_rows_per_s``: rows a second in one batch.
    """
    graph = runtime.graph
    one, batch = graph.arrays_from_arrow(table.slice(0, 1)), graph.arrays_from_arrow(table)
    single, whole = _median(graph, one, repeats), _median(graph, batch, repeats)
    return {"one_row_us": single * 1e6, "batch_rows_per_s": table.num_rows / whole}


def _median(graph: OnnxGraph, arrays: Arrays, repeats: int) -> float:
    graph.run(arrays)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        graph.run(arrays)
        times.append(time.perf_counter() - start)
    return float(np.median(times))

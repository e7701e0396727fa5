"""Measuring columns of objects in blocks of any cut, and numbers that are the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa

from trueline.model_analysis import EvalConfig, EvalOptions, MetricAccumulator, MetricConfig, MetricsSpec
from trueline.model_analysis.measured import Estimate
from trueline.model_analysis.plan import make_plan
from trueline.model_analysis.views import BatchData, OutputData

BOXES = pa.list_(pa.list_(pa.float64()))


def objects_plan(metrics: Sequence[MetricConfig], noise: bool = False) -> Any:
    config = EvalConfig([MetricsSpec(metrics)], options=EvalOptions(compute_confidence_intervals=noise, noise_groups=8))
    return make_plan(config, "objects", 0, False)


def measure(
    table: pa.Table, metrics: Sequence[MetricConfig], cuts: Sequence[int] = (), noise: bool = False
) -> dict[str, Estimate]:
    """The overall slice's metrics; blocks end at `cuts`, every state is written and read, then all are merged."""
    plan = objects_plan(metrics, noise)
    if "__row__" not in table.column_names:
        table = table.append_column("__row__", pa.array(range(table.num_rows)))
    whole = MetricAccumulator(plan)
    borders = [0, *sorted(cuts), table.num_rows]
    for start, end in pairwise(borders):
        batch = table.slice(start, end - start).combine_chunks().to_batches()
        if batch:
            own = MetricAccumulator(plan)
            own.update(_data(batch[0]))
            whole.merge(MetricAccumulator.from_state(own.state(), plan))
    return dict(whole.finish().slices[0].metrics)


def _data(batch: pa.RecordBatch) -> BatchData:
    objects = {"label": batch.column("label"), "prediction:candidate": batch.column("prediction")}
    weights = batch.column("weight").to_numpy() if "weight" in batch.schema.names else None
    return BatchData(batch, {"": OutputData([0.0] * batch.num_rows, {}, weights, None, objects)})


def uniform(seed: int) -> Iterator[float]:
    """Numbers in 0..1 of a linear congruential generator (Knuth's MMIX)."""
    state = seed
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield (state >> 11) / 2**53


def boxes_table(images: int = 20, seed: int = 5) -> pa.Table:
    """Images with up to 4 labelled boxes of 3 classes, and predictions near them and elsewhere."""
    draw = uniform(seed)
    labels, predictions = [], []
    for _ in range(images):
        own: list[list[float]] = []
        found: list[list[float]] = []
        for _ in range(int(next(draw) * 5)):
            x, y, w, h = next(draw) * 80, next(draw) * 80, next(draw) * 40 + 4, next(draw) * 40 + 4
            number = float(int(next(draw) * 3))
            own.append([x, y, x + w, y + h, number])
            for _ in range(int(next(draw) * 3)):
                a, b = x + next(draw) * 6 - 3, y + next(draw) * 6 - 3
                found.append([a, b, a + w * (0.8 + 0.4 * next(draw)), b + h, number, next(draw)])
        for _ in range(int(next(draw) * 3)):
            x, y = next(draw) * 80, next(draw) * 80
            found.append([x, y, x + 20, y + 10, float(int(next(draw) * 3)), next(draw)])
        labels.append(own)
        predictions.append(found)
    return pa.table({"label": pa.array(labels, BOXES), "prediction": pa.array(predictions, BOXES)})

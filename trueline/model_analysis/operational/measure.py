"""`measure_operations`: size, times and memory of a model, and of the one in use beside it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core import store
from trueline._core.errors import ConfigError, DataError
from trueline.model_analysis.datasets import as_dataset, features_read
from trueline.model_analysis.operational.memory import measure_memory
from trueline.model_analysis.operational.records import ModelOperations, Operations, Timings
from trueline.model_analysis.operational.timing import ratio, time_models

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline._core.runtime import ModelRuntime
    from trueline.engine.base import Dataset
    from trueline.model_analysis.api import HasRuntime

__all__ = ["measure_operations", "request_rows"]

_CANDIDATE, _BASELINE = "candidate", "baseline"
_ONE_BY_ONE, _FIRST = 64, 1024


def measure_operations(
    model: HasRuntime,
    sample_rows: Any,
    baseline: HasRuntime | None = None,
    *,
    rounds: int = 11,
    calls: int = 60,
    batches: int = 7,
    batch_rows: int = 1024,
    memory: bool = True,
) -> Operations:
    """Measures what a model costs to run.

    Candidate and baseline are asked in turns in this process, so that the ratios hold on a noisy machine; the times
    themselves are those of this machine, now. Memory is measured in a fresh process for each model.

    Args:
        model: the candidate.
        sample_rows: raw rows: an Arrow table, or what `as_dataset` takes, of which the first 1,024 count. Up to 64 of
            them are asked one by one, and `batch_rows` at a time (again from the start where there are fewer).
        baseline: the model in use.
        rounds: the ratio is the median over so many rounds.
        calls: one-row calls of each model in a round.
        batches: batches of each model.
        batch_rows: rows of a batch.
        memory: whether peak memory is measured, which starts a process for each model.

    Raises:
        DataError: there are no rows, or they lack a column that a model needs.
        ConfigError: numbers of calls below 1.
    """
    counts = {"rounds": rounds, "calls": calls, "batches": batches, "batch_rows": batch_rows}
    if bad := [f"{name} is {value!r}; write 1 or more" for name, value in counts.items() if value < 1]:
        raise ConfigError("nothing can be measured so", problems=bad)
    runtimes = {_CANDIDATE: model.runtime} | ({_BASELINE: baseline.runtime} if baseline is not None else {})
    table = _table(sample_rows, runtimes)
    rows = {name: request_rows(table.slice(0, _ONE_BY_ONE), runtime) for name, runtime in runtimes.items()}
    batch = _repeated(table, batch_rows)
    times = time_models(runtimes, rows, batch, rounds=rounds, calls=calls, batches=batches)
    found = {name: _operations(runtime, times, name, batch, memory) for name, runtime in runtimes.items()}
    said = {"rows": min(table.num_rows, _ONE_BY_ONE), "repeats": rounds * calls, "batch_rows": batch_rows}
    if _BASELINE not in found:
        return Operations(found[_CANDIDATE], **said)
    medians = {name: [float(np.median(r)) for r in times.wall[name]] for name in found}
    return Operations(
        found[_CANDIDATE],
        found[_BASELINE],
        ratio(medians[_CANDIDATE], medians[_BASELINE]),
        ratio(times.cpu[_CANDIDATE], times.cpu[_BASELINE]),
        ratio(times.batch[_CANDIDATE], times.batch[_BASELINE]),
        **said,
    )


def _operations(runtime: ModelRuntime, times: Timings, name: str, batch: pa.Table, memory: bool) -> ModelOperations:
    wall = np.concatenate([np.asarray(r) for r in times.wall[name]]) / 1e3
    peak, why = measure_memory(runtime, batch) if memory else (None, "it was not asked for")
    total = runtime.manifest.total_bytes if runtime.manifest is not None else 0
    return ModelOperations(
        total,
        store.size(store.join(runtime.uri, "model.onnx")),
        float(np.median(wall)),
        float(np.percentile(wall, 99)),
        float(np.mean(times.cpu[name])) / 1e3,
        batch.num_rows / (float(np.median(times.batch[name])) / 1e9),
        peak,
        why,
    )


def _first_rows(dataset: Dataset) -> pa.Table:
    import pyarrow as pa

    taken: list[pa.RecordBatch] = []
    for batch in dataset.batches():
        taken.append(batch.slice(0, _FIRST - sum(b.num_rows for b in taken)))
        if sum(b.num_rows for b in taken) >= _FIRST:
            break
    return pa.Table.from_batches(taken, dataset.arrow_schema)


def _table(rows: Any, runtimes: Mapping[str, ModelRuntime]) -> pa.Table:
    import pyarrow as pa

    table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
    if not isinstance(table, pa.Table):
        table = _first_rows(as_dataset(table, features=features_read(*runtimes.values())))
    problems = [] if table.num_rows else ["there are no rows to ask"]
    for name, runtime in runtimes.items():
        absent = sorted({f.name for f in runtime.inputs if not f.optional} - set(table.column_names))
        problems += [f"the rows have no column {column!r}, which the {name} needs" for column in absent]
    if problems:
        raise DataError("nothing can be measured on these rows", problems=problems)
    wanted = {f.name for runtime in runtimes.values() for f in runtime.inputs}
    return table.select([c for c in table.column_names if c in wanted])


def request_rows(table: pa.Table, runtime: ModelRuntime) -> list[dict[str, Any]]:
    """Rows as a client sends them: the model's own columns, moments as ISO text."""
    names = [f.name for f in runtime.inputs if f.name in table.column_names]
    return [{k: _plain(v) for k, v in row.items()} for row in table.select(names).to_pylist()]


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, timedelta) else value


def _repeated(table: pa.Table, rows: int) -> pa.Table:
    import pyarrow as pa

    times = -(-rows // table.num_rows)
    return pa.concat_tables([table] * times).slice(0, rows).combine_chunks()

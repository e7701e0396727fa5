"""One version from disk to ready: checked against its manifest, loaded, warmed up and timed, all off the event loop."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from trueline._core import store
from trueline._core.errors import ModelError
from trueline._core.runtime import ModelRuntime
from trueline._core.values import RawFeature
from trueline.serving.options import ServerOptions

__all__ = ["WARMUP_NAME", "LoadedModel", "load_model", "synthetic_rows"]

WARMUP_NAME = "warmup.json"
_MAX_WARMUP_ROWS = 1000
_TIMED_RUNS = 21
_SAMPLES: dict[str, tuple[Any, ...]] = {
    "float64": (0.0, 1.5, -3.0),
    "float32": (0.0, 1.5, -3.0),
    "int64": (0, 1, -7),
    "bool": (False, True, True),
    "utf8": ("", "a", "warm-up"),
    "bytes": (b"", b"a", b"warm-up"),
    "timestamp": (0, 1_000_000, 1_600_000_000_000_000),
}


@dataclass(frozen=True)
class LoadedModel:
    """A model that has answered its warm-up rows.

    Attributes:
        runtime: the model.
        load_seconds: time to check and load it.
        warmup_rows: rows that it answered.
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
            warm-up row that the model does not answer with as many rows.
    """
    start = time.perf_counter()
    runtime = ModelRuntime.load(uri, allow_host=options.allow_host)
    seconds = time.perf_counter() - start
    rows = _warmup_rows(runtime) if options.enable_model_warmup else []
    for _ in range(options.num_request_iterations_for_warmup if rows else 0):
        for batch in (rows[:1], rows):
            _answer(runtime, batch)
    one = rows[:1] or synthetic_rows(runtime.inputs)[:1]
    return LoadedModel(runtime, seconds, len(rows), _one_row_micros(runtime, one))


def synthetic_rows(features: tuple[RawFeature, ...]) -> list[dict[str, Any]]:
    """A few rows that fit a signature: ordinary values, and one row with every optional value missing."""
    rows = [{f.name: _value(f, i) for f in features} for i in range(3)]
    rows.append({f.name: None if f.optional else _value(f, 1) for f in features})
    return rows


def _value(feature: RawFeature, index: int) -> Any:
    value = _SAMPLES[feature.dtype][index]
    if feature.kind == "scalar":
        return value
    return [value] * (feature.size or 0 if feature.kind == "fixed" else index)


def _warmup_rows(runtime: ModelRuntime) -> list[dict[str, Any]]:
    uri = store.join(runtime.uri, WARMUP_NAME)
    if not store.exists(uri):
        return synthetic_rows(runtime.inputs)
    try:
        rows = json.loads(store.read_text(uri))["rows"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f'expected {{"rows": [...]}}: {type(error).__name__}: {error}', where=uri) from error
    if not isinstance(rows, list) or not 0 < len(rows) <= _MAX_WARMUP_ROWS:
        raise ModelError(f"expected a list of 1 to {_MAX_WARMUP_ROWS} rows", where=uri)
    return rows


def _answer(runtime: ModelRuntime, rows: list[dict[str, Any]]) -> None:
    for name, array in runtime.predict_rows(rows).items():
        if array.ndim == 0 or array.shape[0] != len(rows):
            raise ModelError(
                f"output {name!r} has shape {list(array.shape)} for {len(rows)} warm-up rows",
                where=runtime.uri,
                hint="the first dimension of every output must be the row.",
            )


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

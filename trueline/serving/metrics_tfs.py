"""The server's figures under TensorFlow Serving's names, so that its dashboards and alerts go on working.

Names, labels, units and buckets as its ``prometheus_exporter.cc`` and ``metrics.cc`` have them: a slash is a colon,
latencies are microseconds in 33 buckets of ``10 * 1.8^i``, only requests that succeeded have a latency, and status is
a code of gRPC. The exporter of `prometheus_client` appends ``_total`` to counters, which these names do not have: the
text is made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from trueline.serving.metrics import Metrics, Tally

__all__ = ["tensorflow_text"]

_RUNTIME = "ONNX"
K = TypeVar("K")
Labels = tuple[str, ...]
Counts = Mapping[Labels, int]
Tallies = Mapping[Labels, "Tally"]


def tensorflow_text(metrics: Metrics) -> bytes:
    """The text to put behind the other metrics."""
    lines: list[str] = []
    _counter(
        lines, "request_count", "The total number of requests.", _request_counts(metrics), ("model_name", "status")
    )
    latency = _latencies(metrics)
    labels: Labels = ("model_name", "API", "entrypoint")
    _histogram(lines, "request_latency", "Distribution of wall time (in microseconds) for requests.", latency, labels)
    labels = ("model_name", "API", "runtime")
    runs: Tallies = {(m, "predict", _RUNTIME): t for m, t in _of_runs(metrics, "seconds").items()}
    _histogram(lines, "runtime_latency", "Distribution of wall time (in microseconds) for runs.", runs, labels)
    examples = _examples(metrics)
    text = "The total number of examples."
    totals: Counts = {key: int(tally.sum) for key, tally in examples.items()}
    _counter(lines, "request_example_count_total", text, totals, ("model",))
    text = "Distribution of the number of examples in a request."
    _histogram(lines, "request_example_counts", text, examples, ("model",), 1)
    waited: Tallies = {(m,): t for m, t in _of_runs(metrics, "waited").items()}
    text = "Distribution of the time (in microseconds) that the first request of a batch waited."
    _histogram(lines, "batching_session:queuing_latency", text, waited, ("model_name",))
    sizes: Tallies = {(m,): t for m, t in _of_runs(metrics, "rows").items()}
    text = "The number of runs of a model."
    counts: Counts = {key: sum(tally.counts) for key, tally in sizes.items()}
    _counter(lines, "batching_session:wrapped_run_count", text, counts, ("model_name",))
    _histogram(lines, "batching_session:processed_batch_size", "Rows of one run.", sizes, ("model_name",), 1)
    return "".join(lines).encode()


def _request_counts(metrics: Metrics) -> dict[Labels, int]:
    counts: dict[Labels, int] = {}
    for (model, _, _, _), series in metrics.series.items():
        counts[model, "OK"] = counts.get((model, "OK"), 0) + sum(series.rows.counts)
    for (model, _, code, _), count in metrics.failures.items():
        counts[model, str(code)] = counts.get((model, str(code)), 0) + count
    return counts


def _latencies(metrics: Metrics) -> dict[Labels, Tally]:
    found: dict[Labels, Tally] = {}
    for (model, _, api, entrypoint), series in metrics.series.items():
        name = api if entrypoint == "REST" else "".join(part.capitalize() for part in api.split("_"))
        _put(found, (model, name, entrypoint), series.seconds)
    return found


def _of_runs(metrics: Metrics, which: str) -> dict[str, Tally]:
    found: dict[str, Tally] = {}
    for (model, _), runs in metrics.runs.items():
        _put(found, model, getattr(runs, which))
    return found


def _examples(metrics: Metrics) -> dict[Labels, Tally]:
    found: dict[Labels, Tally] = {}
    for (model, _, _, _), series in metrics.series.items():
        _put(found, (model,), series.rows)
    return found


def _put(found: dict[K, Tally], key: K, tally: Tally) -> None:
    total = found.get(key)
    if total is None:
        total = found[key] = type(tally)(tally.bounds)
    total.add(tally)


def _counter(lines: list[str], name: str, text: str, counts: Counts, labels: Labels) -> None:
    name = f":tensorflow:serving:{name}"
    lines.append(f"# HELP {name} {text}\n# TYPE {name} counter\n")
    lines += [f"{name}{{{_labelled(labels, key)}}} {count}\n" for key, count in counts.items()]


def _histogram(
    lines: list[str],
    name: str,
    text: str,
    tallies: Tallies,
    labels: Labels,
    scale: float = 1e6,
) -> None:
    from trueline.serving.metrics import LATENCY_MICROS

    name = f":tensorflow:serving:{name}"
    lines.append(f"# HELP {name} {text}\n# TYPE {name} histogram\n")
    for key, tally in tallies.items():
        own = _labelled(labels, key)
        bounds = [m / 1e6 for m in LATENCY_MICROS] if scale != 1 else tally.bounds
        shown = LATENCY_MICROS if scale != 1 else bounds
        counts = [count for _, count in tally.cumulative(bounds)]
        edges = [*(f"{b:g}" for b in shown), "+Inf"]
        lines += [f'{name}_bucket{{{own},le="{edge}"}} {n}\n' for edge, n in zip(edges, counts, strict=True)]
        lines.append(f"{name}_sum{{{own}}} {float(tally.sum * scale)!r}\n{name}_count{{{own}}} {counts[-1]}\n")


def _labelled(names: Labels, values: Labels) -> str:
    return ",".join(f'{n}="{_escaped(v)}"' for n, v in zip(names, values, strict=True))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')

"""Bounds on what a model costs to run, and the sentences of those that it breaks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from trueline._core.errors import ConfigError
from trueline.model_analysis.config_json import decode, encode
from trueline.model_analysis.operational.records import Operations, Spread
from trueline.model_analysis.validation import GateFailure

__all__ = [
    "OperationalGates",
    "gates_not_applied",
    "judge_operations",
    "operational_problems",
    "without_measurements",
]

OVERALL = "Overall"


@dataclass(frozen=True)
class OperationalGates:
    """Upper bounds, all inclusive; None is no bound.

    Ratios are candidate / baseline, measured in turns on one machine: they hold where times differ from machine to
    machine, and are the gates to prefer. Without a baseline they are not applied.

    Attributes:
        max_model_bytes: of the whole artifact.
        max_onnx_bytes: of ``model.onnx``.
        max_size_ratio: of the whole artifact.
        max_latency_us: median of one row, on the machine that judges.
        max_latency_p99_us: 99th percentile of one row, on the machine that judges.
        max_latency_ratio: one-row median.
        max_cpu_ratio: CPU time of one row.
        max_batch_ratio: time of a batch.
        min_batch_rows_per_s: a lower bound, on the machine that judges.
        max_peak_memory_bytes: of loading and predicting one batch.
        max_memory_ratio: of the same.
    """

    max_model_bytes: int | None = None
    max_onnx_bytes: int | None = None
    max_size_ratio: float | None = None
    max_latency_us: float | None = None
    max_latency_p99_us: float | None = None
    max_latency_ratio: float | None = None
    max_cpu_ratio: float | None = None
    max_batch_ratio: float | None = None
    min_batch_rows_per_s: float | None = None
    max_peak_memory_bytes: int | None = None
    max_memory_ratio: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON values; bounds that are not set are left out."""
        made: dict[str, Any] = encode(self)
        return made

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | OperationalGates) -> OperationalGates:
        """The gates that `to_dict` described, checked.

        Raises:
            ConfigError: unknown names, bounds that are no positive numbers, no bound at all; all at once.
        """
        gates = data if isinstance(data, OperationalGates) else decode(cls, data)
        if problems := operational_problems(gates):
            raise ConfigError("the operational gates cannot judge", problems=problems)
        return gates

    @property
    def needs_memory(self) -> bool:
        """Whether a bound asks for peak memory, which is measured in processes of its own."""
        return self.max_peak_memory_bytes is not None or self.max_memory_ratio is not None


def operational_problems(gates: OperationalGates) -> list[str]:
    """What is wrong with them."""
    bounds = {f.name: getattr(gates, f.name) for f in fields(gates)}
    problems = [
        f"{name} is {bound!r}; write a positive number"
        for name, bound in bounds.items()
        if bound is not None and (isinstance(bound, bool) or not math.isfinite(bound) or bound <= 0)
    ]
    if all(bound is None for bound in bounds.values()):
        problems.append(f"there is no bound; set one or more of {', '.join(bounds)}")
    return problems


@dataclass(frozen=True)
class _Gate:
    """One bound.

    Attributes:
        field: of `OperationalGates`.
        metric: as failures name it.
        what: for sentences.
        value: what is measured, a number or a `Spread`; None where it is not known.
        show: writes it with its unit.
        advice: what to do.
        measured: it differs from run to run.
        relative: it needs a baseline.
        memory: it is memory.
        lower: the bound is a lower one.
    """

    field: str
    metric: str
    what: str
    value: Callable[[Operations], float | Spread | None]
    show: Callable[[float], str]
    advice: str
    measured: bool = True
    relative: bool = False
    memory: bool = False
    lower: bool = False


def _bytes(value: float) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value >= size:
            return f"{value / size:.4g} {unit}"
    return f"{value:.0f} bytes"


def _times(value: float) -> str:
    return f"{value:.4g} times the baseline's"


def _us(value: float) -> str:
    return f"{value:.4g} us"


_SMALLER = "make it smaller: fewer or shallower trees, narrower layers, or a variant of the ModelOptimiser"
_FASTER = "make it faster: a smaller model, fewer features, fewer operations in preprocessing_fn, or the ModelOptimiser"
_LEANER = "make it leaner: a smaller model, smaller vocabularies and embeddings, or the ModelOptimiser"

_GATES = (
    _Gate("max_model_bytes", "model_size", "the model", lambda o: o.candidate.model_bytes, _bytes, _SMALLER, False),
    _Gate("max_onnx_bytes", "onnx_size", "model.onnx", lambda o: o.candidate.onnx_bytes, _bytes, _SMALLER, False),
    _Gate("max_size_ratio", "size_ratio", "the model's size", lambda o: o.size_ratio, _times, _SMALLER, False, True),
    _Gate("max_latency_us", "latency", "one row (median)", lambda o: o.candidate.latency_us, _us, _FASTER),
    _Gate("max_latency_p99_us", "latency_p99", "one row (p99)", lambda o: o.candidate.latency_p99_us, _us, _FASTER),
    _Gate(
        "max_latency_ratio", "latency_ratio", "the time for one row", lambda o: o.latency_ratio, _times, _FASTER,
        relative=True,
    ),
    _Gate(
        "max_cpu_ratio", "cpu_ratio", "the CPU time for one row", lambda o: o.cpu_ratio, _times, _FASTER, relative=True
    ),
    _Gate(
        "max_batch_ratio", "batch_ratio", "the time for a batch", lambda o: o.batch_ratio, _times, _FASTER,
        relative=True,
    ),
    _Gate(
        "min_batch_rows_per_s", "batch_rate", "the batch rate", lambda o: o.candidate.batch_rows_per_s,
        lambda v: f"{v:,.0f} rows a second", _FASTER, lower=True,
    ),
    _Gate(
        "max_peak_memory_bytes", "peak_memory", "the peak memory of loading and predicting",
        lambda o: o.candidate.peak_memory_bytes, _bytes, _LEANER, memory=True,
    ),
    _Gate(
        "max_memory_ratio", "memory_ratio", "peak memory", lambda o: o.memory_ratio, _times, _LEANER, relative=True,
        memory=True,
    ),
)  # fmt: skip


def judge_operations(
    operations: Operations, gates: OperationalGates, has_baseline: bool | None = None
) -> tuple[GateFailure, ...]:
    """The bounds that are broken, in the order of the gates; a bound on what could not be measured is broken.

    Args:
        operations: what was measured.
        gates: the bounds.
        has_baseline: whether there is a model in use; by default whether one was measured. Where there is none,
            ratios are not applied: see `gates_not_applied`.
    """
    compared = operations.baseline is not None if has_baseline is None else has_baseline
    failures = []
    for gate in _GATES:
        bound = getattr(gates, gate.field)
        if bound is None or (gate.relative and not compared):
            continue
        if (failure := _judge(gate, operations, float(bound))) is not None:
            failures.append(failure)
    return tuple(failures)


def gates_not_applied(gates: OperationalGates, has_baseline: bool) -> tuple[str, ...]:
    """A sentence for each bound that needs the baseline that is not there."""
    if has_baseline:
        return ()
    return tuple(
        f"{gate.field} was not applied: there is no baseline to compare {gate.what} with."
        for gate in _GATES
        if gate.relative and getattr(gates, gate.field) is not None
    )


def _judge(gate: _Gate, operations: Operations, bound: float) -> GateFailure | None:
    found = gate.value(operations)
    if found is None:
        return _undefined(gate, operations, bound)
    value, spread = (found.value, found) if isinstance(found, Spread) else (float(found), None)
    off = bound - value if gate.lower else value - bound
    if off <= 0:
        return None
    verb, kind = ("less", "value_lower") if gate.lower else ("more", "value_upper")
    rounds = f" (rounds from {spread.low:.4g} to {spread.high:.4g})" if spread is not None else ""
    takes = f"{gate.what[:1].upper()}{gate.what[1:]} is {gate.show(value)}{rounds}"
    sentence = f"{takes}, {verb} than {gate.field} = {bound:.6g}: {gate.advice}, or raise the bound."
    if gate.lower:
        sentence = sentence.replace("raise the bound", "lower the bound")
    return GateFailure(gate.metric, OVERALL, kind, value, bound, off, sentence)


def _undefined(gate: _Gate, operations: Operations, bound: float) -> GateFailure:
    models = [m for m in (operations.candidate, operations.baseline) if m is not None]
    why = next((m.memory_undefined for m in models if gate.memory and m.memory_undefined), "it was not measured")
    sentence = f"{gate.metric} is not known: {why}; {gate.field} = {bound:.6g} cannot be judged, so it does not pass."
    return GateFailure(gate.metric, OVERALL, "undefined", None, bound, None, sentence)


def without_measurements(failures: tuple[GateFailure, ...]) -> tuple[GateFailure, ...]:
    """The failures for an artifact that equal work must write equally: times and memory are left to the report."""
    measured = {gate.metric: gate for gate in _GATES if gate.measured}
    return tuple(
        f
        if f.metric not in measured or f.kind == "undefined"
        else replace(f, value=None, by=None, sentence=_plain_sentence(f, measured[f.metric]))
        for f in failures
    )


def _plain_sentence(failure: GateFailure, gate: _Gate) -> str:
    side = "below" if gate.lower else "above"
    return (
        f"{gate.what[:1].upper()}{gate.what[1:]} is {side} {gate.field} = {failure.bound:.6g} on the machine that "
        f"judged; the node's report has the figures: {gate.advice}."
    )

"""What was measured of a model and of the one in use, as records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from trueline._core.errors import ConfigError
from trueline.display.viewed import Viewed
from trueline.model_analysis.config_json import decode

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.display.html import Html

__all__ = ["OPERATIONS_FORMAT", "ModelOperations", "Operations", "Spread"]

OPERATIONS_FORMAT = 1


@dataclass(frozen=True)
class ModelOperations:
    """One model.

    Attributes:
        model_bytes: all files of the artifact, without its manifest. Exact.
        onnx_bytes: ``model.onnx``. Exact.
        latency_us, latency_p99_us: median and 99th percentile of the wall time of `ModelRuntime.predict_rows` for one
            row, in microseconds: packing, graph and unpacking, without HTTP.
        cpu_us: mean CPU time of the same call, all threads.
        batch_rows_per_s: rows a second of `ModelRuntime.predict_arrow` for `Operations.batch_rows` rows.
        peak_memory_bytes: how much the resident memory of a fresh process grew at its peak while it loaded the model
            and predicted one batch; libraries and rows were in memory before. None where it cannot be measured.
        memory_undefined: why it cannot.
    """

    model_bytes: int
    onnx_bytes: int
    latency_us: float
    latency_p99_us: float
    cpu_us: float
    batch_rows_per_s: float
    peak_memory_bytes: int | None = None
    memory_undefined: str | None = None


@dataclass(frozen=True)
class Spread:
    """A ratio candidate / baseline, and the least and greatest of the rounds that its median is of."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Operations(Viewed):
    """A candidate and, where there is one, a baseline, measured in turns in one process.

    Attributes:
        candidate: the model.
        baseline: the model in use, or None.
        latency_ratio: candidate's one-row median / baseline's, the median over rounds.
        cpu_ratio: the same of CPU time.
        batch_ratio: candidate's time for a batch / baseline's.
        rows: how many different rows were asked one by one.
        repeats: calls of each model.
        batch_rows: rows of a batch.
    """

    TITLE: ClassVar[str] = "Operations"

    candidate: ModelOperations
    baseline: ModelOperations | None = None
    latency_ratio: Spread | None = None
    cpu_ratio: Spread | None = None
    batch_ratio: Spread | None = None
    rows: int = 0
    repeats: int = 0
    batch_rows: int = 0

    @property
    def size_ratio(self) -> float | None:
        """Candidate's bytes / baseline's; None without a baseline."""
        if self.baseline is None:
            return None
        return self.candidate.model_bytes / max(self.baseline.model_bytes, 1)

    @property
    def memory_ratio(self) -> float | None:
        """Candidate's peak / baseline's; None without a baseline, and where one of them is not known or is 0."""
        mine = self.candidate.peak_memory_bytes
        theirs = None if self.baseline is None else self.baseline.peak_memory_bytes
        return None if mine is None or not theirs else mine / theirs

    def facts(self) -> dict[str, Any]:
        """What is the same in every run, as JSON: sizes. It may stand in an artifact."""
        models = {"candidate": self.candidate, "baseline": self.baseline}
        return {
            name: {"model_bytes": m.model_bytes, "onnx_bytes": m.onnx_bytes}
            for name, m in models.items()
            if m is not None
        }

    def measured(self) -> dict[str, Any]:
        """What was measured on this machine, now, as JSON: for reports, not for artifacts compared by contents."""
        data = self.to_dict()
        for name in ("candidate", "baseline"):
            if data[name] is not None:
                data[name] = {k: v for k, v in data[name].items() if k not in ("model_bytes", "onnx_bytes")}
        return {"measured": True, **{k: v for k, v in data.items() if k != "format"}}

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values; `from_dict` is the inverse."""
        return {"format": OPERATIONS_FORMAT, **asdict(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Operations:
        """The measurements that `to_dict` described.

        Raises:
            ConfigError: another format, or another structure.
        """
        if not isinstance(data, Mapping) or data.get("format") != OPERATIONS_FORMAT:
            raise ConfigError(f"the operations are not of format {OPERATIONS_FORMAT}")
        return decode(cls, {k: v for k, v in data.items() if k != "format"})

    def to_table(self) -> pa.Table:
        """A row a model."""
        import pyarrow as pa

        models = {"candidate": self.candidate, "baseline": self.baseline}
        return pa.Table.from_pylist([{"model": n, **asdict(m)} for n, m in models.items() if m is not None])

    def view(self) -> Html:
        """The measurements as a piece of HTML."""
        from trueline.model_analysis.operational.html import operations_view

        return operations_view(self)


@dataclass(frozen=True)
class Timings:
    """What the clock gave, of each model: wall nanoseconds of each call, and CPU nanoseconds of each round."""

    wall: dict[str, list[list[int]]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)
    batch: dict[str, list[int]] = field(default_factory=dict)

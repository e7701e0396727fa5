"""Values noted during training: one JSON object a line in ``metrics.jsonl``, and the same to whoever else listens."""

from __future__ import annotations

import json
import math
import os
import weakref
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, Self

from trueline._core import store
from trueline._core.errors import ModelError

if TYPE_CHECKING:
    from trueline.training.fn_args import FnArgs

__all__ = ["EARLIER_METRICS", "METRICS_FILE", "MetricLog", "MetricSummary", "Sink", "Tracker", "read_metrics"]

METRICS_FILE = "metrics.jsonl"
EARLIER_METRICS = "metrics.before.jsonl"
"""The log of a killed run, beside that of the run that may go on from its checkpoint."""


class Sink(Protocol):
    """Takes every value noted; it buffers as it likes until `close`."""

    def add(self, metric: str, value: float, step: int) -> None:
        """One value."""
        ...

    def close(self, failed: bool = False) -> None:
        """Writes what is held; no value comes afterwards. The training ended well, or failed."""
        ...


@dataclass(frozen=True)
class MetricLog:
    """Appends to the log of one local folder; every line is in the file when `log` returns, also for a kill."""

    working_dir: str

    @cached_property
    def _file(self) -> int:
        """Open for appending until this object goes: each line is one write of the system, in no buffer of ours."""
        path = store.local_path(self.working_dir)
        path.mkdir(parents=True, exist_ok=True)
        number = os.open(path / METRICS_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        weakref.finalize(self, os.close, number)
        return number

    def log(self, metric: str, value: float, step: int | None = None) -> None:
        """Notes one value; NaN and infinities are kept as text, JSON has no number for them.

        Raises:
            ModelError: a value that is no number, or a step that is no integer.
        """
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise ModelError(f"metric {metric!r} was logged as {value!r}, which is no number") from error
        if step is not None and (isinstance(step, bool) or int(step) != step):
            raise ModelError(f"metric {metric!r} was logged at step {step!r}, which is no integer")
        entry = {
            "metric": str(metric),
            "step": None if step is None else int(step),
            "value": number if math.isfinite(number) else repr(number),
        }
        os.write(self._file, (json.dumps(entry, allow_nan=False) + "\n").encode())


def read_metrics(working_dir: str) -> list[dict[str, Any]]:
    """All entries in order: ``{"metric", "value", "step"}``; empty when nothing was logged.

    Raises:
        ModelError: a line that is no such entry, by its number.
    """
    uri = store.join(working_dir, METRICS_FILE)
    if not store.exists(uri):
        return []
    entries = []
    for number, line in enumerate(store.read_text(uri).splitlines(), 1):
        try:
            data = json.loads(line)
            step = data["step"]
            if step is not None and (isinstance(step, bool) or not isinstance(step, int)):
                raise ValueError(f"step is {step!r}")
            entries.append({"metric": str(data["metric"]), "value": float(data["value"]), "step": step})
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise ModelError(f"the entry does not parse: {error}", where=f"{uri} line {number}") from error
    return entries


@dataclass
class MetricSummary:
    """What is kept of one metric: its last, least and greatest value, and how many there were; NaN is no extreme."""

    last: float = math.nan
    min: float = math.inf
    max: float = -math.inf
    count: int = 0

    def add(self, value: float) -> None:
        """Takes in one value."""
        self.last = value
        self.min, self.max = min(self.min, value), max(self.max, value)
        self.count += 1

    def to_json(self) -> dict[str, Any]:
        """As it stands in ``model.json``."""
        extremes = {"min": self.min, "max": self.max} if self.min <= self.max else {}
        return {"last": self.last, **extremes, "count": self.count}


@dataclass
class Tracker:
    """Everything that listens to one training run.

    Attributes:
        log_file: where lines are appended; None: this process is not the one that writes.
        sinks: who else is told.
        summary: per metric, in the order in which they came.
    """

    log_file: MetricLog | None
    sinks: list[Sink] = field(default_factory=list)
    summary: dict[str, MetricSummary] = field(default_factory=dict)
    _steps: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of_run(cls, fn_args: FnArgs) -> Self:
        """For a run; what the log of a run that was killed held until the checkpoint is taken in first."""
        from trueline.training.tracking_mlflow import mlflow_sink
        from trueline.training.tracking_tensorboard import TensorBoardFiles

        if fn_args.rank:
            return cls(None)
        made = cls(MetricLog(fn_args.working_dir), [TensorBoardFiles(store.join(fn_args.working_dir, "tensorboard"))])
        goes_on = store.exists(store.join(fn_args.working_dir, EARLIER_METRICS))
        for entry in read_metrics(fn_args.working_dir) if goes_on else ():
            made._tell(entry["metric"], entry["value"], entry["step"])
        told = mlflow_sink(fn_args)
        if told is not None:
            made.sinks.append(told)
        return made

    def log(self, metric: str, value: float, step: int | None = None) -> None:
        """Notes one value; without a step, listeners that need one count."""
        if self.log_file is None:
            return
        self.log_file.log(metric, value, step)
        self._tell(str(metric), float(value), step)

    def _tell(self, metric: str, value: float, step: int | None) -> None:
        at = self._steps[metric] if step is None else int(step)
        self._steps[metric] = at + 1
        self.summary.setdefault(metric, MetricSummary()).add(value)
        for sink in self.sinks:
            sink.add(metric, value, at)

    def close(self, failed: bool = False) -> None:
        """Lets the listeners write what they hold."""
        for sink in self.sinks:
            sink.close(failed)
        self.sinks = []

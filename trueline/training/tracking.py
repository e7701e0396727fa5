"""Values noted during training: one JSON object a line in ``metrics.jsonl``, appended as they come."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from trueline._core import store
from trueline._core.errors import ModelError

__all__ = ["METRICS_FILE", "MetricLog", "read_metrics"]

METRICS_FILE = "metrics.jsonl"


@dataclass(frozen=True)
class MetricLog:
    """Appends to the log of one local folder; every line is whole when `log` returns."""

    working_dir: str

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
            "value": number if math.isfinite(number) else repr(number),
            "step": None if step is None else int(step),
        }
        path = store.local_path(self.working_dir)
        path.mkdir(parents=True, exist_ok=True)
        with open(path / METRICS_FILE, "a", encoding="utf-8") as handle:
            handle.write(json.dumps(entry, sort_keys=True, allow_nan=False) + "\n")


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
            entries.append({"metric": str(data["metric"]), "value": float(data["value"]), "step": step})
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"the entry does not parse: {error}", where=f"{uri} line {number}") from error
    return entries

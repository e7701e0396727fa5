"""Operations for people: a table of both models and their ratios."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline.display.html import Html, Safe, join, number, table, tag, visible

if TYPE_CHECKING:
    from trueline.model_analysis.operational.records import ModelOperations, Operations, Spread

__all__ = ["operations_view"]


def operations_view(operations: Operations) -> Html:
    """The measurements as one piece of HTML without outside resources."""
    candidate, baseline = operations.candidate, operations.baseline
    rows: list[list[Safe]] = []
    for what, name, ratio in (
        ("artifact, bytes", "model_bytes", operations.size_ratio),
        ("model.onnx, bytes", "onnx_bytes", None),
        ("one row, median, µs", "latency_us", operations.latency_ratio),
        ("one row, 99th percentile, µs", "latency_p99_us", None),
        ("one row, CPU time, µs", "cpu_us", operations.cpu_ratio),
        ("batch, rows a second", "batch_rows_per_s", None),
        ("batch, time", "", operations.batch_ratio),
        ("peak memory, bytes", "peak_memory_bytes", operations.memory_ratio),
    ):
        if not name and ratio is None:
            continue
        rows.append([what, _value(candidate, name), _value(baseline, name), _ratio(ratio)])
    head = ["", "candidate", "baseline", "candidate / baseline"]
    said = (
        f"{operations.repeats:,} one-row calls of each model in turns over {operations.rows:,} rows, batches of "
        f"{operations.batch_rows:,} rows. Times and memory are those of the machine that measured; sizes are exact."
    )
    return join([table(head, rows, numeric=[1, 2, 3]), tag("p", said, class_="soft")])


def _value(model: ModelOperations | None, name: str) -> Safe:
    if model is None or not name:
        return ""
    value = getattr(model, name)
    if value is None:
        return tag("span", "not known", title=visible(model.memory_undefined or ""), class_="soft")
    return number(value if isinstance(value, int) else int(value) if value > 1e5 else float(value))


def _ratio(ratio: Spread | float | None) -> Safe:
    if ratio is None:
        return ""
    if isinstance(ratio, float):
        return number(ratio, 3)
    return f"{number(ratio.value, 3)} ({number(ratio.low, 3)} to {number(ratio.high, 3)})"

"""The small notebook view of an evaluation: verdict, then one row a slice. Every text from data is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from trueline.model_analysis.measured import Estimate, SliceMetrics

if TYPE_CHECKING:
    from trueline.model_analysis.result import EvalResult

__all__ = ["result_html"]

_MAX_ROWS = 50


def result_html(result: EvalResult) -> str:
    """An HTML fragment without scripts or outside resources."""
    verdict = result.validation_result
    keys = list(dict.fromkeys(name for s in result.measured.slices for name in s.metrics))
    head = "".join(f"<th>{escape(name)}</th>" for name in keys)
    shown = result.measured.slices[:_MAX_ROWS]
    body = "".join(_slice_row(s, keys) for s in shown)
    hidden = len(result.measured.slices) - len(shown)
    more = f"<p>{hidden} more slices in <code>to_table()</code>.</p>" if hidden > 0 else ""
    state = "passed" if verdict.ok else "closed"
    stamp = " Change thresholds were not applied: there was no baseline." if verdict.rubber_stamp else ""
    reasons = "".join(f"<li>{escape(f.sentence)}</li>" for f in verdict.failures[:_MAX_ROWS])
    return (
        f"<div><p><strong>Gate {state}.</strong>{stamp} {result.measured.rows:,} labelled rows, "
        f"{result.measured.missing_labels:,} without a label.</p>"
        + (f"<ul>{reasons}</ul>" if reasons else "")
        + f"<table><thead><tr><th>slice</th><th>rows</th>{head}</tr></thead><tbody>{body}</tbody></table>{more}</div>"
    )


def _slice_row(s: SliceMetrics, keys: list[str]) -> str:
    cells = "".join(_cell(s, name) for name in keys)
    return f"<tr><th scope='row'>{escape(s.name)}</th><td>{s.rows:,}</td>{cells}</tr>"


def _cell(s: SliceMetrics, name: str) -> str:
    estimate = s.metrics.get(name, Estimate(None, "not computed"))
    if estimate.value is None:
        return f"<td title='{escape(estimate.undefined or '', quote=True)}'>undefined</td>"
    change = s.changes.get(name)
    shift = f" ({change.value:+.3g})" if change is not None and change.value is not None else ""
    return f"<td>{estimate.value:.4g}{shift}</td>"

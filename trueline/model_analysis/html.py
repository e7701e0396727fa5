"""The small notebook view of an evaluation: verdict, reasons, then one row a slice; `page` has the whole of it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from trueline.display.html import visible
from trueline.model_analysis.measured import Estimate, SliceMetrics

if TYPE_CHECKING:
    from trueline.model_analysis.result import EvalResult

__all__ = ["result_html"]

_MAX_ROWS = 50
_MAX_COLUMNS = 12
_MAX_REASONS = 20


def result_html(result: EvalResult) -> str:
    """An HTML fragment without scripts or outside resources. Every text from data is escaped."""
    measured, verdict = result.measured, result.validation_result
    keys = list(dict.fromkeys(name for s in measured.slices for name, e in s.metrics.items() if e.data is None))
    head = "".join(f"<th scope='col'>{_text(name)}</th>" for name in keys[:_MAX_COLUMNS])
    body = "".join(_slice_row(s, keys[:_MAX_COLUMNS]) for s in measured.slices[:_MAX_ROWS])
    state = "Not judged" if verdict.missing_thresholds else "Gate passed" if verdict.ok else "Gate closed"
    stamp = (
        " Change thresholds were not applied: there was no other model to compare with." if verdict.rubber_stamp else ""
    )
    reasons = "".join(f"<li>{_text(f.sentence)}</li>" for f in verdict.failures[:_MAX_REASONS])
    return (
        f"<div><p><strong>{state}.</strong>{stamp} {measured.rows:,} labelled rows, "
        f"{measured.missing_labels:,} without a label.</p>"
        + (f"<ul>{reasons}</ul>" if reasons else "")
        + "<div style='overflow-x:auto'><table><thead><tr><th scope='col'>slice</th><th scope='col'>rows</th>"
        + f"{head}</tr></thead><tbody>{body}</tbody></table></div>{_left(result, len(keys))}</div>"
    )


def _left(result: EvalResult, keys: int) -> str:
    """What the small view does not show, and where it is."""
    counts = (
        (len(result.validation_result.failures) - _MAX_REASONS, "reasons"),
        (len(result.measured.slices) - _MAX_ROWS, "slices"),
        (keys - _MAX_COLUMNS, "metrics"),
    )
    more = ", ".join(f"{count:,} more {what}" for count, what in counts if count > 0)
    return f"<p>{more} in <code>to_html()</code> and <code>to_table()</code>.</p>" if more else ""


def _slice_row(s: SliceMetrics, keys: list[str]) -> str:
    cells = "".join(_cell(s, name) for name in keys)
    return f"<tr><th scope='row'>{_text(s.name)}</th><td>{s.rows:,}</td>{cells}</tr>"


def _cell(s: SliceMetrics, name: str) -> str:
    estimate = s.metrics.get(name, Estimate(None, "not computed"))
    if estimate.value is None:
        return f"<td>undefined: <small>{_text(estimate.undefined or 'no reason is known')}</small></td>"
    change = s.changes.get(name)
    shift = f" ({change.value:+.3g})" if change is not None and change.value is not None else ""
    return f"<td>{estimate.value:.4g}{shift}</td>"


def _text(text: str) -> str:
    return escape(visible(text), quote=True)

"""Evaluations as tables in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from trueline.cli.stats_layout import Sheet, print_sheet
from trueline.display.html import number, percent, visible

if TYPE_CHECKING:
    from trueline.model_analysis import EvalResult
    from trueline.model_analysis.measured import Estimate, SliceMetrics

__all__ = ["print_evaluation", "print_found_slices"]

_ROWS = 40


def print_evaluation(result: EvalResult, split: str = "") -> None:
    """The slices with their metrics, and the verdict with its sentences but the failures, which the command raises."""
    measured, verdict = result.measured, result.validation_result
    shown = measured.slices[:_ROWS]
    names = list(dict.fromkeys(name for s in measured.slices for name, e in s.metrics.items() if e.data is None))
    rows = [[visible(s.name), number(s.rows), *(_cell(s, name) for name in names)] for s in shown]
    head: tuple[str, ...] = ("slice", "rows", *names)
    if len(shown) == 1:  # one slice stands upright: every metric is seen, however narrow the terminal is
        rows = [[visible(name), _cell(shown[0], name)] for name in names]
        head = ("metric", visible(shown[0].name))
    title = f"{number(measured.rows)} labelled rows{f' of split {split}' if split else ''}"
    title += f", {number(measured.missing_labels)} without a label" if measured.missing_labels else ""
    spare = tuple(reversed(head[3:]))
    print_sheet(Sheet(title, head, rows, frozenset({head[0]}), spare=spare))
    if len(measured.slices) > len(shown):
        click.echo(f"... {len(measured.slices) - len(shown)} more slices: --html or --out has all of them")
    for sentence in (*_legend(result), *_undefined(result)):
        click.echo(visible(sentence))
    if verdict.missing_thresholds:
        click.echo("No threshold is set: nothing was judged.")
    elif verdict.ok:
        click.echo(f"Passed: {number(verdict.checks)} checks.")
    for note in (*verdict.notes, *verdict.within_noise):
        click.echo(visible(note))


def _legend(result: EvalResult) -> list[str]:
    """What stands beside the values."""
    slices = result.measured.slices
    if any(change.value is not None for s in slices for change in s.changes.values()):
        return ["In brackets: the change against the baseline, measured on the same rows."]
    if any(e.low is not None for s in slices for e in s.metrics.values()):
        return [f"In brackets: {number(100 * result.config.options.confidence)} % intervals."]
    return []


def _cell(s: SliceMetrics, name: str) -> str:
    estimate: Estimate | None = s.metrics.get(name)
    if estimate is None or estimate.value is None:
        return "undefined" if estimate is not None else ""
    change = s.changes.get(name)
    if change is not None and change.value is not None:
        return f"{number(estimate.value, 4)} ({change.value:+.2g})"
    if estimate.low is not None and estimate.high is not None:
        return f"{number(estimate.value, 4)} [{number(estimate.low, 3)}, {number(estimate.high, 3)}]"
    return number(estimate.value, 4)


def _undefined(result: EvalResult) -> list[str]:
    """Why values are undefined, a sentence for each reason."""
    places: dict[str, list[str]] = {}
    for s in result.measured.slices:
        for name, estimate in s.metrics.items():
            if estimate.undefined is not None:
                places.setdefault(estimate.undefined, []).append(f"{name} on {s.name}")
    return [
        f"Undefined, because {why}: {', '.join(found[:3])}" + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        for why, found in places.items()
    ]


def print_found_slices(found: Any) -> None:
    """The slices that a search found, the surest first."""
    rows = [
        [
            visible(s.name), number(s.rows), percent(s.share, 1), number(s.inside, 3), number(s.outside, 3),
            f"{number(s.low, 3)} to {number(s.high, 3)}", f"{s.adjusted_p_value:.2g}",
        ]
        for s in found.slices
    ]  # fmt: skip
    if not rows:
        click.echo(f"No slice is surely worse: {number(found.searched)} were searched.")
        return
    head = ("slice", "rows", "share", "loss", "elsewhere", "worse by", "p")
    title = f"Worst slices by {found.loss}, of {number(found.searched)} searched; interval and p on other rows"
    print_sheet(Sheet(title, head, rows, frozenset({"slice"}), spare=("p", "share")))

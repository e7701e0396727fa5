"""The page of an evaluation: the verdict first, then the candidate against the baseline, slices, changes, plots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from trueline.display.eval_style import evaluation_document, styled
from trueline.display.eval_tables import (
    changes_table,
    checks_table,
    grid,
    overall_table,
    pairs_table,
    shown,
    slices_table,
)
from trueline.display.eval_view import EvaluationPage, SliceView
from trueline.display.html import Html, Safe, join, number, tag, visible
from trueline.display.sections import facts_view
from trueline.display.slice_charts import SliceDot, slice_dots

__all__ = [
    "evaluation_page_html",
    "evaluation_page_view",
    "evaluation_part_view",
    "lower_headings",
    "slice_dot_plot",
    "verdict_view",
    "visible_lines",
]

_MOST_FAILURES = 20
_MOST_DOTS = 80
_MOST_SLICES = 500


def evaluation_page_html(shown_page: EvaluationPage) -> str:
    """One self-contained document."""
    return evaluation_document(shown_page.title, evaluation_page_view(shown_page))


def evaluation_page_view(p: EvaluationPage) -> Html:
    """All sections in reading order."""
    sections = (
        _overall, _slices, _changes, _pairs, _sections, _plots, _checks, _left_out, _structured, _config
    )  # fmt: skip
    return join([tag("h1", visible(p.title), dir="auto"), _parts(p, sections)])


def _parts(p: EvaluationPage, sections: Sequence[Callable[[EvaluationPage], list[Safe]]]) -> Html:
    facts = facts_view({visible(k): v if isinstance(v, int) else visible(v) for k, v in p.facts.items()})
    return join([verdict_view(p), facts, *(part for section in sections for part in section(p))])


def evaluation_part_view(p: EvaluationPage) -> Html:
    """The same as a part of a larger page, under a heading of level 2: plots of the first slice alone."""
    few = replace(p, plots=p.plots[:1])
    sections = (_overall, _slices, _changes, _pairs, _sections, _plots, _checks, _left_out)
    return styled(lower_headings(_parts(few, sections)))


def lower_headings(piece: Html) -> Html:
    """A piece with its headings one level lower, to stand under another heading."""
    text = piece.text
    for level in (4, 3, 2):  # texts from data are escaped: only headings match
        text = text.replace(f"<h{level}", f"<h{level + 1}").replace(f"</h{level}>", f"</h{level + 1}>")
    return Html(text)


def verdict_view(p: EvaluationPage) -> Html:
    """Open or closed, each reason in a sentence, and what was not judged."""
    word, colour = ("The gate is open", "good") if p.ok else ("The gate is closed", "bad")
    mark = "✓ " if p.ok else "✕ "
    count = len(p.failures)
    said = f"{word}: {'nothing failed' if p.ok else f'{count} reason' + ('s' if count != 1 else '')}."
    parts: list[Safe] = [tag("p", tag("span", mark + said, class_=f"word {colour}"))]
    if p.failures:
        parts.append(_reasons([f.sentence for f in p.failures[:_MOST_FAILURES]]))
    if count > _MOST_FAILURES:
        rest = _reasons([f.sentence for f in p.failures[_MOST_FAILURES:]])
        parts.append(tag("details", tag("summary", f"{count - _MOST_FAILURES:,} more reasons"), rest))
    parts += [tag("p", visible(note), dir="auto") for note in p.notes]
    return tag("section", *parts, class_="verdict open" if p.ok else "verdict", role="status", aria_label="Verdict")


def _reasons(sentences: Sequence[str]) -> Html:
    return tag("ul", *(tag("li", visible(s), dir="auto") for s in sentences))


def _overall(p: EvaluationPage) -> list[Safe]:
    if not p.slices or not p.metrics:
        return []
    first = p.slices[0]
    title = "Candidate and baseline" if p.has_baseline else "Metrics"
    rows = tag("p", f"{visible(first.name)}, {first.rows:,} rows. {p.intervals}".strip(), class_="soft", dir="auto")
    return [tag("h2", title), rows, overall_table(first, p.metrics, p.has_baseline)]


def _slices(p: EvaluationPage) -> list[Safe]:
    if len(p.slices) < 2 or not p.metrics:
        return []
    first = [s for i, s in enumerate(p.slices) if i == 0 or s.failed]
    listed = [*first, *(s for s in p.slices[1:] if not s.failed)] if len(p.slices) > _MOST_SLICES else p.slices
    parts: list[Safe] = [tag("h2", f"Slices ({len(p.slices):,})"), slices_table(listed[:_MOST_SLICES], p.metrics)]
    if len(p.slices) > _MOST_SLICES:
        said = f"Those whose gate failed come first; {len(p.slices) - _MOST_SLICES:,} more slices are in to_table()."
        parts.append(tag("p", said, class_="soft"))
    order = [*p.primary, *(m for m in p.metrics if m not in p.primary)]
    for i, metric in enumerate(order):
        plot = slice_dot_plot(p.slices, metric, lower_is_better=metric in p.lower_is_better)
        if plot is None:
            continue
        summary = tag("summary", f"{visible(metric)} by slice", dir="auto")
        kind = {"open": "open"} if i == 0 else {"class_": "figures"}
        parts.append(tag("details", summary, plot, **kind))
    return parts


def slice_dot_plot(slices: Sequence[SliceView], metric: str, *, lower_is_better: bool = False) -> Html | None:
    """A metric's value on every slice with its interval, the worst first; None where no slice has it.

    Slices whose gate failed are marked. Of more than `_MOST_DOTS` slices the worst are drawn: the table has all.
    """
    dots = []
    for s in slices:
        found = s.values.get(metric)
        if found is not None:
            kind, note = ("bad", "its gate is closed") if metric in s.failed else ("", "")
            dots.append(SliceDot(s.name, found.value, found.low, found.high, s.rows, kind, found.undefined or note))
    if not any(d.value is not None for d in dots):
        return None
    first = slices[0].values.get(metric)
    line = first.value if first is not None and not slices[0].name.count("=") else None
    left = len(dots) - _MOST_DOTS
    sign = -1 if lower_is_better else 1
    if left > 0:
        dots = sorted(dots, key=lambda d: (d.value is None, sign * (d.value or 0.0)))[:_MOST_DOTS]
    drawn = slice_dots(
        dots, label=f"{metric} by slice, with intervals", unit=visible(metric), reference=line,
        reference_name=visible(slices[0].name), order="descending" if lower_is_better else "ascending", shown=shown,
    )  # fmt: skip
    ends = "highest" if lower_is_better else "lowest"
    said = tag("p", f"The {_MOST_DOTS} {ends}; {left:,} more are in the table.", class_="soft") if left > 0 else ""
    return join([drawn, said])


def _changes(p: EvaluationPage) -> list[Safe]:
    if not p.has_baseline or len(p.slices) < 2:
        return []
    note = "Candidate minus baseline on the same rows. The p-value is of no change at all, for each pair on its own."
    return [tag("h2", "Changes"), tag("p", note, class_="soft"), changes_table(p)]


def _pairs(p: EvaluationPage) -> list[Safe]:
    if not p.pairs:
        return []
    note = "The first slice's value minus the second slice's."
    return [tag("h2", "Differences between slices"), tag("p", note, class_="soft"), pairs_table(p.pairs, p.metrics)]


def _sections(p: EvaluationPage) -> list[Safe]:
    return [part for s in p.sections for part in (tag("h2", visible(s.title), dir="auto"), lower_headings(s.charts))]


def _plots(p: EvaluationPage) -> list[Safe]:
    if not p.plots:
        return []
    first, *rest = p.plots
    parts: list[Safe] = [tag("h2", "Plots"), tag("h3", visible(first.title), dir="auto"), first.charts]
    parts += [
        tag("details", tag("summary", visible(group.title), dir="auto"), group.charts, class_="figures")
        for group in rest
    ]
    return parts


def _checks(p: EvaluationPage) -> list[Safe]:
    if not p.checks:
        return []
    return [tag("h2", f"Bounds on metrics ({len(p.checks):,})"), checks_table(p.checks)]


def _left_out(p: EvaluationPage) -> list[Safe]:
    if not p.left_out:
        return []
    rows = [[visible(what), number(count)] for what, count in p.left_out]
    table = grid(["What was left out", "rows"], rows, label="What was left out", numeric=[1])
    return [tag("h2", "Left out"), table]


def _structured(p: EvaluationPage) -> list[Safe]:
    if not p.structured:
        return []
    parts = [tag("details", tag("summary", visible(name), dir="auto"), tag("pre", text)) for name, text in p.structured]
    return [tag("h2", "Structured values"), *parts]


def _config(p: EvaluationPage) -> list[Safe]:
    if not p.config:
        return []
    summary = tag("summary", "The configuration of this evaluation")
    return [tag("h2", "Configuration"), tag("details", summary, tag("pre", visible_lines(p.config)))]


def visible_lines(text: str) -> str:
    """A text of several lines with what one cannot see as escapes."""
    return "\n".join(visible(line) for line in text.split("\n"))

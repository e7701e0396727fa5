"""The found slices in HTML: what was found, a dot plot, a table, and what was not looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline.display.html import Html, Safe, join, number, page, percent, table, tag, visible
from trueline.display.slice_charts import SliceDot, slice_dots
from trueline.model_analysis.slice_finder.losses import LOSSES

if TYPE_CHECKING:
    from trueline.model_analysis.slice_finder.found import FoundSlice, FoundSlices

__all__ = ["found_page", "found_view"]

_HEAD = (
    "slice",
    "rows",
    "share",
    "inside",
    "outside",
    "difference",
    "interval",
    "effect",
    "p",
    "adjusted p",
    "of all loss",
)
_FEW = 20


def found_page(found: FoundSlices) -> str:
    """One self-contained page; nothing is fetched."""
    title = "Slices that became worse" if found.compared else "Slices where the model does worst"
    return page(title, join([tag("h1", title), found_view(found)]))


def found_view(found: FoundSlices) -> Html:
    """The piece without a page around it."""
    parts = [_summary(found)]
    if found.slices:
        parts += [_dots(found), _table(found)]
    return join([*parts, _notes(found)])


def _title(found: FoundSlices) -> str:
    title = LOSSES[found.loss].title if found.loss in LOSSES else found.loss
    return f"change of the {title}" if found.compared else title


def _summary(found: FoundSlices) -> Html:
    count = len(found.slices)
    said = "No slice is" if not count else "One slice is" if count == 1 else f"{count} slices are"
    half = "measured on rows that did not choose them" if found.options.get("confirm") else "measured on all rows"
    covered = f" They cover {percent(found.coverage)} of the rows." if count else ""
    return tag(
        "p",
        tag("strong", f"{said} worse than the rest"),
        f" by {_title(found)}, {half}. {found.rows:,} rows, mean {number(found.mean_loss)}.{covered}",
    )


def _dots(found: FoundSlices) -> Html:
    dots = [
        SliceDot(
            s.name, s.inside, s.outside + s.low, s.outside + s.high, s.rows, "bad",
            f"{number(s.difference)} worse than the other rows, from {number(s.low)} to {number(s.high)}",
        )
        for s in found.slices
    ]  # fmt: skip
    label = f"{_title(found)} inside each slice, with the interval of its difference from the rows outside"
    return slice_dots(dots, label=label, unit=_title(found), reference=found.mean_loss, reference_name="all rows")


def _table(found: FoundSlices) -> Html:
    rows = [_cells(s) for s in found.slices]
    return table(_HEAD, rows, numeric=range(1, len(_HEAD)))


def _cells(s: FoundSlice) -> list[Safe]:
    interval = f"{number(s.low)} to {number(s.high)}"
    return [
        visible(s.name), s.rows, percent(s.share, 1), s.inside, s.outside, s.difference, interval,
        number(s.effect_size, 3), number(s.p_value, 2), number(s.adjusted_p_value, 2),
        "–" if s.loss_share is None else percent(s.loss_share, 1),
    ]  # fmt: skip


def _notes(found: FoundSlices) -> Html:
    options = found.options
    lines = [
        f"{found.searched:,} slices of at least {options.get('min_rows', 0):,} rows in {len(found.columns)} columns "
        f"were judged, {found.tested:,} tested; {found.refused:,} that looked worse did not hold.",
        f"Intervals and p-values are adjusted for the slices tested ({options.get('multiplicity')}, "
        f"alpha {options.get('alpha')}).",
    ]
    lines += [f"{n:,} rows have no loss: {name.replace('_', ' ')}." for name, n in found.left_out.items()]
    if found.skipped:
        lines.append(f"{found.skipped:,} combinations of columns were left out to bound the memory.")
    left = [f"{visible(name)}: {why}." for name, why in found.columns_left_out.items()]
    lines += left[:_FEW] + ([f"{len(left) - _FEW} more columns are not searched in full."] if len(left) > _FEW else [])
    return tag("div", *(tag("p", line, class_="soft small") for line in lines))

"""Tables of figures that stay readable where the terminal is narrow: columns go, names and figures are never cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trueline.cli.format import table_console

__all__ = ["Sheet", "print_sheet"]

_GAP = 2
_SHORT = 16


@dataclass(frozen=True)
class Sheet:
    """A table to print.

    Attributes:
        title: above it.
        headings: of the columns; the first holds names.
        rows: the cells, as plain text.
        text: headings of columns that stand on the left.
        wordy: headings of columns whose cells may be shortened.
        spare: headings of columns that may be left out, the first first.
        styles: (row, heading) -> a style.
    """

    title: str
    headings: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    text: frozenset[str] = frozenset()
    wordy: frozenset[str] = frozenset()
    spare: tuple[str, ...] = ()
    styles: Mapping[tuple[int, str], str] = field(default_factory=dict)


def print_sheet(sheet: Sheet) -> None:
    """Prints a table; into a pipe or a file all of it."""
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    console = table_console()
    rows = [list(row) for row in sheet.rows]
    kept = list(sheet.headings)

    def width() -> int:
        places = [sheet.headings.index(heading) for heading in kept]
        cells = [max(cell_len(line[place]) for line in (sheet.headings, *rows)) for place in places]
        return sum(cells) + _GAP * (len(cells) - 1)

    if width() > console.width:
        for place in (sheet.headings.index(heading) for heading in sheet.wordy):
            for row in rows:
                row[place] = _shortened(row[place])
    for heading in sheet.spare:
        if width() > console.width:
            kept.remove(heading)
    table = Table(title=Text(sheet.title), title_justify="left", box=None, padding=(0, _GAP, 0, 0), pad_edge=False)
    for heading in kept:
        # The names give way last: a figure that is cut is another figure.
        folds = "fold" if heading == sheet.headings[0] else "ellipsis"
        justify = "left" if heading in sheet.text else "right"
        table.add_column(Text(heading), justify=justify, no_wrap=folds == "ellipsis", overflow=folds)  # type: ignore[arg-type]
    for number, row in enumerate(rows):
        cells = (Text(row[sheet.headings.index(h)], style=sheet.styles.get((number, h), "")) for h in kept)
        table.add_row(*cells)
    console.print(table)
    if len(kept) < len(sheet.headings):
        gone = ", ".join(heading for heading in sheet.headings if heading not in kept)
        console.print(Text(f"Left out for want of room: {gone}.", style="dim"))


def _shortened(text: str) -> str:
    return text if len(text) <= _SHORT else text[: _SHORT - 1] + "…"

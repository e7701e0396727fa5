"""Tables of an evaluation: slices by metrics, the candidate beside the baseline, changes, differences between slices.

What is undefined says so in the cell, with its reason; every table is sorted by a click or a key on a head.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from trueline.display.eval_view import Check, EvaluationPage, PairView, Shift, SliceView, Value
from trueline.display.html import Html, Safe, join, number, tag, visible

__all__ = [
    "changes_table",
    "checks_table",
    "grid",
    "name_text",
    "overall_table",
    "pairs_table",
    "shown",
    "slices_table",
    "value_cell",
]

MOST_CHANGES = 100
_MANY = 9
"""Of more columns than these, paper has a block a row in place of a table."""
_FEW = 4
"""Of fewer columns than these, a table is only as wide as they need."""
_PARTING = re.compile(r"([_=/.:,\[(-])(?=\w)")


def shown(value: float) -> str:
    """A value at the precision of a table."""
    plain = math.isfinite(value) and 1e-4 <= abs(value) < 10
    text = f"{value:.4f}" if plain else number(float(value))
    return f"\u2212{text[1:]}" if text.startswith("-") else text


def signed(value: float) -> str:
    """A difference with its sign."""
    return f"+{shown(value)}" if value > 0 else shown(value)


def interval(low: float | None, high: float | None, *, sign: bool = False) -> str:
    """``0.81 to 0.84``; empty where there is none."""
    if low is None or high is None:
        return ""
    write = signed if sign else shown
    return f"{write(low)} to {write(high)}"


def value_cell(value: Value | None, *, failed: bool = False) -> Html:
    """A number with its interval, or the word undefined with the reason."""
    if value is None:
        return tag("span", "–", class_="soft", data_sort="")
    if value.value is None:
        why = tag("span", visible(value.undefined or "no reason is known"), class_="why")
        return join([tag("span", "undefined", class_="bad" if failed else "soft", data_sort="undefined"), why])
    parts: list[Safe] = [tag("b" if failed else "span", shown(value.value), data_sort=repr(float(value.value)))]
    if failed:
        parts.append(tag("span", " ✕ gate", class_="small"))
    reach = interval(value.low, value.high)
    if reach:
        parts.append(tag("span", reach, class_="range"))
    elif value.bound:
        parts.append(tag("span", f"± {number(value.bound, 2)}", class_="range"))
    return tag("span", *parts, class_="bad" if failed else None)


def grid(
    head: Sequence[str],
    rows: Iterable[Sequence[Safe]],
    *,
    label: str,
    numeric: Sequence[int] = (),
    names: Sequence[int] = (0,),
    search: str = "",
) -> Html:
    """A table that is sorted by its heads, its first column pinned while the others scroll.

    Args:
        head: texts of the heads.
        rows: cells.
        label: what it is of, for those who do not see it.
        numeric: columns that are set to the right.
        names: columns that hold long texts.
        search: the id of its filter; none where empty.
    """
    cells = [
        tag("th", name_text(text), scope="col", tabindex="0", class_=_class(i, numeric, names), dir="auto")
        for i, text in enumerate(head)
    ]
    body = [
        tag("tr", *(
            tag("td", cell, class_=_class(i, numeric, names), dir="auto" if i in names else None,
                data_label=visible(head[i]) if i else None)
            for i, cell in enumerate(row)
        ))
        for row in rows
    ]  # fmt: skip
    size = " many" if len(head) > _MANY else " few" if len(head) < _FEW else ""
    made = tag("table", tag("thead", tag("tr", *cells)), tag("tbody", *body), class_=f"sortable{size}",
               aria_label=visible(label))  # fmt: skip
    region = tag("div", made, class_="scroll pinned", tabindex="0", role="region", aria_label=visible(label))
    if not search:
        return region
    box = tag("input", type="search", placeholder="filter", data_filter=search, aria_label=f"filter {visible(label)}")
    return join([box, tag("div", region, id=search)])


def _class(i: int, numeric: Sequence[int], names: Sequence[int]) -> str | None:
    if i in names:
        return "name" if i == 0 else "text"
    return "n" if i in numeric else None


def name_text(text: str) -> Html:
    """A name that may be broken after the signs that part its words."""
    return Html(_PARTING.sub(r"\1<wbr>", escape(visible(text), quote=True)))


def slices_table(slices: Sequence[SliceView], metrics: Sequence[str], *, search: str = "slices") -> Html:
    """One row a slice, one column a metric."""
    left_out = any(s.missing for s in slices)
    head = ["Slice", "rows", *(["without label"] if left_out else []), *metrics]
    rows: list[Sequence[Safe]] = [
        [
            name_text(s.name),
            number(s.rows),
            *([number(s.missing)] if left_out else []),
            *(value_cell(s.values.get(m), failed=m in s.failed) for m in metrics),
        ]
        for s in slices
    ]
    return grid(head, rows, label="Slices by metrics", numeric=range(1, len(head)), search=search)


def overall_table(found: SliceView, metrics: Sequence[str], has_baseline: bool) -> Html:
    """One row a metric: the candidate's value, the baseline's, and the change."""
    if not has_baseline:
        rows: list[Sequence[Safe]] = [
            [name_text(m), value_cell(found.values.get(m), failed=m in found.failed)] for m in metrics
        ]
        return grid(["Metric", "value"], rows, label=f"Metrics on {found.name}", numeric=[1])
    body: list[Sequence[Safe]] = []
    for m in metrics:
        shift = found.shifts.get(m, Shift(None))
        cells = [value_cell(found.values.get(m), failed=m in found.failed), value_cell(found.baseline.get(m))]
        body.append([name_text(m), *cells, *_shift_cells(shift)])
    head = ["Metric", "candidate", "baseline", "change", "interval of the change", "p-value", ""]
    return grid(head, body, label=f"Candidate and baseline on {found.name}", numeric=[1, 2, 3, 4, 5])


def _shift_cells(shift: Shift) -> list[Safe]:
    word, colour = shift.said
    change = tag("span", signed(shift.value), data_sort=repr(float(shift.value))) if shift.value is not None else "–"
    return [
        change,
        tag("span", interval(shift.low, shift.high, sign=True) or "–", class_="whole"),
        p_text(shift.p_value),
        tag("span", word, class_=f"badge {colour}".strip()) if word else "",
    ]


def p_text(value: float | None) -> Safe:
    """A p-value: never 0."""
    if value is None or math.isnan(value):
        return "–"
    return tag("span", "<\u00a00.0001" if value < 1e-4 else f"{value:.4f}", data_sort=repr(float(value)))


def changes_table(page: EvaluationPage) -> Html:
    """One row a slice and metric: gates that failed first, then what is least explained by noise."""
    every = [(s, m, shift) for s in page.slices for m, shift in s.shifts.items() if m in page.metrics]
    found = [f for f in every if f[1] in f[0].failed or not f[2].value == f[2].low == f[2].high == 0]
    found.sort(key=lambda f: (f[1] not in f[0].failed, 2.0 if f[2].p_value is None else f[2].p_value))
    rows: list[Sequence[Safe]] = [
        [
            name_text(s.name),
            name_text(m),
            value_cell(s.values.get(m), failed=m in s.failed),
            value_cell(s.baseline.get(m)),
            *_shift_cells(shift),
        ]
        for s, m, shift in found[:MOST_CHANGES]
    ]
    head = ["Slice", "metric", "candidate", "baseline", "change", "interval of the change", "p-value", ""]
    more = len(found) - len(rows)
    note = tag("p", f"{more:,} more pairs of slice and metric are in to_table().", class_="soft") if more else ""
    made = grid(head, rows, label="Changes by slice and metric", numeric=[2, 3, 4, 5, 6], search="changes")
    same = len(every) - len(found)
    left = (
        tag("p", f"{same:,} pairs of slice and metric without any change are left out.", class_="soft") if same else ""
    )
    return join([made, note, left])


def pairs_table(pairs: Sequence[PairView], metrics: Sequence[str]) -> Html:
    """One row a pair of slices, one column a metric."""
    head = ["Pair", *metrics]
    rows: list[Sequence[Safe]] = [[name_text(p.name), *(value_cell(p.values.get(m)) for m in metrics)] for p in pairs]
    return grid(head, rows, label="Differences between slices", numeric=range(1, len(head)), search="pairs")


_OUTCOMES: Mapping[str, tuple[str, str]] = {
    "passed": ("passed", "good"),
    "failed": ("failed", "bad"),
    "within_noise": ("within noise", "warn"),
    "undefined_passed": ("undefined, let pass", "warn"),
}


def checks_table(checks: Sequence[Check]) -> Html:
    """Every bound that was judged; those that closed the gate first."""
    ordered = sorted(checks, key=lambda c: c.outcome != "failed")
    rows: list[Sequence[Safe]] = []
    for check in ordered:
        word, colour = _OUTCOMES.get(check.outcome, (check.outcome, ""))
        badge = tag("span", word, class_=f"badge {colour}".strip())
        rows.append(
            [name_text(check.slice), name_text(check.metric), badge, p_text(check.p_value), visible(check.sentence)]
        )
    head = ["Slice", "metric", "outcome", "adjusted p-value", "what was found"]
    return grid(head, rows, label="Bounds that were judged", numeric=[3], names=(0, 4), search="checks")

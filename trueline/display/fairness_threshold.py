"""Rates of groups at any threshold: a slider over values that were computed before, a chart of gaps, and a table.

Nothing is fetched. Without a script the slider is not shown, and the table of round thresholds says the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trueline.display.html import Html, Safe, join, number, table, tag, visible
from trueline.display.tuner_axes import Axis, drawing, in_scroll, x_axis, y_axis

__all__ = ["ThresholdGrid", "threshold_explorer"]

_WIDTH, _HEIGHT, _LEFT, _TOP, _FLOOR = 720, 220, 52, 10, 34
_DIGITS = 3
_SCRIPT = """
(function(){
var roots=document.querySelectorAll('.tl-fair:not([data-ready])');
Array.prototype.forEach.call(roots,function(root){
 root.setAttribute('data-ready','1');
 var data=JSON.parse(root.getAttribute('data-grid'));
 var bar=root.querySelector('.tl-fair-bar'),slider=bar.querySelector('input'),said=bar.querySelector('output');
 var cells=root.querySelectorAll('[data-cell]'),mark=root.querySelector('.tl-fair-mark');
 bar.hidden=false;
 function show(){
  var at=+slider.value;
  said.textContent=data.thresholds[at];
  slider.setAttribute('aria-valuetext','threshold '+data.thresholds[at]);
  Array.prototype.forEach.call(cells,function(cell){
   var where=cell.getAttribute('data-cell').split(':'),value=data[where[0]][+where[1]][+where[2]][at];
   cell.textContent=value===null?'\\u2013':value.toFixed(3);
  });
  if(mark){var x=+mark.getAttribute('data-left')+mark.getAttribute('data-width')*at/(data.thresholds.length-1);
   mark.setAttribute('x1',x);mark.setAttribute('x2',x);}
 }
 slider.addEventListener('input',show);show();
});
})();
"""


@dataclass(frozen=True)
class ThresholdGrid:
    """What a slider shows.

    Attributes:
        name: what the groups are of.
        thresholds: ``T`` of them, ascending, evenly apart.
        groups: names, with sizes: ``(name, rows)``.
        rates: rate -> for each group its value at each threshold; None where it is undefined.
        gaps: criterion -> the greatest difference at each threshold.
        start: place of the threshold that is shown first.
    """

    name: str
    thresholds: Sequence[float]
    groups: Sequence[tuple[str, int]]
    rates: Mapping[str, Sequence[Sequence[float | None]]]
    gaps: Mapping[str, Sequence[float | None]]
    start: int


def threshold_explorer(grid: ThresholdGrid) -> Html:
    """The slider, the rates of each group, the gap of each criterion, and the gaps over all thresholds."""
    data = {
        "thresholds": [f"{t:g}" for t in grid.thresholds],
        "rates": [[_rounded(values) for values in each] for each in grid.rates.values()],
        "gaps": [[_rounded(values)] for values in grid.gaps.values()],
    }
    label = f"Threshold for all groups of {visible(grid.name)}"
    slider = tag("input", type="range", min="0", max=str(len(grid.thresholds) - 1), step="1", value=str(grid.start),
                 aria_label=label, style="width:min(24rem,60vw)")  # fmt: skip
    shown = tag("output", f"{grid.thresholds[grid.start]:g}", aria_live="polite")
    bar = Html(f'<p class="tl-fair-bar toolbar" hidden>{tag("label", "Threshold ", slider)}{tag("b", shown)}</p>')
    parts = [bar, _rates(grid), _gaps(grid), _chart(grid), _rounds(grid)]
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    root = tag("div", *parts, class_="tl-fair", data_grid=Html(text))  # an attribute's text is escaped by `tag`
    return join([root, Html(f"<script>{_SCRIPT}</script>")])


def _rounded(values: Sequence[float | None]) -> list[float | None]:
    return [None if v is None else round(v, 5) for v in values]


def _value(value: float | None) -> str:
    return "–" if value is None else f"{value:.{_DIGITS}f}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _rates(grid: ThresholdGrid) -> Html:
    rows: list[list[Safe]] = [
        [visible(group), number(size), *(
            tag("span", _value(each[g][grid.start]), data_cell=f"rates:{r}:{g}")
            for r, each in enumerate(grid.rates.values())
        )]
        for g, (group, size) in enumerate(grid.groups)
    ]  # fmt: skip
    return table(["group", "rows", *map(_words, grid.rates)], rows, numeric=range(1, 2 + len(grid.rates)), class_="")


def _gaps(grid: ThresholdGrid) -> Html:
    rows: list[list[Safe]] = [
        [_words(name), tag("span", _value(values[grid.start]), data_cell=f"gaps:{i}:0")]
        for i, (name, values) in enumerate(grid.gaps.items())
    ]
    return table(["criterion", "greatest difference"], rows, numeric=[1], class_="")


def _chart(grid: ThresholdGrid) -> Html:
    """At most four criteria as lines; the mark follows the slider."""
    names = list(grid.gaps)[:4]
    known = [v for name in names for v in grid.gaps[name] if v is not None]
    if not known:
        return tag("p", "No gap is defined at any threshold.", class_="soft")
    x, y = Axis("threshold", grid.thresholds[0], grid.thresholds[-1]), Axis("difference", 0.0, max(*known, 1e-6))
    width, height = _WIDTH - _LEFT - 10, _HEIGHT - _TOP - _FLOOR
    marks = [*y_axis(y, _LEFT, _TOP, height, _LEFT + width), *x_axis(x, _LEFT, width, _TOP + height, 10)]
    for i, name in enumerate(names):
        path, pen = "", "M"
        for t, value in zip(grid.thresholds, grid.gaps[name], strict=True):
            if value is None:
                pen = "M"
                continue
            at = _LEFT + (x.place(t) or 0.0) * width, _TOP + (1 - (y.place(value) or 0.0)) * height
            path, pen = f"{path}{pen}{at[0]:.1f} {at[1]:.1f}", "L"
        marks.append(tag("path", tag("title", _words(name)), d=path, class_=f"curve c{i}"))
    first, last = x.place(grid.thresholds[0]) or 0.0, x.place(grid.thresholds[-1]) or 1.0
    left, span = _LEFT + first * width, (last - first) * width
    now = f"{left + span * grid.start / (len(grid.thresholds) - 1):.1f}"
    marks.append(tag("line", x1=now, x2=now, y1=str(_TOP), y2=f"{_TOP + height:g}", class_="tl-fair-mark",
                     data_left=f"{left:g}", data_width=f"{span:g}",
                     style="stroke:var(--soft);stroke-dasharray:4 3"))  # fmt: skip
    unit = tag("text", "threshold for all groups", x=f"{_LEFT + width / 2:g}", y=f"{_HEIGHT - 2:g}",
               text_anchor="middle", class_="soft")  # fmt: skip
    label = f"Greatest difference among groups of {visible(grid.name)} against the threshold"
    keys = [tag("span", tag("i", class_=f"c{i}"), _words(n), class_="small") for i, n in enumerate(names)]
    legend = tag("div", *keys, class_="legend")
    return join([in_scroll(drawing(_WIDTH, _HEIGHT, label, *marks, unit, wide=False), label), legend])


def _rounds(grid: ThresholdGrid) -> Html:
    """Differences at round thresholds, for those without a script and for paper."""
    step = max(1, (len(grid.thresholds) - 1) // 10)
    places = range(0, len(grid.thresholds), step)
    rows: list[list[Safe]] = [
        [_words(name), *(_value(values[i]) for i in places)] for name, values in grid.gaps.items()
    ]
    head = ["difference at", *(f"{grid.thresholds[i]:g}" for i in places)]
    return tag("details", tag("summary", "Differences at round thresholds"),
               table(head, rows, numeric=range(1, len(head)), class_=""))  # fmt: skip

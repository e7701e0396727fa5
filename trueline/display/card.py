"""The page of a model card: its frame, its style, and the pieces that a template asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from trueline.display.eval_page import slice_dot_plot
from trueline.display.eval_style import evaluation_document, styled
from trueline.display.eval_tables import shown
from trueline.display.eval_view import SliceView, Value
from trueline.display.html import Html, join, number, percent, tag, visible
from trueline.display.slice_charts import SliceDot, slice_dots

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["CARD_FILTERS", "card_document", "card_view", "prose_html"]

_LINK = re.compile(r"\[([^\[\]]+)\]\((https?://[^\s()<>\"']+)\)")
_BULLET = re.compile(r"^\s*[-*+]\s+")


def card_document(title: str, body: str) -> str:
    """One self-contained document of a body that a template wrote."""
    return evaluation_document(title, _framed(body))


def card_view(body: str) -> Html:
    """The body as a piece of another page, with its style."""
    return styled(_framed(body))


def _framed(body: str) -> Html:
    style = files("trueline.display").joinpath("assets", "card.css").read_text(encoding="utf-8")
    return Html(f"<style>{style}</style><div class='mc'>{body}</div>")


def prose_html(text: str) -> Html:
    """What a person wrote as paragraphs and lists; links of the web stay, all else is text."""
    parts: list[Html] = []
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip()):
        lines = [line for line in block.split("\n") if line.strip()]
        items: list[str] = []
        plain: list[str] = []
        for line in lines:
            if _BULLET.match(line):
                items.append(_BULLET.sub("", line))
            elif items:
                items[-1] += f" {line.strip()}"
            else:
                plain.append(line.strip())
        if plain:
            parts.append(tag("p", _linked(" ".join(plain)), dir="auto"))
        if items:
            parts.append(tag("ul", *(tag("li", _linked(item), dir="auto") for item in items)))
    return join(parts)


def _linked(text: str) -> Html:
    pieces, end = [], 0
    for found in _LINK.finditer(text):
        pieces.append(escape(visible(text[end : found.start()])))
        name, place = escape(visible(found[1])), escape(found[2], quote=True)
        pieces.append(f'<a href="{place}" rel="noopener noreferrer">{name}</a>')
        end = found.end()
    return Html("".join([*pieces, escape(visible(text[end:]))]))


def _dots(facts: Any, metric: str) -> Html:
    """A metric on all rows and on every slice, the worst first."""
    all_rows = [_slice("Overall", facts.rows, facts.overall, metric)]
    slices = [*all_rows, *(_slice(s.name, s.rows, s.metrics, metric) for s in facts.slices)]
    drawn = slice_dot_plot(slices, metric, lower_is_better=facts.directions.get(metric) is False)
    return drawn if drawn is not None else Html("")


def _slice(name: str, rows: int, metrics: Sequence[Any], metric: str) -> SliceView:
    values = {m.name: Value(m.value, m.undefined, m.low, m.high) for m in metrics if m.name == metric}
    return SliceView(name, rows, values=values)


def _importance(facts: Any) -> Html:
    """Features below each other, each with its interval."""
    dots = [SliceDot(x.name, x.value, x.low, x.high, note=x.undefined) for x in facts.importances]
    return slice_dots(dots, label=facts.method, unit=visible(facts.of), reference=0.0, shown=shown)


def _rates(facts: Any, rate: str) -> Html:
    """One rate of all groups."""
    found = [g for g in facts.groups if g.rate == rate]
    dots = [SliceDot(g.group, g.value, g.low, g.high, g.rows, note=g.undefined) for g in found]
    return slice_dots(dots, label=f"{rate} by group", unit=visible(rate), shown=shown)


def _value(m: Any) -> Html:
    """A value with its interval, or why there is none."""
    if m.value is None:
        return join(["undefined", tag("span", visible(m.undefined), class_="why")])
    if m.low is None or m.high is None:
        return tag("span", shown(m.value), class_="whole")
    return join(
        [tag("span", shown(m.value), class_="whole"), tag("span", f"{shown(m.low)} to {shown(m.high)}", class_="range")]
    )


def _bytes(count: int) -> str:
    """A size for people, in powers of 1,000."""
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{number(int(size)) if unit == 'bytes' else f'{size:.3g}'} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def _meter(share: float) -> Html:
    """A share of 1 as a number and a bar."""
    text = percent(share, 1)
    bar = tag("div", tag("i", style=f"width:{100 * min(max(share, 0.0), 1.0):.1f}%"), class_="meter")
    return join([tag("span", text, class_="missing-high" if share >= 0.5 else None), bar])


def _markup(make: Callable[..., Html | str]) -> Callable[..., Markup | str]:
    """A piece as a template takes it: finished HTML stays, texts are escaped there."""

    def made(*given: Any) -> Markup | str:
        from markupsafe import Markup

        found = make(*given)
        return Markup(found.text) if isinstance(found, Html) else found  # noqa: S704

    return made


CARD_FILTERS: Mapping[str, Callable[..., Any]] = {
    "bytes": _markup(_bytes),
    "dots": _markup(_dots),
    "importance": _markup(_importance),
    "meter": _markup(_meter),
    "prose": _markup(lambda text: prose_html(str(text))),
    "rates": _markup(_rates),
    "value": _markup(_value),
}
"""What templates of HTML may use beside jinja's own filters."""

"""HTML as a type of its own: text is escaped on the way in, so that no value of the data becomes markup."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

__all__ = ["Html", "Safe", "join", "number", "page", "percent", "rows_table", "table", "tag", "visible"]


@dataclass(frozen=True, repr=False)
class Html:
    """A piece of finished HTML."""

    text: str

    def __repr__(self) -> str:
        shown = self.text if len(self.text) <= 200 else f"{self.text[:200]}…"
        return f"Html({shown!r})"

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        """What a notebook shows: the piece with its own style, kept apart from the notebook's."""
        style, script = _asset("style.css"), _asset("script.js")
        return f"<style>{style}</style><div class='tl'>{self.text}</div><script>{script}</script>"

    def to_html(self, path: str | None = None, title: str = "trueline") -> str:
        """The piece as one self-contained page, also written to `path` if it is given."""
        html = page(title, self)
        if path is not None:
            from trueline._core import store

            store.write_text(str(path), html)
        return html


Safe = Html | str | float | int | None


def _text(content: Safe) -> str:
    if isinstance(content, Html):
        return content.text
    return "" if content is None else escape(content if isinstance(content, str) else number(content))


def join(parts: Iterable[Safe], separator: str = "") -> Html:
    """Pieces one after the other; text is escaped."""
    return Html(separator.join(_text(p) for p in parts))


def tag(name: str, *content: Safe, **attributes: Safe) -> Html:
    """An element; attribute names take a trailing underscore (``class_``) and ``_`` for ``-``."""
    pairs = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(_text(c) for c in content)
    return Html(f"<{name}{pairs}>{inner}</{name}>")


def number(value: float | int | None, digits: int = 4) -> str:
    """A number for people: ``15,002``, ``0.0123``, ``1.2e-09``; ``–`` when there is none."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if value != value or value in (float("inf"), float("-inf")):
        return {"nan": "NaN", "inf": "∞", "-inf": "-∞"}[str(value)]
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1e6 or abs(value) < 1e-4:
        return f"{value:.{digits - 1}g}"
    return f"{value:,.{digits}g}" if abs(value) < 1e4 else f"{value:,.1f}"


def visible(text: str) -> str:
    """A text of the data with what one cannot see, or what turns the letters around, as escapes."""
    return "".join(_escaped(c) if unicodedata.category(c) in ("Cc", "Cf") and c not in _JOINERS else c for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


_JOINERS = frozenset("\u200c\u200d")
"""Part of words and of emoji."""


def percent(share: float, digits: int = 0) -> str:
    """A share of 1 for people: what is not nothing is never ``0%``, what is not all never ``100%``."""
    if share in (0.0, 1.0):
        return "100%" if share else "0%"
    text, step = f"{100 * share:.{digits}f}", 10.0**-digits
    if float(text) == 0:
        return f"<{step:g}%"
    return f">{100 - step:g}%" if float(text) == 100 and share < 1 else f"{text}%"


def table(
    head: Sequence[Safe], rows: Iterable[Sequence[Safe]], *, numeric: Sequence[int] = (), class_: str = "sortable"
) -> Html:
    """A table; columns listed in `numeric` are right-aligned; a click on a head sorts."""
    return rows_table(head, ((row, {}) for row in rows), numeric=numeric, class_=class_)


def rows_table(
    head: Sequence[Safe],
    rows: Iterable[tuple[Sequence[Safe], Mapping[str, str]]],
    *,
    numeric: Sequence[int] = (),
    class_: str = "sortable",
) -> Html:
    """A table as `table` makes it, of rows that carry attributes (``data-...``) for filters."""
    cells = [tag("th", c, class_="n" if i in numeric else None, scope="col", tabindex="0") for i, c in enumerate(head)]
    body = [
        tag("tr", *(tag("td", c, class_="n" if i in numeric else None) for i, c in enumerate(row)), **attributes)
        for row, attributes in rows
    ]
    return tag(
        "div", tag("table", tag("thead", tag("tr", *cells)), tag("tbody", *body), class_=class_), class_="scroll"
    )


def _asset(name: str) -> str:
    return files("trueline.display").joinpath("assets", name).read_text(encoding="utf-8")


def page(title: str, body: Html) -> str:
    """A whole self-contained HTML document: style and script inside, nothing fetched."""
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{_asset('style.css')}</style></head>"
        f"<body class='tl'>{body}<script>{_asset('script.js')}</script></body></html>\n"
    )

"""The page of an explanation: what it is of, the kind's own pictures, how it was made, and its table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from trueline.display.html import Html, Safe, join, rows_table, tag, visible

if TYPE_CHECKING:
    from trueline.model_analysis.explain.explanation import Explanation

__all__ = ["cell", "details", "page_of", "plain_text", "row_name"]

_LONG = 80


def page_of(explanation: Explanation) -> Html:
    """The whole page's content."""
    model = explanation.model
    of = [str(model.get("name") or "model"), str(model["task"])]
    if model.get("label"):
        of.append(f"label {model['label']}")
    parts: list[Safe] = [
        tag("h1", explanation.TITLE),
        tag("p", visible(" · ".join(of)), class_="soft"),
        explanation.body(),
        details("How it was made", _options(explanation)),
    ]
    return join(parts)


def details(title: str, content: Html, *, open_: bool = False) -> Html:
    """A part that opens at a click."""
    return tag("details", tag("summary", title), content, open="open" if open_ else None)


def _options(explanation: Explanation) -> Html:
    facts = {**explanation.options, "model fingerprint": explanation.model.get("fingerprint")}
    rows: list[tuple[list[Safe], dict[str, str]]] = [
        ([tag("code", name), cell(value)], {}) for name, value in facts.items()
    ]
    return rows_table(["option", "value"], rows, class_="plain")


def plain_text(value: Any) -> str:
    """A raw value as people read it."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def row_name(row: int | None, place: int = 0) -> str:
    """How a row is called: by its number in its source, or by its place where it has none."""
    from trueline._core.rowid import describe_row

    return f"row {place + 1}" if row is None else describe_row(row)


def cell(value: Any) -> Html:
    """A raw value in a table; what is missing is written softly, what is long is cut."""
    text = visible(plain_text(value))
    if value is None:
        return tag("span", text, class_="soft")
    return tag("span", text if len(text) <= _LONG else text[: _LONG - 1] + "…")

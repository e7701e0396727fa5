"""The marks of which pictures of explanations are made: texts, lines, boxes with their words, values in words."""

from __future__ import annotations

from typing import Any

from trueline.display.html import Html, number, tag

__all__ = ["LEFT", "ROW", "WIDTH", "ZERO", "line", "rect", "signed_number", "text", "value_name"]

WIDTH, LEFT, ROW = 640, 176, 24
"""Of a picture, of its column of names, and the height of a row; pixels."""
ZERO = "stroke:var(--soft);stroke-width:1"
"""How the line of zero is drawn."""


def text(content: str, x: float, y: float, **more: Any) -> Html:
    return tag("text", content, x=f"{x:.1f}", y=f"{y:.1f}", **more)


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> Html:
    return tag("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", style=style)


def rect(x: float, y: float, w: float, h: float, told: str, **more: Any) -> Html:
    at = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{max(w, 0.8):.1f}", "height": f"{h:.1f}"}
    return tag("rect", tag("title", told), **at, **more)


def signed_number(value: float) -> str:
    """A change: always with its sign."""
    return ("+" if value > 0 else "") + number(value, 3)


def value_name(value: Any) -> str:
    return "missing" if value is None else value if isinstance(value, str) else _plain_value(value)


def _plain_value(value: Any) -> str:
    return (
        number(value, 3) if isinstance(value, float) else str(value).lower() if value in (True, False) else str(value)
    )

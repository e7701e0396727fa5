"""Scales of the views of a search: linear, logarithmic, or one place a choice; and the frame that they are drawn in."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trueline.display.html import Html, Safe, number, tag, visible

__all__ = ["Axis", "drawing", "in_scroll", "objective_axis", "parameter_axis", "short", "x_axis", "y_axis"]

_EDGE = 0.04
_LONGEST = 14
_HALO = "paint-order:stroke;stroke:var(--bg);stroke-width:3px"


@dataclass(frozen=True)
class Axis:
    """A scale.

    Attributes:
        name: what it measures.
        low, high: its ends, where it is of numbers.
        log: whether it is logarithmic.
        choices: texts of its places, where it is of choices.
        whole: whether only whole numbers are written at it.
    """

    name: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    choices: tuple[str, ...] = field(default=())
    whole: bool = False

    def place(self, value: Any) -> float | None:
        """Where a value lies, from 0 to 1; None where it has no place. What lies beyond an end is put at the end."""
        if self.choices:
            text = choice_text(value)
            return (self.choices.index(text) + 0.5) / len(self.choices) if text in self.choices else None
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            return None
        if self.log and value <= 0:
            return None
        if self.high == self.low:
            return 0.5
        inside = min(max(float(value), self.low), self.high)
        share = self._share(inside)
        return _EDGE + (1 - 2 * _EDGE) * share

    def _share(self, value: float) -> float:
        low, high, at = (math.log(v) if self.log else v / 2 for v in (self.low, self.high, value))
        # Halves, for the ends may lie further apart than the greatest float; or so near that nothing lies between.
        return (at - low) / (high - low) if high > low else 0.5

    def beyond(self, value: Any) -> bool:
        """Whether a number lies outside the ends."""
        return not self.choices and isinstance(value, int | float) and not self.low <= value <= self.high

    def ticks(self, most: int = 5, letters: int = _LONGEST) -> list[tuple[float, str]]:
        """(place, text) of what is written at the axis; of a choice at most so many letters."""
        if self.choices:
            step = -(-len(self.choices) // 12)
            chosen = range(0, len(self.choices), step)
            return [((i + 0.5) / len(self.choices), short(self.choices[i], letters)) for i in chosen]
        values = [self.low] if self.low == self.high else _round_values(self.low, self.high, self.log, most)
        if self.whole:
            values = [v for v in values if v == int(v)]
        return [(place, number(value, 3)) for value in values if (place := self.place(value)) is not None]


def _round_values(low: float, high: float, log: bool, most: int) -> list[float]:
    """Round numbers between two ends."""
    if log:
        tens = [10.0**e for e in range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)]
        step = -(-len(tens) // most) if tens else 1
        return tens[::step] if len(tens) > 1 else [low, high]
    rough = (high / most) - (low / most)
    if not math.isfinite(rough) or rough <= 0:
        return [low, high]
    size = 10.0 ** math.floor(math.log10(rough))
    step_size = next(m * size for m in (1, 2, 2.5, 5, 10) if m * size >= rough * 0.999)
    if not step_size or abs(low) / step_size > 1e12:
        return [low, high]
    first = math.ceil(low / step_size - 1e-9)
    last = math.floor(high / step_size + 1e-9)
    values = [float(f"{i * step_size:.12g}") for i in range(first, last + 1)]
    return values if len(values) > 1 else [low, high]


def short(text: str, longest: int = _LONGEST) -> str:
    """A text that fits beside an axis."""
    shown = visible(text)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def choice_text(value: Any) -> str:
    """A choice as it is shown."""
    return value if isinstance(value, str) else json.dumps(value)


def parameter_axis(name: str, ranges: Sequence[Mapping[str, Any]]) -> Axis:
    """The scale of a parameter, over all the ranges that it was drawn from."""
    if any(r["kind"] == "categorical" for r in ranges):
        texts = dict.fromkeys(choice_text(choice) for r in ranges for choice in r.get("choices", ()))
        return Axis(name, choices=tuple(texts) or ("",))
    low, high = min(r["low"] for r in ranges), max(r["high"] for r in ranges)
    whole = all(r["kind"] == "int" for r in ranges)
    return Axis(name, float(low), float(high), all(r.get("log", False) for r in ranges), whole=whole)


def objective_axis(name: str, values: Sequence[float], direction: str) -> Axis:
    """The scale of the objective: where a few values are far worse than all others, it ends before them."""
    finite = sorted((v for v in values if math.isfinite(v)), reverse=direction == "maximize")
    if not finite:
        return Axis(name)
    best, worst, most = finite[0], finite[-1], finite[int(0.8 * (len(finite) - 1))]
    if len(finite) >= 5 and best != most and abs(worst / 2 - best / 2) > 10 * abs(most / 2 - best / 2):
        worst = most + (most - best)
    return Axis(name, min(best, worst), max(best, worst))


def drawing(width: float, height: float, label: str, *content: Safe, wide: bool = True) -> Html:
    """A drawing with a name for those who do not see it; a wide one is not made smaller on a narrow screen."""
    return tag(
        "svg",
        tag("title", label),
        *content,
        viewBox=f"0 0 {width:g} {height:g}",
        width=f"{width:g}",
        height=f"{height:g}",
        role="img",
        aria_label=label,
        style="max-width:none" if wide else None,
    )


def in_scroll(content: Html, label: str) -> Html:
    """A frame that a narrow screen scrolls sideways, also by keys."""
    return tag("div", content, class_="scroll", tabindex="0", role="region", aria_label=label)


def y_axis(axis: Axis, x: float, top: float, height: float, right: float | None = None) -> list[Html]:
    """An axis that stands, its ticks to the left, and lines over to `right`."""
    marks = [_line(x, top, x, top + height)]
    for place, text in axis.ticks():
        y = top + (1 - place) * height
        if right is not None:
            marks.append(_line(x, y, right, y))
        marks.append(tag("text", text, x=f"{x - 6:g}", y=f"{y + 4:.1f}", text_anchor="end", class_="soft", style=_HALO))
    return marks


def x_axis(axis: Axis, left: float, width: float, y: float, most: int = 5) -> list[Html]:
    """An axis that lies, its ticks below."""
    marks = [_line(left, y, left + width, y)]
    letters = max(3, int(width / max(min(len(axis.choices), 12), 1) / 6.5))
    for place, text in axis.ticks(most, min(letters, _LONGEST)):
        x = left + place * width
        marks.append(_line(x, y, x, y + 4))
        marks.append(tag("text", text, x=f"{x:.1f}", y=f"{y + 16:g}", text_anchor="middle", class_="soft"))
    return marks


def _line(x1: float, y1: float, x2: float, y2: float) -> Html:
    return tag("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_="axis")

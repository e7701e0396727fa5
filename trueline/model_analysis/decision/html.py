"""A chosen decision for people: what it is, what it saves, the cost at every threshold, the calibrations tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline.display.html import Html, Safe, join, number, percent, table, tag, visible
from trueline.display.svg import frame

if TYPE_CHECKING:
    from trueline.model_analysis.decision.chosen import ChosenDecision, Expected

__all__ = ["decision_view"]

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 560, 210, 64, 34, 10


def decision_view(decision: ChosenDecision) -> Html:
    """The decision as one piece of HTML without outside resources."""
    parts = [_cards(decision), _sentence(decision), *(tag("p", note) for note in decision.notes)]
    if len(decision.curve) > 1:
        parts += [tag("h2", "Expected cost by threshold"), _curve(decision)]
    if decision.rates:
        rows: list[list[Safe]] = [[name.replace("_", " "), number(value)] for name, value in decision.rates.items()]
        parts += [tag("h2", "At the threshold"), table(["rate", "value"], rows, numeric=[1])]
    if decision.trials:
        parts += [tag("h2", "Calibrations on rows they were not fitted on"), _trials(decision)]
    return join(parts)


def _cards(d: ChosenDecision) -> Html:
    rule = "least expected cost" if d.threshold is None else f"{d.threshold:.4g}"
    facts = [
        (rule, "rule" if d.threshold is None else "threshold"),
        ("none" if d.calibration is None else d.calibration.method, "calibration"),
        (_with_noise(d.expected), "expected cost a row"),
        (_with_noise(d.before), "before"),
        (_with_noise(d.saving), "saved a row"),
        (number(d.rows), f"rows of {visible(d.split)}"),
    ]
    return tag("div", *(tag("div", tag("b", v), tag("span", n), class_="card") for v, n in facts), class_="cards")


def _with_noise(value: Expected) -> str:
    spread = "" if value.standard_error is None else f" ± {number(value.standard_error, 2)}"
    return f"{number(value.value)}{spread}"


def _sentence(d: ChosenDecision) -> Html:
    kept = f" It keeps: {'; '.join(map(str, d.constraints))}." if d.constraints else ""
    left = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in d.left_out.items())
    region = ""
    if d.threshold_low is not None and d.threshold_high is not None:
        region = (
            f" From {d.threshold_low:.4g} to {d.threshold_high:.4g} lie the thresholds of which noise cannot tell that "
            f"they cost more ({percent(d.confidence)})."
        )
    return tag(
        "p", f"Costs: {visible(str(d.cost))}.{kept}{region}", tag("span", f" Left out: {left}.") if left else "",
    )  # fmt: skip


def _curve(d: ChosenDecision) -> Html:
    costs = [c for _, c in d.curve]
    low, high = min(costs), max(costs)
    span = (high - low) or 1.0

    def x(threshold: float) -> float:
        return _LEFT + threshold * (_WIDTH - _LEFT - 12)

    def y(cost: float) -> float:
        return _TOP + (1 - (cost - low) / span) * (_HEIGHT - _TOP - _BOTTOM)

    marks: list[Html] = []
    if d.threshold_low is not None and d.threshold_high is not None:
        width = max(x(d.threshold_high) - x(d.threshold_low), 1.5)
        marks.append(
            tag("rect", x=_n(x(d.threshold_low)), y=_n(_TOP), width=_n(width), height=_n(_HEIGHT - _TOP - _BOTTOM),
                class_="bar2", opacity="0.25")
        )  # fmt: skip
    line = " ".join(f"{x(t):.1f},{y(c):.1f}" for t, c in d.curve)
    marks.append(tag("polyline", points=line, fill="none", stroke="currentColor", stroke_width="1.5"))
    if d.threshold is not None:
        at = _n(x(d.threshold))
        marks.append(tag("line", x1=at, x2=at, y1=_n(_TOP), y2=_n(_HEIGHT - _BOTTOM), class_="axis"))
        marks.append(tag("circle", cx=at, cy=_n(y(d.expected.value)), r="4", class_="bar"))
    base = _HEIGHT - _BOTTOM
    marks.append(tag("line", x1=_n(_LEFT), x2=_n(_WIDTH - 12), y1=_n(base), y2=_n(base), class_="axis"))
    marks += [
        tag("text", number(t), x=_n(x(t)), y=_n(base + 14), text_anchor="middle") for t in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    marks += [tag("text", number(c, 3), x=_n(_LEFT - 6), y=_n(y(c) + 4), text_anchor="end") for c in (low, high)]
    marks.append(
        tag("text", "threshold", x=_n((_LEFT + _WIDTH) / 2), y=_n(_HEIGHT - 4), text_anchor="middle", class_="soft")
    )
    chosen = "" if d.threshold is None else f"; chosen {d.threshold:.4g}"
    return frame(_WIDTH, _HEIGHT, f"Expected cost a row by threshold{chosen}", *marks)


def _n(value: float) -> str:
    return f"{value:.1f}"


def _trials(d: ChosenDecision) -> Html:
    rows: list[list[Safe]] = []
    for t in d.trials:
        gain = "–" if t.improvement is None else number(t.improvement, 3)
        if t.improvement is not None and t.standard_error is not None:
            gain += f" ± {number(t.standard_error, 2)}"
        mark: Safe = tag("span", "chosen", class_="badge good") if t.chosen else ""
        why: Safe = tag("span", visible(t.undefined), class_="soft") if t.undefined else mark
        rows.append([t.method, number(t.log_loss), number(t.ece), gain, why])
    return table(["calibration", "log loss", "ECE", "gain in log loss", ""], rows, numeric=[1, 2, 3])

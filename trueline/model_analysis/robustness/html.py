"""Losses for people: the verdict, the worst of each slice, and all perturbations by slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline.display.html import Html, Safe, join, number, percent, table, tag, visible

if TYPE_CHECKING:
    from trueline.model_analysis.robustness.result import RobustnessResult, SliceLoss

__all__ = ["robustness_view"]

_MAX_SLICES = 12
_MAX_ROWS = 200


def robustness_view(result: RobustnessResult) -> Html:
    """The result as one piece of HTML without outside resources."""
    state, kind = ("gate passed", "good") if not result.failures else ("gate closed", "bad")
    badge = (
        tag("span", state, class_=f"badge {kind}") if result.gated else tag("span", "not gated", class_="badge soft")
    )
    better = "higher" if result.direction == "HIGHER_IS_BETTER" else "lower"
    said = f" {visible(result.metric)}, {better} is better, on {result.rows:,} labelled rows; a loss is how much worse."
    parts = [tag("p", badge, said), *(tag("p", visible(note), class_="soft") for note in result.notes)]
    if result.failures:
        parts.append(tag("ul", *(tag("li", visible(f.sentence)) for f in result.failures[:_MAX_ROWS])))
    parts += [tag("h2", "Worst loss of each slice"), _worst(result), tag("h2", "Loss by perturbation"), _all(result)]
    return join(parts)


def _worst(result: RobustnessResult) -> Html:
    rows = [
        [visible(w.slice), number(w.rows), visible(w.perturbation), number(w.clean), number(w.perturbed), _cell(w)]
        for w in result.worst[:_MAX_ROWS]
    ]
    head = ["slice", "rows", "worst under", "clean", "disturbed", "loss"]
    return table(head, rows, numeric=[1, 3, 4, 5])


def _all(result: RobustnessResult) -> Html:
    slices = list(dict.fromkeys(loss.slice for loss in result.losses))[:_MAX_SLICES]
    names = list(dict.fromkeys(loss.perturbation for loss in result.losses))
    found = {(loss.perturbation, loss.slice): loss for loss in result.losses}
    rows: list[list[Safe]] = [
        [visible(name), *(_cell(found[name, s], brief=True) if (name, s) in found else "" for s in slices)]
        for name in names
    ]
    shown = table(["perturbation", *map(visible, slices)], rows, numeric=range(1, len(slices) + 1))
    hidden = len({loss.slice for loss in result.losses}) - len(slices)
    more = tag("p", f"{hidden} more slices in ", tag("code", "to_table()"), ".") if hidden else Html("")
    return join([shown, more])


def _cell(loss: SliceLoss, brief: bool = False) -> Safe:
    """The loss; its interval beside it or, in brief, in the title."""
    if loss.loss is None:
        return tag("span", "undefined", title=visible(loss.undefined or ""), class_="soft")
    interval = "" if loss.low is None or loss.high is None else f" ({number(loss.low, 3)} to {number(loss.high, 3)})"
    share = "" if loss.relative is None else f"{percent(abs(loss.relative), 1)} of the clean value"
    text = number(loss.loss, 3)
    return tag("span", text if brief else text + interval, title=share + interval if brief else share)

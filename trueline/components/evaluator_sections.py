"""What an Evaluator was asked beyond its metrics, read back from the evaluation's folder as parts of a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from trueline._core import store

if TYPE_CHECKING:
    from trueline.display.eval_view import PlotGroup
    from trueline.display.html import Html

__all__ = ["saved_sections"]


def _robustness(text: str) -> Html:
    from trueline.model_analysis import RobustnessResult

    found: Html = RobustnessResult.from_dict(json.loads(text)).view()
    return found


def _fairness(text: str) -> Html:
    from trueline.model_analysis import FairnessResult

    found: Html = FairnessResult.from_dict(json.loads(text)).view()
    return found


def _slices(text: str) -> Html:
    from trueline.model_analysis import FoundSlices
    from trueline.model_analysis.slice_finder.page import found_view

    return found_view(FoundSlices.from_json(text))


_SECTIONS: Mapping[str, tuple[str, Callable[[str], Html]]] = {
    "robustness.json": ("Robustness", _robustness),
    "fairness.json": ("Fairness", _fairness),
    "found_slices.json": ("Worst slices found", _slices),
}
"""File -> heading, and what is shown of it."""


def saved_sections(uri: str) -> list[PlotGroup]:
    """The parts that are there, in the page's order.

    Args:
        uri: the evaluation's folder.

    Raises:
        ConfigError: a file of another format.
    """
    from trueline.display.eval_view import PlotGroup

    found = [(title, store.join(uri, name), view) for name, (title, view) in _SECTIONS.items()]
    return [PlotGroup(title, view(store.read_text(path))) for title, path, view in found if store.exists(path)]

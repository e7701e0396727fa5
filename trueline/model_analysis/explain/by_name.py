"""Methods of `Model.explain` whose data are named as there: the rows first, and ``background=`` for all other rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trueline.model_analysis.explain.counterfactual_result import Counterfactuals
    from trueline.model_analysis.explain.neighbours import Neighbours

__all__ = ["counterfactual", "neighbours"]


def counterfactual(model: Any, row: Any, *, background: Any = None, **options: Any) -> Counterfactuals:
    """`counterfactuals` with the data that say which values there are as `background`."""
    from trueline.model_analysis.explain.counterfactual import counterfactuals

    return counterfactuals(model, row, background, **options)


def neighbours(model: Any, rows: Any, *, background: Any, **options: Any) -> Neighbours:
    """`nearest_examples` among the rows of `background`."""
    from trueline.model_analysis.explain.neighbours import nearest_examples

    return nearest_examples(model, rows, background, **options)

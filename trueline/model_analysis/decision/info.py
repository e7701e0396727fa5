"""What a model's ``model.json`` says of its decision, for those that measure it; nothing is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["decision_threshold", "split_warning"]


def decision_threshold(model_info: Mapping[str, Any]) -> float | None:
    """The threshold that a model decides at, from its ``model.json``; None where it has none of its own."""
    found = (model_info.get("decision") or {}).get("threshold")
    return None if found is None else float(found)


def split_warning(model_info: Mapping[str, Any], splits: Sequence[str]) -> str | None:
    """A sentence where the rows that judge a model are those that its decision was chosen on; else None."""
    evidence = (model_info.get("decision") or {}).get("evidence") or {}
    split = evidence.get("split")
    if split not in splits:
        return None
    return (
        f"The model's decision was chosen on the split {split!r} that it is judged on: its cost there is a little too "
        "good. Choose it on a split of its own."
    )

"""Probable leakage: features that read, in the same row, a raw column that the label is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trueline.transform import TransformOutput

__all__ = ["leakage_report"]


def leakage_report(transform: TransformOutput, features: Sequence[str], label: str | None) -> list[dict[str, Any]]:
    """One entry for each feature and raw column that it shares with the label, with the way from the column to both."""
    if label is None:
        return []
    behind = transform.depends(label)
    return [
        {
            "feature": feature,
            "raw": raw,
            "path": transform.path(feature, raw),
            "label_path": transform.path(label, raw),
        }
        for feature in features
        for raw in sorted(transform.depends(feature) & behind)
    ]

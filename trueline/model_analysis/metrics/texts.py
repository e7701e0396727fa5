"""Rows of texts: a predicted text and one or more references a row, as Python strings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trueline._core.errors import DataError
from trueline.model_analysis.rows import Rows

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["text_pairs"]


def text_pairs(rows: Rows) -> list[tuple[str, list[str]] | None]:
    """Prediction and references of each row; None where the row has no weight, or one of them is missing.

    Raises:
        DataError: a column that holds no texts.
    """
    if "text_pairs" not in rows.memo:
        labels, predictions = (_texts(rows, side) for side in ("label", "prediction"))
        rows.memo["text_pairs"] = [
            (predicted[0], references) if weight > 0 and predicted and references else None
            for predicted, references, weight in zip(predictions, labels, rows.weight.tolist(), strict=True)
        ]
    found: list[tuple[str, list[str]] | None] = rows.memo["text_pairs"]
    return found


def _texts(rows: Rows, side: str) -> list[list[str]]:
    """The texts of each row: one, or those of a list; none for null."""
    import pyarrow as pa

    if side not in rows.objects:
        raise DataError(f"a metric of texts needs a {side} column", hint="the task of texts is 'objects'.")
    column = rows.objects[side]
    kind = column.type
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not _is_text(kind.value_type if listed else kind) or (listed and side == "prediction"):
        wanted = "texts" if side == "prediction" else "texts or lists of texts"
        raise DataError(f"the {side} column of type {kind} does not hold {wanted}")
    values: list[Any] = column.to_pylist()
    return [_strings(v if listed else [v]) if v is not None else [] for v in values]


def _strings(values: list[Any]) -> list[str]:
    return [v for v in values if v is not None]


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))

"""The gate that every export passes: on real rows, the merged graph equals the framework's own prediction.

The framework predicts on its numpy inputs, made by the transform in bulk; the merged graph predicts from the raw
rows. Every score must agree within ``absolute + relative * |framework's score|``. A row near a tie may still change
class: at most one row in ten thousand may, one at least, and each is listed. Features that may be missing are tried
missing as well, whether the sample has such rows or not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError, ParityError
from trueline._core.rowid import ROW_COLUMN, describe_row
from trueline._core.runtime import OnnxGraph
from trueline.models.contract import Head, Tolerance
from trueline.models.exporters.base import Exported, Exporter
from trueline.models.inputs import ModelInput, input_arrays
from trueline.models.merge import LABEL

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.transform import TransformOutput

__all__ = ["Checked", "ParityReport", "Tolerance", "check_parity", "compare", "score_difference"]

_CHUNK = 8192
_LISTED = 10
_SMALL_BATCHES = (1, 7)


@dataclass(frozen=True)
class ParityReport:
    """What the gate found; it lies in ``model.json``.

    Attributes:
        rows: how many rows were compared.
        max_difference: largest absolute difference of a score.
        worst: the row of that difference, with both values.
        class_changes: every row whose class changed, with both classes.
        tolerance: what was allowed.
        missing_tried: features that were also tried missing in the first rows.
        missing_refused: features that may be missing and that the framework refuses to be.
    """

    rows: int
    max_difference: float
    worst: dict[str, Any]
    class_changes: list[dict[str, Any]]
    tolerance: Tolerance = field(default_factory=Tolerance)
    missing_tried: tuple[str, ...] = ()
    missing_refused: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "rows": self.rows,
            "max_difference": self.max_difference,
            "worst": self.worst,
            "class_changes": self.class_changes,
            "tolerance": vars(self.tolerance),
            "missing_tried": list(self.missing_tried),
            "missing_refused": list(self.missing_refused),
        }


@dataclass(frozen=True)
class Checked:
    """What the gate compares: a trained model, its export, and real rows.

    Attributes:
        exporter: gives the framework's own prediction.
        exported: the model alone as ONNX.
        inputs: its inputs.
        transform: makes them from raw rows.
        sample: raw rows.
    """

    exporter: Exporter
    exported: Exported
    inputs: Sequence[ModelInput]
    transform: TransformOutput
    sample: pa.Table

    @property
    def names(self) -> list[str]:
        """The transform's outputs that the model reads, each once."""
        return list(dict.fromkeys(f.name for i in self.inputs for f in i.features))


def check_parity(
    exporter: Exporter,
    merged: OnnxGraph,
    head: Head,
    inputs: Sequence[ModelInput],
    transform: TransformOutput,
    sample: pa.Table,
    tolerance: Tolerance | None = None,
) -> ParityReport:
    """Compares both models on raw rows.

    Args:
        exporter: gives the framework's own prediction.
        merged: the merged graph.
        head: what the output means.
        inputs: the model's inputs.
        transform: makes the framework's inputs from the raw rows.
        sample: raw rows, with ``__row__`` where they have it.
        tolerance: `Tolerance()` by default.

    Raises:
        ModelError: the sample is empty.
        ParityError: naming the worst rows with both values.
    """
    if sample.num_rows == 0:
        raise ModelError("the sample for the parity check has no rows", hint="give some real raw rows.")
    names = list(dict.fromkeys(f.name for i in inputs for f in i.features))
    native, exported, labels = [], [], []
    for table in _chunks(sample):
        arrays = input_arrays(transform.transform(table, names), inputs)
        native.append(exporter.predict(arrays))
        found = merged.predict_arrow(table)
        exported.append(found[head.output])
        if head.is_classifier:
            labels.append(found[LABEL])
    own, theirs = np.concatenate(native), np.concatenate(exported)
    report = compare(own, theirs, np.concatenate(labels) if labels else None, head, _row_ids(sample), tolerance)
    _check_small_batches(merged, head, sample, theirs, tolerance or Tolerance())
    return report


def _chunks(sample: pa.Table) -> list[pa.Table]:
    return [sample.slice(start, _CHUNK) for start in range(0, sample.num_rows, _CHUNK)]


def _row_ids(sample: pa.Table) -> npt.NDArray[np.int64] | None:
    if ROW_COLUMN not in sample.schema.names:
        return None
    return np.asarray(sample.column(ROW_COLUMN).to_numpy(), np.int64)


def compare(
    native: npt.NDArray[np.float64],
    exported: npt.NDArray[Any],
    labels: npt.NDArray[Any] | None,
    head: Head,
    row_ids: npt.NDArray[np.int64] | None = None,
    tolerance: Tolerance | None = None,
) -> ParityReport:
    """The gate on scores that are there already: ``[N, C]`` or ``[N]``, and the exported labels ``[N]``.

    Raises:
        ParityError: shapes differ, a score is beyond the tolerance, or too many rows change class.
    """
    limits = tolerance or Tolerance()
    if native.shape != exported.shape:
        raise ParityError(
            f"the framework gives scores of shape {list(native.shape)}, the exported model {list(exported.shape)}"
        )
    own, theirs = native.reshape(len(native), -1), exported.astype(np.float64).reshape(len(native), -1)
    difference = score_difference(own, theirs)
    beyond = difference > limits.absolute + limits.relative * np.abs(np.nan_to_num(own))
    if beyond.any():
        _fail(own, theirs, difference, beyond, head, row_ids, limits)
    changes = _class_changes(own, labels, head, row_ids)
    allowed = max(1, math.floor(limits.class_changes * len(own)))
    if len(changes) > allowed:
        raise ParityError(
            f"{len(changes)} of {len(own)} rows change class between the framework and the exported model, "
            f"{allowed} may",
            problems=[f"{c['row']}: {c['framework']!r} became {c['exported']!r}" for c in changes[:_LISTED]],
            hint="the scores agree, so these rows are ties; a model with fewer exact ties passes.",
        )
    row, column = (int(v) for v in np.unravel_index(int(np.argmax(difference)), difference.shape))
    return ParityReport(
        len(own), float(difference[row, column]), _where(own, theirs, row, column, head, row_ids), changes, limits
    )


def score_difference(own: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Absolute difference; equal infinities and NaN on both sides are no difference, NaN on one side is infinite."""
    with np.errstate(invalid="ignore"):
        difference = np.abs(own - theirs)
    same = (own == theirs) | (np.isnan(own) & np.isnan(theirs))
    return np.where(same, 0.0, np.where(np.isnan(difference), np.inf, difference))


def _row_name(row: int, row_ids: npt.NDArray[np.int64] | None) -> str:
    return f"row {row} of the sample" if row_ids is None else f"{describe_row(int(row_ids[row]))} (id {row_ids[row]})"


def _where(
    own: npt.NDArray[np.float64],
    theirs: npt.NDArray[np.float64],
    row: int,
    column: int,
    head: Head,
    row_ids: npt.NDArray[np.int64] | None,
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "row": _row_name(row, row_ids),
        "row_id": None if row_ids is None else int(row_ids[row]),
        "framework": _finite(own[row, column]),
        "exported": _finite(theirs[row, column]),
    }
    return found | ({"class": head.classes[column]} if head.is_classifier else {})


def _finite(value: np.float64) -> float | str:
    return float(value) if math.isfinite(value) else repr(float(value))


def _fail(
    own: npt.NDArray[np.float64],
    theirs: npt.NDArray[np.float64],
    difference: npt.NDArray[np.float64],
    beyond: npt.NDArray[np.bool_],
    head: Head,
    row_ids: npt.NDArray[np.int64] | None,
    limits: Tolerance,
) -> None:
    excess = np.where(beyond, difference, -1.0)
    rows = np.argsort(-excess.max(axis=1), kind="stable")[: min(_LISTED, int(beyond.any(axis=1).sum()))]
    problems = []
    for row in rows:
        at = _where(own, theirs, int(row), int(np.argmax(excess[row])), head, row_ids)
        of = f" for class {at['class']!r}" if head.is_classifier else ""
        problems.append(f"{at['row']}: the framework says {at['framework']}{of}, the exported model {at['exported']}")
    raise ParityError(
        f"the exported model differs from the framework's own on {int(beyond.any(axis=1).sum())} of {len(own)} rows "
        f"by more than {limits.absolute:g} + {limits.relative:g} * |score|; nothing was written",
        problems=problems,
        hint="where these rows have missing values, fill_missing the features; else scale them or use another "
        "estimator: its export to ONNX is not exact on these rows.",
    )


def _class_changes(
    own: npt.NDArray[np.float64],
    labels: npt.NDArray[Any] | None,
    head: Head,
    row_ids: npt.NDArray[np.int64] | None,
) -> list[dict[str, Any]]:
    if labels is None:
        return []
    expected = np.argmax(own, axis=1)
    changes = []
    for row, (index, found) in enumerate(zip(expected.tolist(), labels.tolist(), strict=True)):
        if head.classes[index] != found:
            changes.append(
                {
                    "row": _row_name(row, row_ids),
                    "row_id": None if row_ids is None else int(row_ids[row]),
                    "framework": head.classes[index],
                    "exported": found,
                }
            )
    return changes


def _check_small_batches(
    merged: OnnxGraph, head: Head, sample: pa.Table, scores: npt.NDArray[Any], limits: Tolerance
) -> None:
    """The first rows alone and by sevens give what they gave in bulk: no batch size is baked into the graph."""
    for size in _SMALL_BATCHES:
        rows = min(size, sample.num_rows)
        found = merged.predict_arrow(sample.slice(0, rows))[head.output]
        if not np.allclose(found, scores[:rows], limits.relative, limits.absolute, equal_nan=True):
            raise ParityError(
                f"the exported model answers differently in a batch of {rows} than in bulk",
                problems=[f"alone: {found.ravel()[:4].tolist()}, in bulk: {scores[:rows].ravel()[:4].tolist()}"],
                hint="the model mixes rows of a batch, such as batch statistics in evaluation mode.",
            )

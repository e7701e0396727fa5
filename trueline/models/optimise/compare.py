"""A variant beside its original on real rows: how far scores and classes moved, and that the features did not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError, ParityError
from trueline._core.rowid import ROW_COLUMN, describe_row
from trueline._core.runtime import OnnxGraph
from trueline.models.optimise.part import part_names

if TYPE_CHECKING:
    import onnx
    import pyarrow as pa

__all__ = ["Difference", "features_of", "scores_apart"]

_CHUNK = 8192
_LISTED = 10


@dataclass(frozen=True)
class Difference:
    """What changed between two models on the same rows.

    Attributes:
        rows: rows compared.
        max_difference: largest absolute difference of a score; infinite where one is NaN and the other is not.
        mean_difference: mean absolute difference over all scores.
        worst: the row of the largest difference, with both scores.
        class_changes: rows whose label changed.
        changed_rows: the first of them, with both labels.
    """

    rows: int
    max_difference: float
    mean_difference: float
    worst: Mapping[str, Any]
    class_changes: int
    changed_rows: tuple[Mapping[str, Any], ...]

    def check(self, max_difference: float | None, max_class_changes: float | None) -> None:
        """Holds the difference to limits.

        Args:
            max_difference: largest absolute difference of a score that is allowed; None: any finite one.
            max_class_changes: share of rows that may change class; None: any.

        Raises:
            ParityError: naming the limit and the worst rows.
        """
        allowed = math.inf if max_difference is None else max_difference
        if not self.max_difference <= allowed or math.isinf(self.max_difference):
            raise ParityError(
                f"the variant's scores differ from the original's by up to {self.max_difference:g}, {allowed:g} is "
                "allowed; nothing was written",
                problems=[f"{self.worst['row']}: {self.worst['original']} became {self.worst['variant']}"],
            )
        if max_class_changes is not None and self.class_changes > max_class_changes * self.rows:
            raise ParityError(
                f"{self.class_changes} of {self.rows} rows change class, {max_class_changes:g} of them may; "
                "nothing was written",
                problems=[f"{c['row']}: {c['original']!r} became {c['variant']!r}" for c in self.changed_rows],
            )

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "rows": self.rows,
            "max_difference": self.max_difference,
            "mean_difference": self.mean_difference,
            "worst": dict(self.worst),
            "class_changes": self.class_changes,
            "changed_rows": [dict(c) for c in self.changed_rows],
        }


def scores_apart(original: OnnxGraph, variant: OnnxGraph, sample: pa.Table) -> Difference:
    """Runs both graphs on raw rows and compares their outputs.

    Raises:
        ModelError: the sample has no rows.
    """
    if sample.num_rows == 0:
        raise ModelError("the sample for comparing the variant has no rows", hint="give some real raw rows.")
    name = original.output_names[0]
    olds, news = _outputs(original, sample), _outputs(variant, sample)
    old = olds[name].astype(np.float64).reshape(sample.num_rows, -1)
    new = news[name].astype(np.float64).reshape(sample.num_rows, -1)
    with np.errstate(invalid="ignore"):
        apart = np.abs(old - new)
    apart = np.where((old == new) | (np.isnan(old) & np.isnan(new)), 0.0, np.where(np.isnan(apart), np.inf, apart))
    row, column = (int(i) for i in np.unravel_index(int(np.argmax(apart)), apart.shape))
    changed: list[Mapping[str, Any]] = []
    if len(original.output_names) > 1:
        a, b = (found[original.output_names[1]].tolist() for found in (olds, news))
        changed = [
            {"row": _row_name(sample, i), "original": x, "variant": y}
            for i, (x, y) in enumerate(zip(a, b, strict=True))
            if x != y
        ]
    worst = {"row": _row_name(sample, row), "original": _plain(old[row, column]), "variant": _plain(new[row, column])}
    mean = float(apart.mean())
    return Difference(sample.num_rows, float(apart[row, column]), mean, worst, len(changed), tuple(changed[:_LISTED]))


def _outputs(graph: OnnxGraph, sample: pa.Table) -> dict[str, npt.NDArray[Any]]:
    parts = [graph.predict_arrow(sample.slice(at, _CHUNK)) for at in range(0, sample.num_rows, _CHUNK)]
    return {name: np.concatenate([p[name] for p in parts]) for name in graph.output_names}


def _plain(value: np.float64) -> float | str:
    return float(value) if math.isfinite(value) else repr(float(value))


def _row_name(sample: pa.Table, row: int) -> str:
    if ROW_COLUMN not in sample.schema.names:
        return f"row {row} of the sample"
    number = sample.column(ROW_COLUMN)[row].as_py()
    return f"{describe_row(number)} (id {number})"


def features_of(
    model: onnx.ModelProto, info: Mapping[str, Any], graph: OnnxGraph, sample: pa.Table
) -> list[dict[str, npt.NDArray[Any]]]:
    """The model's inputs as a merged graph makes them from raw rows, in chunks: ``model/x`` ``[N, width]``.

    Args:
        model: the merged graph.
        info: its ``model.json``.
        graph: the same graph with its feeds and host steps.
        sample: raw rows.
    """
    import onnx
    from onnx import TensorProto, helper

    inputs, _ = part_names(info)
    types = {"int64": TensorProto.INT64, "float32": TensorProto.FLOAT}
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    for spec, name in zip(info["inputs"], inputs, strict=True):
        copy.graph.output.append(helper.make_tensor_value_info(name, types[spec["dtype"]], ["N", None]))
    opened = OnnxGraph(copy.SerializeToString(), graph.feeds, graph.steps, graph.raw.features)
    return [opened.predict_arrow(sample.slice(at, _CHUNK)) for at in range(0, sample.num_rows, _CHUNK)]

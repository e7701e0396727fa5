"""Totals and means of feature attributions that stand in the data, a column ``attribution:<feature>`` for each feature.

TFMA's definitions. A value is a number, or a list with a number for each class, of which `class_id`, `k` (the k-th
greatest) or `top_k` takes some. The result is ``{feature: number or list}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import DataError
from trueline.model_analysis.metrics.features import column_of, row_numbers
from trueline.model_analysis.metrics.record import TASKS, Metric, Options, Undefined
from trueline.model_analysis.rows import Floats, Rows

__all__ = ["ATTRIBUTION_METRICS", "PREFIX"]

PREFIX = "attribution:"


class Attributions:
    """Weighted sums of one model's attributions on one slice."""

    def __init__(self, options: Options, absolute: bool, mean: bool) -> None:
        self._options, self._absolute, self._mean = options, absolute, mean
        self._prefix = str(options["columns"]).removesuffix("*")
        self._sums: dict[str, Floats] = {}
        self._weight = 0.0
        self._missing = 0

    def update(self, rows: Rows) -> None:
        """Takes in rows that have a weight."""
        assert rows.batch is not None
        counted = rows.weight > 0
        self._weight += float(rows.weight.sum())
        for column in (n for n in rows.batch.schema.names if n.startswith(self._prefix)):
            values = self._taken(_matrix(rows, column))[counted]
            self._missing += int(np.isnan(values).any(axis=1).sum())
            values = np.nan_to_num(np.abs(values) if self._absolute else values)
            self._add(column.removeprefix(self._prefix), (values * rows.weight[counted, None]).sum(axis=0))

    def _taken(self, values: Floats) -> Floats:
        class_id, k, top_k = (self._options[name] for name in ("class_id", "k", "top_k"))
        wanted = class_id if class_id is not None else max(k or 1, top_k or 1) - 1
        if not 0 <= wanted < values.shape[1]:
            raise DataError(f"attributions of {values.shape[1]} classes have no place {wanted}")
        if class_id is not None:
            return values[:, [class_id]]
        if k is None and top_k is None:
            return values
        ordered: Floats = -np.sort(-values, axis=1)
        return ordered[:, [k - 1]] if k is not None else ordered[:, :top_k]

    def _add(self, feature: str, sums: Floats) -> None:
        mine = self._sums.get(feature)
        if mine is not None and len(mine) != len(sums):
            raise DataError(f"attributions of {feature!r} are of {len(mine)} and of {len(sums)} classes")
        self._sums[feature] = sums if mine is None else mine + sums

    def merge(self, other: Attributions) -> None:
        """Takes in the sums of the blocks that follow."""
        self._weight += other._weight
        self._missing += other._missing
        for feature, sums in other._sums.items():
            self._add(feature, sums)

    def state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Sums by the place of the feature among the names."""
        names = sorted(self._sums)
        header = {"features": names, "weight": self._weight, "missing": self._missing}
        return header, {f"sums.{i}": self._sums[name] for i, name in enumerate(names)}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Takes back what `state` gave."""
        self._weight, self._missing = float(header["weight"]), int(header["missing"])
        self._sums = {name: arrays[f"sums.{i}"].copy() for i, name in enumerate(header["features"])}

    def finish(self) -> Any:
        """By feature."""
        if not self._sums or not self._weight:
            return Undefined(f"no row with a weight has columns {self._prefix}<feature>")
        if self._missing:
            return Undefined(f"{self._missing} attributions are missing or NaN")
        over = self._weight if self._mean else 1.0
        made = {name: (sums / over).tolist() for name, sums in sorted(self._sums.items())}
        return {name: values[0] if len(values) == 1 else values for name, values in made.items()}


def _matrix(rows: Rows, name: str) -> Floats:
    """``[n, C]``; NaN for null."""
    import pyarrow as pa

    column = column_of(rows, name)
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        return row_numbers(rows, name)[:, None]
    values = column.to_pylist()
    width = max((len(v) for v in values if v is not None), default=1)
    made = np.full((len(values), max(width, 1)), np.nan)
    for i, value in enumerate(values):
        if value is not None and len(value) == width:
            made[i] = [np.nan if v is None else v for v in value]
    return made


def _attributions(cls: str, name: str, absolute: bool, mean: bool) -> Metric:
    return Metric(cls, name, TASKS, "no row has attributions", reads=frozenset(), columns=("columns",),
                  options={"columns": f"{PREFIX}*", "class_id": None, "k": None, "top_k": None},
                  own=lambda o: Attributions(o, absolute, mean))  # fmt: skip


ATTRIBUTION_METRICS = (
    _attributions("TotalAttributions", "total_attributions", absolute=False, mean=False),
    _attributions("TotalAbsoluteAttributions", "total_absolute_attributions", absolute=True, mean=False),
    _attributions("MeanAttributions", "mean_attributions", absolute=False, mean=True),
    _attributions("MeanAbsoluteAttributions", "mean_absolute_attributions", absolute=True, mean=True),
)

"""Means of columns of the data, and samples of their values."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import DataError
from trueline.model_analysis.metrics.record import REQUIRED, TASKS, Metric, Options, over
from trueline.model_analysis.moments import Moment
from trueline.model_analysis.noise import ROW_COLUMN
from trueline.model_analysis.rows import Bools, Floats, Ints, Rows
from trueline.model_analysis.table_columns import column_numbers

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FEATURE_METRICS", "FEATURE_MOMENTS", "column_of", "row_numbers"]


def column_of(rows: Rows, name: str) -> pa.Array:
    """A column of the data, one value for each of the rows.

    Raises:
        DataError: the data has no such column.
    """
    if rows.batch is None or rows.batch.schema.get_field_index(name) < 0:
        raise DataError(f"the data has no column {name!r}")
    column = rows.batch.column(rows.batch.schema.get_field_index(name))
    return column if rows.row is None else column.take(rows.row)


def row_numbers(rows: Rows, name: str) -> Floats:
    """A column as float64 ``[n]``, NaN for null.

    Raises:
        DataError: the column holds no numbers.
    """
    return column_numbers(column_of(rows, name), name)


def _feature(rows: Rows, parameter: str) -> Floats:
    """Parameter: ``value or weight|column|column of weights``; rows without a value or weight give 0."""
    what, name, weight_name = parameter.split("|")
    values = row_numbers(rows, name)
    weights = np.ones(len(rows))
    if weight_name:  # in place of the rows' own weights, which the sum multiplies by
        weights = over(row_numbers(rows, weight_name), rows.weight)
    there = np.isfinite(values) & np.isfinite(weights)
    return np.where(there, weights * (values if what == "value" else 1.0), 0.0)


class Sample:
    """A uniform sample of a column's values: those whose row has the smallest hash, so that order does not matter.

    Args:
        options: ``size`` and ``random_seed``.
        key: the option that names the column.
        picked: which rows are drawn from; all by default.
    """

    def __init__(self, options: Options, key: str, size: str, picked: Callable[[Rows, Options], Bools] | None) -> None:
        self._column, self._size = str(options[key]), int(options[size])
        self._options, self._picked = options, picked
        self._items: list[tuple[int, str]] = []

    def update(self, rows: Rows) -> None:
        """Takes in rows that have a weight and a value."""
        import pyarrow as pa

        column = column_of(rows, self._column)
        kept = (rows.weight > 0) & column.is_valid().to_numpy(zero_copy_only=False)
        if self._picked is not None:
            kept &= self._picked(rows, self._options)
        hashed = self._hashes(rows)
        places: Ints = np.flatnonzero(kept)
        places = places[np.argsort(hashed[places], kind="stable")][: self._size]
        values = column.take(pa.array(places)).to_pylist()
        texts = [json.dumps(value, default=str, sort_keys=True) for value in values]
        self._add(list(zip(hashed[places].tolist(), texts, strict=True)))

    def _hashes(self, rows: Rows) -> npt.NDArray[np.uint64]:
        from trueline._core.hash import hash_array, hash_rows

        assert rows.batch is not None
        seed = int(self._options["random_seed"])
        index = rows.batch.schema.get_field_index(ROW_COLUMN)
        hashed = hash_array(rows.batch.column(index), seed) if index >= 0 else hash_rows(rows.batch, None, seed)
        found: npt.NDArray[np.uint64] = hashed if rows.row is None else hashed[rows.row]
        return found

    def _add(self, items: list[tuple[int, str]]) -> None:
        self._items = heapq.nsmallest(self._size, [*self._items, *items])

    def merge(self, other: Sample) -> None:
        """Takes in another sample."""
        self._add(other._items)

    def state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Hashes and values."""
        return {"items": [[str(h), text] for h, text in self._items]}, {}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Takes back what `state` gave."""
        self._items = [(int(h), str(text)) for h, text in header["items"]]

    def finish(self) -> Any:
        """The values, in the order of their hashes."""
        return [json.loads(text) for _, text in self._items] if self._items else None


def _wrong(side: str) -> Callable[[Rows, Options], Bools]:
    def picked(rows: Rows, options: Options) -> Bools:
        above = rows.prediction > float(options["threshold"])
        found: Bools = (rows.label < 0.5) & above if side == "positive" else (rows.label >= 0.5) & ~above
        return found

    return picked


def _sampler(cls: str, name: str, side: str) -> Metric:
    return Metric(cls, name, ("binary",), f"there is no false {side}", columns=("feature_key",),
                  options={"threshold": 0.5, "feature_key": REQUIRED, "sample_size": 10, "random_seed": 0},
                  own=lambda o: Sample(o, "feature_key", "sample_size", _wrong(side)))  # fmt: skip


_NAMES = {what: f"feature@{what}|{{feature_key_path}}|{{example_weights_key_path}}" for what in ("value", "weight")}
_NOTHING = frozenset[str]()
FEATURE_MOMENTS: Mapping[str, Moment] = {"feature": _feature}
FEATURE_METRICS = (
    Metric("Mean", "mean", TASKS, "no row has a value and a weight", tuple(_NAMES.values()),
           lambda s, o: over(*(s(_NAMES[what].format(**o)) for what in ("value", "weight"))), reads=_NOTHING,
           options={"feature_key_path": REQUIRED, "example_weights_key_path": ""},
           columns=("feature_key_path", "example_weights_key_path")),
    Metric("FixedSizeSample", "fixed_size_sample", TASKS, "no row has a value", reads=_NOTHING,
           options={"sampled_key": REQUIRED, "size": REQUIRED, "random_seed": 0}, columns=("sampled_key",),
           own=lambda o: Sample(o, "sampled_key", "size", None)),
    _sampler("FalsePositiveFeatureSampler", "false_positive_feature_sampler", "positive"),
    _sampler("FalseNegativeFeatureSampler", "false_negative_feature_sampler", "negative"),
)  # fmt: skip

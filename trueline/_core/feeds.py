"""The only road into ONNX Runtime: from Arrow, rows or columns of Python values to named arrays.

A scalar feature is an array of shape ``[N]``, a fixed one ``[N, size]``, a ragged one is padded to ``[N, K]`` with
its lengths in int64 ``<name>:length``. An optional feature comes with bool ``<name>:present`` of shape ``[N]``; a
missing value is fed as 0, 0.0, "" or False and marked. A required feature has no such mark, and a missing value is
an error. Bulk, evaluation, the server and the browser all feed by this description (`Feeds.to_json`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import FeedError, did_you_mean
from trueline._core.feed_blocks import Arrays, BlockPlan, Packed
from trueline._core.feed_columns import FILL, LENGTH, Column, column_from_list
from trueline._core.values import PRESENT, RawFeature

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LENGTH", "Arrays", "Feeds"]

_ONNX_TYPES = {
    "float64": "tensor(double)",
    "float32": "tensor(float)",
    "int64": "tensor(int64)",
    "bool": "tensor(bool)",
    "utf8": "tensor(string)",
    "timestamp": "tensor(int64)",
}
_MAX_PROBLEMS = 20


class Feeds:
    """Turns data into the arrays that a graph over `features` takes.

    Args:
        features: what the graph reads; names are distinct.

    Raises:
        FeedError: when two features share a name, or one is ``bytes``, which only a host step can read.
    """

    def __init__(self, features: Sequence[RawFeature]) -> None:
        self.features = tuple(features)
        self.by_name = {f.name: f for f in self.features}
        if len(self.by_name) != len(self.features):
            raise FeedError("two features of a model share a name", problems=[f.name for f in self.features])
        self._plan = BlockPlan(self.features)

    def onnx_inputs(self) -> list[tuple[str, str, list[str | int]]]:
        """(name, ONNX type, shape) of every input; the batch dimension is ``"N"``."""
        inputs: list[tuple[str, str, list[str | int]]] = []
        for feature in self.features:
            if feature.dtype == "bytes":
                raise FeedError(f"{feature.name!r} is bytes", hint="bytes enter a graph only through a host step.")
            shape: list[str | int] = ["N"]
            if feature.kind == "fixed":
                shape.append(int(feature.size or 0))
            elif feature.kind == "ragged":
                shape.append(f"K:{feature.name}")
            inputs.append((feature.name, _ONNX_TYPES[feature.dtype], shape))
            if feature.kind == "ragged":
                inputs.append((feature.name + LENGTH, "tensor(int64)", ["N"]))
            if feature.optional:
                inputs.append((feature.name + PRESENT, "tensor(bool)", ["N"]))
        return inputs

    def from_rows(self, rows: Sequence[Mapping[str, Any]], *, extra: frozenset[str] = frozenset()) -> Arrays:
        """Arrays from JSON-like rows; a missing key or None is a missing value.

        Args:
            rows: one mapping a row.
            extra: further keys that a row may have, which are ignored.

        Raises:
            FeedError: unknown fields, wrong types, missing required values: all of them, by row and field.
        """
        packed = self._plan.pack_rows(rows, extra)
        return self._rows_slowly(rows, extra) if packed is None else self._plan.unpack(packed)

    def pack_rows(self, rows: Sequence[Mapping[str, Any]]) -> Packed:
        """As `from_rows`, in the compact form that `unpack` turns into arrays and `merge_packed` puts together."""
        packed = self._plan.pack_rows(rows)
        return self._plan.pack_arrays(self._rows_slowly(rows, frozenset()), len(rows)) if packed is None else packed

    def pack_columns(self, columns: Mapping[str, Any]) -> Packed:
        """As `from_columns`, in the compact form."""
        lists, rows = self._lists(columns, frozenset())
        packed = self._plan.pack_lists(lists, rows)
        return self._plan.pack_arrays(self._from_lists(lists, rows), rows) if packed is None else packed

    def pack_arrays(self, arrays: Arrays, rows: int) -> Packed:
        """The compact form of arrays that were validated before."""
        return self._plan.pack_arrays(arrays, rows)

    def unpack(self, packed: Packed) -> Arrays:
        """The arrays that a graph takes."""
        return self._plan.unpack(packed)

    def _rows_slowly(self, rows: Sequence[Mapping[str, Any]], extra: frozenset[str]) -> Arrays:
        known = self.by_name.keys() | extra
        problems: list[str] = []
        for i, row in enumerate(rows):
            if not hasattr(row, "keys"):
                problems.append(f"row {i}: expected an object of named values, got {type(row).__name__}")
            elif not row.keys() <= known:
                problems += [f"row {i}: unknown field {k!r}" for k in row if k not in known]
        if not problems:
            return self._from_lists({n: [row.get(n) for row in rows] for n in self.by_name}, len(rows))
        hint = did_you_mean(problems[0].partition("'")[2].rstrip("'"), self.by_name)
        with contextlib.suppress(FeedError):
            good = [row if hasattr(row, "keys") else {} for row in rows]
            self._from_lists({n: [row.get(n) for row in good] for n in self.by_name}, len(rows), problems)
        raise _feed_error(problems, hint)

    def from_columns(self, columns: Mapping[str, Any], *, extra: frozenset[str] = frozenset()) -> Arrays:
        """Arrays from columns of Python values (lists or arrays of equal length); an absent column is all missing.

        Raises:
            FeedError: unknown columns, unequal lengths, wrong types, missing required values.
        """
        lists, rows = self._lists(columns, extra)
        packed = self._plan.pack_lists(lists, rows)
        return self._from_lists(lists, rows) if packed is None else self._plan.unpack(packed)

    def _lists(self, columns: Mapping[str, Any], extra: frozenset[str]) -> tuple[dict[str, list[Any]], int]:
        """The columns as lists of one length, an absent one left out, and that length."""
        unknown = [name for name in columns if name not in self.by_name and name not in extra]
        if unknown:
            raise _feed_error([f"unknown field {n!r}" for n in unknown], did_you_mean(unknown[0], self.by_name))
        lists = {n: _as_list(n, columns[n]) for n in self.by_name if n in columns}
        lengths = {n: len(v) for n, v in lists.items()}
        if len(set(lengths.values())) > 1:
            raise FeedError("columns have different lengths", problems=[f"{n}: {k}" for n, k in lengths.items()])
        return lists, next(iter(lengths.values()), 0)

    def _from_lists(self, lists: Mapping[str, list[Any]], rows: int, problems: list[str] | None = None) -> Arrays:
        arrays: Arrays = {}
        problems = [] if problems is None else problems
        absent = [None] * rows
        for feature in self.features:
            values = lists.get(feature.name, absent)
            column, wrong = column_from_list(feature, values)
            problems += wrong
            if not feature.optional:
                nothing = (None, [None]) if feature.kind == "scalar" else (None,)
                problems += [_required(feature, i) for i, v in enumerate(values) if v in nothing]
            self._put(arrays, feature, column)
        if problems:
            raise _feed_error(problems)
        return arrays

    def from_arrow(self, data: pa.RecordBatch | pa.Table, *, blank: bool = True) -> Arrays:
        """Arrays from Arrow columns; further columns are ignored, an absent optional column is all missing.

        Args:
            data: the rows.
            blank: feed missing numbers as 0. Without, they are whatever Arrow holds: for graphs that look at presence
                alone, as those of the transform do.

        Raises:
            FeedError: a column of another type, or missing values in a required one, naming the first row.
        """
        from trueline._core.feed_arrow import column_from_arrow

        arrays: Arrays = {}
        problems: list[str] = []
        names = set(data.schema.names)
        for feature in self.features:
            if feature.name in names:
                column, wrong = column_from_arrow(feature, data.column(feature.name), blank=blank)
                problems += wrong
            else:
                column = _absent(feature, data.num_rows)
                if not feature.optional:
                    problems.append(f"column {feature.name!r} is required. {did_you_mean(feature.name, names)}")
                    continue
            if not feature.optional and not column.present.all() and not wrong:
                problems.append(_required(feature, int(np.flatnonzero(~column.present)[0])))
            self._put(arrays, feature, column)
        if problems:
            raise _feed_error(problems)
        return arrays

    def _put(self, arrays: Arrays, feature: RawFeature, column: Column) -> None:
        arrays[feature.name] = column.values
        if column.lengths is not None:
            arrays[feature.name + LENGTH] = column.lengths
        if feature.optional:
            arrays[feature.name + PRESENT] = column.present

    def to_json(self) -> list[dict[str, Any]]:
        """The description that lies in the model and that the browser's and the server's feeds follow."""
        return [f.to_json() for f in self.features]

    @classmethod
    def from_json(cls, data: Sequence[Mapping[str, Any]]) -> Feeds:
        """The feeds that `to_json` described."""
        return cls([RawFeature.from_json(f) for f in data])


def _feed_error(problems: list[str], hint: str | None = None) -> FeedError:
    more = len(problems) - _MAX_PROBLEMS
    listed = problems[:_MAX_PROBLEMS] + ([f"and {more} more"] if more > 0 else [])
    return FeedError("the data does not fit the model's signature", problems=listed, hint=hint)


def _required(feature: RawFeature, row: int) -> str:
    return f"row {row}, field {feature.name!r}: expected {feature.dtype}, got no value (required)"


def _as_list(name: str, values: Any) -> list[Any]:
    if isinstance(values, list):
        return values
    if isinstance(values, np.ndarray):
        return list(values.tolist())
    if isinstance(values, tuple):
        return list(values)
    raise FeedError(
        f"column {name!r}: expected a list, got {type(values).__name__}",
        hint="a dict holds columns, each a list of values; a single row is a dict in a list: [{...}].",
    )


def _absent(feature: RawFeature, rows: int) -> Column:
    fill, numpy_type = FILL[feature.dtype]
    shape = (rows,) if feature.kind == "scalar" else (rows, feature.size or 0)
    lengths = np.zeros(rows, np.int64) if feature.kind == "ragged" else None
    return Column(np.full(shape, fill, numpy_type), np.zeros(rows, bool), lengths)

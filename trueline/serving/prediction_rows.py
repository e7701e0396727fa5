"""Logged requests as Arrow: the raw columns as a model's signature types them, beside what was said of each row.

A column that begins with ``__`` is no feature anywhere in the line, so a folder of these files is Examples of the
training schema: statistics, validation and evaluation read it as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.feed_blocks import Packed, merge_packed
from trueline._core.feed_columns import LENGTH
from trueline._core.feeds import Feeds
from trueline._core.values import PRESENT, RawFeature, arrow_type_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["PREDICTION", "Record", "Shape", "table_of"]

PREDICTION = "__prediction:"
"""Column of an output: ``__prediction:label``."""
_ROWS_AT_ONCE = 4096
Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Shape:
    """What is needed of a model to read its packed rows again, without the model.

    Attributes:
        feeds: the graph's feeds.
        features: the raw columns.
        outputs: name, dtype, shape and meaning of each output.
    """

    feeds: Feeds
    features: tuple[RawFeature, ...]
    outputs: Sequence[Mapping[str, Any]]

    def whole(self, packed: Packed) -> bool:
        """Whether the packed rows hold every raw column: those that host steps alone read are not always kept."""
        kept = packed.unread or {}
        return all(f.name in self.feeds.by_name or f.name in kept for f in self.features)


@dataclass(frozen=True, slots=True)
class Record:
    """One request with its answer.

    Attributes:
        tracking_id: the request id.
        model: the model.
        version: what answered.
        micros: when, in microseconds since 1970 (UTC).
        role: ``champion`` for what was sent, ``challenger`` for what was compared with it.
        api: what was asked: ``predict``, ``classify``, ...
        folder: where the model's log lies.
        shape: how to read the rows.
        packed: the rows.
        outputs: arrays by output name.
    """

    tracking_id: str
    model: str
    version: int
    micros: int
    role: str
    api: str
    folder: str
    shape: Shape
    packed: Packed
    outputs: Mapping[str, Array]

    @property
    def size(self) -> int:
        """Bytes of its arrays; texts are counted as references."""
        packed = self.packed
        arrays = [*packed.blocks, *packed.lists.values(), *(packed.unread or {}).values(), *self.outputs.values()]
        return sum(array.nbytes for array in arrays)


def table_of(records: Sequence[Record]) -> pa.Table:
    """Records of one model, version and shape as a table: a row for each row that was asked.

    Its columns: the raw features, in the signature's order; ``__tracking_id``, ``__place`` (the row's place in its
    request), ``__model``, ``__version``, ``__time`` (UTC), ``__role``, ``__api``; and ``__prediction:<output>``.
    """
    import pyarrow as pa

    return pa.concat_tables([_table(part) for part in _parts(records)])


def _parts(records: Sequence[Record]) -> Iterable[list[Record]]:
    """Some thousand rows at a time: lists are padded to the longest of a part."""
    part: list[Record] = []
    rows = 0
    for record in records:
        if part and rows + record.packed.rows > _ROWS_AT_ONCE:
            yield part
            part, rows = [], 0
        part.append(record)
        rows += record.packed.rows
    yield part


def _table(records: Sequence[Record]) -> pa.Table:
    import pyarrow as pa

    shape = records[0].shape
    arrays = shape.feeds.unpack(merge_packed([record.packed for record in records]))
    counts = [record.packed.rows for record in records]
    columns = {}
    for feature in shape.features:
        if feature.name in shape.feeds.by_name:
            columns[feature.name] = _feature(feature, arrays, sum(counts))
        else:  # host steps alone read it
            parts = [_feature(feature, r.packed.unread or {}, r.packed.rows) for r in records]
            columns[feature.name] = pa.concat_arrays(parts)
    columns["__tracking_id"] = pa.array(_each(records, counts, "tracking_id"), pa.string())
    columns["__place"] = pa.array(np.concatenate([np.arange(n) for n in counts]), pa.int64())
    columns["__model"] = pa.array(_each(records, counts, "model"), pa.string())
    columns["__version"] = pa.array(_each(records, counts, "version"), pa.int64())
    columns["__time"] = pa.array(_each(records, counts, "micros"), pa.timestamp("us", "UTC"))
    columns["__role"] = pa.array(_each(records, counts, "role"), pa.string())
    columns["__api"] = pa.array(_each(records, counts, "api"), pa.string())
    for output in shape.outputs:
        name = str(output["name"])
        columns[PREDICTION + name] = _output(output, [record.outputs[name] for record in records])
    return pa.table(columns)


def _each(records: Sequence[Record], counts: Sequence[int], name: str) -> list[Any]:
    values: list[Any] = []
    for record, count in zip(records, counts, strict=True):
        values += [getattr(record, name)] * count
    return values


def _feature(feature: RawFeature, arrays: Mapping[str, Array], rows: int) -> pa.Array:

    kind = arrow_type_of(feature)
    values = arrays[feature.name]
    present = arrays.get(feature.name + PRESENT)
    absent = None if present is None else ~np.asarray(present, bool)
    if feature.kind == "scalar":
        return _scalars(values, kind, absent)
    if feature.kind == "ragged":
        lengths = arrays[feature.name + LENGTH].astype(np.int64)
    else:
        lengths = np.full(rows, values.shape[1], np.int64)
    inside = np.arange(values.shape[1])[None, :] < lengths[:, None]
    if absent is not None:
        inside &= ~absent[:, None]
        lengths = np.where(absent, 0, lengths)
    return _lists(_scalars(values[inside], kind.value_type, None), lengths, absent, kind)


def _scalars(values: Array, kind: pa.DataType, absent: Array | None) -> pa.Array:
    import pyarrow as pa

    if values.dtype == object:
        return pa.array(values, kind, mask=absent)
    made = pa.array(np.ascontiguousarray(values), mask=absent)
    return made if made.type == kind else made.cast(kind)


def _lists(flat: pa.Array, lengths: Array, absent: Array | None, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    missing = None if absent is None or not absent.any() else pa.array(absent)
    made = pa.ListArray.from_arrays(pa.array(offsets), flat, mask=missing)
    if pa.types.is_fixed_size_list(kind):  # a missing vector has no values in a list, and some in a fixed one
        return pa.array(made.to_pylist(), kind)
    return made.cast(kind)


_TYPES = {"float64": "float64", "float32": "float32", "int64": "int64", "int32": "int32", "bool": "bool_"}


def _output(declared: Mapping[str, Any], parts: Sequence[Array]) -> pa.Array:
    """An output as numbers, texts, or lists of them for each row."""
    import pyarrow as pa

    width = len(declared["shape"]) - 1
    kind = getattr(pa, _TYPES.get(str(declared["dtype"]), "string"))()
    for _ in range(width):
        kind = pa.list_(kind)
    if width == 1 and parts[0].dtype != object and len({part.shape[1:] for part in parts}) == 1:
        values = np.concatenate(parts)
        lengths = np.full(len(values), values.shape[1], np.int64)
        return _lists(_scalars(values.reshape(-1), kind.value_type, None), lengths, None, kind)
    if width == 0 and parts[0].dtype != object:
        return _scalars(np.concatenate(parts), kind, None)
    return pa.array([value for part in parts for value in part.tolist()], kind)

"""Arrow tables become tf.Example or tf.SequenceExample records: columns encoded one by one, rows put together."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from trueline._core.errors import DataError, SchemaError
from trueline._core.values import HIDDEN_PREFIX
from trueline.data.tf_example_decode import SEQUENCE
from trueline.data.tf_example_wire import BYTES, FLOAT, INT64

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["example_records", "varint", "write_examples_tfrecord"]

_BATCH_ROWS = 8_192
_CACHED = 4_096
_FLOAT_MAX = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]


def write_examples_tfrecord(
    uri: str, table_or_batches: pa.Table | pa.RecordBatch | Iterable[pa.RecordBatch], compression: str | None = "gzip"
) -> int:
    """Writes rows as a TFRecord file of tf.Example; of tf.SequenceExample when there is a column ``##SEQUENCE##``.

    Whole numbers, booleans and timestamps (microseconds) become int64 lists, floats become float lists, text and bytes
    become bytes lists. **tf.Example knows float32 only**: floats are rounded to it. A null is a feature without a kind,
    an empty list one with a kind and no values. Features stand by name; columns that begin with ``__`` are left out.

    Args:
        uri: the file; replaced when all is written.
        table_or_batches: the rows.
        compression: ``gzip``, ``zlib`` or None.

    Returns:
        how many rows were written.

    Raises:
        SchemaError: a column that tf.Example has no place for.
        DataError: a null within a list, or a number beyond float32: with column and row.
    """
    from trueline.data.tfrecord_write import write_tfrecord

    return write_tfrecord(uri, example_records(table_or_batches), compression)


def example_records(table_or_batches: pa.Table | pa.RecordBatch | Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """The rows as serialized records, as `write_examples_tfrecord` writes them."""
    first = 0
    for batch in _batches(table_or_batches):
        for begin in range(0, batch.num_rows, _BATCH_ROWS):
            part = batch.slice(begin, _BATCH_ROWS)
            yield from _records(part, first)
            first += part.num_rows


def _batches(given: Any) -> Iterable[pa.RecordBatch]:
    import pyarrow as pa

    if isinstance(given, pa.RecordBatch):
        return [given]
    if isinstance(given, pa.Table):
        batches: Iterable[pa.RecordBatch] = given.to_batches()
        return batches
    checked: Iterable[pa.RecordBatch] = given
    return checked


def _records(batch: pa.RecordBatch, first: int) -> Iterator[bytes]:
    names = sorted(n for n in batch.schema.names if not n.startswith(HIDDEN_PREFIX) and n != SEQUENCE)
    rows = _maps([_features(n, batch.column(n), first) for n in names], batch.num_rows)
    if SEQUENCE not in batch.schema.names:
        return (_field(1, row) for row in rows)
    lists = _feature_lists(batch.column(SEQUENCE), first)
    return (_field(1, row) + _field(2, more) for row, more in zip(rows, lists, strict=True))


def _maps(columns: list[list[bytes]], rows: int) -> list[bytes]:
    return [b"".join(row) for row in zip(*columns, strict=True)] if columns else [b""] * rows


def varint(value: int) -> bytes:
    """Protobuf's number of variable length: seven bits a byte, the least first; a negative one as its 64 bits."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, contents: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(contents)) + contents


def _list_of_bytes(values: list[Any]) -> bytes:
    return b"".join([_field(1, v.encode() if isinstance(v, str) else v) for v in values])


def _list_of_floats(values: list[Any]) -> bytes:
    for value in values:
        if abs(value) > _FLOAT_MAX and math.isfinite(value):
            raise _beyond(value)
    return _field(1, struct.pack(f"<{len(values)}f", *values)) if values else b""


def _list_of_ints(values: list[Any]) -> bytes:
    return _field(1, b"".join([varint(int(v)) for v in values])) if values else b""


_LISTS: dict[int, Callable[[list[Any]], bytes]] = {
    BYTES: _list_of_bytes,
    FLOAT: _list_of_floats,
    INT64: _list_of_ints,
}


def _kind(name: str, arrow_type: pa.DataType) -> int:
    import pyarrow.types as t

    if t.is_string(arrow_type) or t.is_binary(arrow_type) or t.is_null(arrow_type):
        return BYTES
    if t.is_float64(arrow_type):
        return FLOAT
    if t.is_int64(arrow_type) or t.is_boolean(arrow_type):
        return INT64
    raise SchemaError(
        f"column {name!r} is {arrow_type}, tf.Example has no place for it",
        hint=f"numbers, text, bytes, timestamps and lists of them have; feature lists stand in {SEQUENCE!r}.",
    )


def _plain(name: str, column: pa.Array) -> tuple[pa.Array, int, bool]:
    """The column in the contract's types with times as microseconds; the kind of its values; whether it has lists."""
    import pyarrow as pa
    import pyarrow.types as t

    from trueline._core.values import widened_type

    def counted(arrow_type: pa.DataType) -> pa.DataType:
        if t.is_fixed_size_list(arrow_type) or t.is_list(arrow_type):
            return pa.list_(counted(arrow_type.value_type))
        return pa.int64() if t.is_timestamp(arrow_type) else arrow_type

    wide = widened_type(column.type)
    column = column.cast(wide, safe=not t.is_temporal(wide)).cast(counted(wide))
    lists = t.is_list(column.type)
    return column, _kind(name, column.type.value_type if lists else column.type), lists


def _features(name: str, column: pa.Array, first: int) -> list[bytes]:
    """The column's map entries, a row each."""
    key = _field(1, name.encode())
    unset = _field(1, key + _field(2, b""))
    plain, kind, lists = _plain(name, column)
    if lists:
        found = _feature_bytes(name, column, first)
        return [unset if f is None else _field(1, key + _field(2, f)) for f in found]
    if kind == FLOAT:
        return _float_entries(name, key, unset, plain, first)
    encode = _LISTS[kind]
    known: dict[Any, bytes] = {None: unset}
    out = []
    for value in plain.to_pylist():
        entry = known.get(value)
        if entry is None:
            entry = _field(1, key + _field(2, _field(kind, encode([value]))))
            if len(known) < _CACHED:
                known[value] = entry
        out.append(entry)
    return out


def _float_entries(name: str, key: bytes, unset: bytes, plain: pa.Array, first: int) -> list[bytes]:
    """Entries of one float each: all but the four bytes of the number is the same."""
    import numpy as np

    missing = plain.is_null().to_numpy(zero_copy_only=False)
    wide = plain.fill_null(0.0).to_numpy()
    too_far = np.flatnonzero((np.abs(wide) > _FLOAT_MAX) & np.isfinite(wide))
    if too_far.size:
        row = int(too_far[0])
        raise _beyond(float(wide[row]), f"column {name!r}, row {first + row + 1}")
    raw = wide.astype("<f4").tobytes()
    before = _field(1, key + _field(2, _field(FLOAT, _list_of_floats([0.0]))))[:-4]
    return [
        unset if gone else before + raw[at : at + 4]
        for gone, at in zip(missing.tolist(), range(0, len(raw), 4), strict=True)
    ]


def _beyond(value: float, where: str | None = None) -> DataError:
    return DataError(f"{value!r} is beyond float32", where=where, hint="scale the column, or keep it as text.")


def _feature_bytes(name: str, column: pa.Array, first: int) -> Iterator[bytes | None]:
    """Each row's Feature message; None for null."""
    plain, kind, lists = _plain(name, column)
    encode = _LISTS[kind]
    for row, value in enumerate(plain.to_pylist()):
        if value is None:
            yield None
            continue
        values = value if lists else [value]
        where = f"column {name!r}, row {first + row + 1}"
        if None in values:
            raise DataError("a null within a list has no form in tf.Example", where=where, hint="leave it out.")
        try:
            yield _field(kind, encode(values))
        except DataError as error:
            raise DataError(error.message, where=where, hint=error.hint) from error


def _feature_lists(column: pa.Array, first: int) -> list[bytes]:
    """The FeatureLists message of each row of the struct column; a field that is null is left out."""
    import pyarrow.types as t

    if not t.is_struct(column.type):
        raise SchemaError(f"column {SEQUENCE!r} is {column.type}", hint="give a struct of lists of lists of values.")
    fields = []
    for name in sorted(f.name for f in column.type):
        steps, key = column.field(name), _field(1, name.encode())
        if not t.is_list(steps.type) or not t.is_list(steps.type.value_type):
            raise SchemaError(f"feature list {name!r} is {steps.type}", hint="give a list of steps, each a list.")
        begins = steps.offsets.to_pylist()
        values = steps.values.slice(begins[0], begins[-1] - begins[0])
        features = [_field(1, f or b"") for f in _feature_bytes(f"{SEQUENCE}.{name}", values, first)]
        there = column.is_valid().to_pylist()
        rows = zip(steps.is_valid().to_pylist(), there, begins, begins[1:], strict=False)
        fields.append(
            [
                _field(1, key + _field(2, b"".join(features[begin - begins[0] : end - begins[0]])))
                if valid and whole
                else b""
                for valid, whole, begin, end in rows
            ]
        )
    return _maps(fields, len(column))

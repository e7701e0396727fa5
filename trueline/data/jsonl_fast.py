"""JSON Lines by Arrow's parser, where it gives what the rules of `trueline.data.jsonl_values` give.

Arrow is asked to read a schema and nothing else: it refuses whatever does not fit, repeated keys included, and then the
lines are read one by one. What it takes more freely is looked for before and after: several objects on a line, objects
over several lines, ``-0`` (a whole number has no sign of zero), whole numbers that a float would round, and names of
infinity that JSON does not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["fast_batch"]

_MINUS_ZERO = re.compile(rb"-0[,\]}\s]")


def fast_batch(data: bytes, schema: pa.Schema) -> pa.RecordBatch | None:
    """The rows of a block of lines, or None where they have to be read one by one.

    Args:
        data: UTF-8 text that ends with its last line.
        schema: the columns; one of null has no values.
    """
    import pyarrow as pa
    import pyarrow.json as pj

    lines = _object_lines(data)
    if not lines or not len(schema) or any(_holds_nulls(f.type) for f in schema):
        return None
    try:
        table = pj.read_json(
            pa.BufferReader(data),
            pj.ReadOptions(use_threads=False, block_size=len(data) + 1),
            pj.ParseOptions(
                explicit_schema=schema.remove_metadata(),
                newlines_in_values=False,
                unexpected_field_behavior="error",
            ),
        )
    except (pa.ArrowException, UnicodeError):
        return None
    if table.num_rows != lines or table.schema.names != schema.names:
        return None
    batches = table.combine_chunks().to_batches()
    if len(batches) != 1 or any(_unsure(f) for column in batches[0].columns for f in _floats(column)):
        return None
    return batches[0]


def _holds_nulls(kind: pa.DataType) -> bool:
    """Whether lists or objects hold a type without values: Arrow's parser makes broken arrays of them."""
    import pyarrow.types as t

    inner = [kind.field(i).type for i in range(kind.num_fields)]
    return any(t.is_null(i) or _holds_nulls(i) for i in inner)


def _object_lines(data: bytes) -> int:
    """How many lines there are, where each begins with ``{`` and ends with ``}``; else 0.

    A line end between ``}`` and ``{`` cannot be inside an object, so there are as many rows only if each has its line.
    """
    if b"\0" in data or _MINUS_ZERO.search(data):
        return 0
    text = data.replace(b"\r\n", b"\n") if b"\r" in data else data
    text = text.removesuffix(b"\n")
    lines = text.count(b"\n") + 1
    whole = text.startswith(b"{") and text.endswith(b"}") and text.count(b"}\n{") == lines - 1
    return lines if whole else 0


def _floats(column: pa.Array) -> Iterator[pa.Array]:
    """All arrays of floats in a column."""
    import pyarrow.types as t

    if t.is_floating(column.type):
        yield column
    elif t.is_list(column.type):
        yield from _floats(column.flatten())
    elif t.is_struct(column.type):
        for inner in column.flatten():
            yield from _floats(inner)


def _unsure(values: pa.Array) -> bool:
    """Whether some float may not be what the text says: 2**53 and above, infinite, or no number."""
    import pyarrow.compute as pc

    found = pc.min_max(values)
    low, high = found["min"].as_py(), found["max"].as_py()
    outside = low is not None and not (low > -(2**53) and high < 2**53)
    return outside or bool(pc.any(pc.is_nan(values)).as_py())

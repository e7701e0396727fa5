"""Sources that a user could have written: functions that yield rows, well and badly, and a class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from trueline.data import SourceBatch

CALLS: list[str] = []


def rides(rows: int, late: Any = None) -> Iterator[dict[str, Any]]:
    """Rows as dicts; the last row's amount is `late`, where given."""
    for i in range(rows):
        amount = late if late is not None and i == rows - 1 else i
        yield {
            "id": i,
            "amount": amount,
            "text": "" if i % 2 else "x",
            "ok": False,
            "late": None if i < 15_000 else i / 2,
        }


def tuples() -> list[tuple[Any, ...]]:
    return [(0, "x"), [2.5, None]]


def batches() -> Iterator[pa.RecordBatch]:
    yield pa.record_batch({"a": pa.array([1], pa.int8()), "b": ["x"]})
    yield pa.record_batch({"a": [1.5], "b": pa.array([None], pa.null())})


def table() -> pa.Table:
    return pa.table({"a": [1, 2]})


def other_keys() -> Iterator[dict[str, int]]:
    yield {"a": 1, "b": 1}
    yield {"a": 2, "c": 2}


def short_tuple() -> Iterator[tuple[int, ...]]:
    yield 1, 2
    yield (3,)


def numbers() -> Iterator[int]:
    yield 5


def holding() -> Iterator[dict[str, int]]:
    """Rows from something that must be closed."""
    CALLS.append("opened")
    try:
        for i in range(100):
            yield {"a": i}
    finally:
        CALLS.append("closed")


def no_rows() -> list[Any]:
    return []


def not_iterable() -> int:
    return 5


def breaks() -> Iterator[dict[str, int]]:
    yield {"a": 1}
    raise KeyError("gone")


def other_batches() -> Iterator[pa.RecordBatch]:
    yield pa.record_batch({"a": [1]})
    yield pa.record_batch({"a": ["x"]})


def stamp(rows: int, **_: Any) -> str:
    return f"v{rows}"


def no_stamp(**_: Any) -> int:
    return 7


class Days:
    """A source of several parts with record numbers of its own."""

    def __init__(self, days: int) -> None:
        self._days = days

    def parts(self) -> Sequence[str]:
        return [f"day {d}" for d in range(self._days)]

    def schema(self) -> pa.Schema:
        return pa.schema([("day", pa.int64()), ("x", pa.float64())])

    def read(self, part: int, schema: pa.Schema) -> Iterator[SourceBatch]:
        batch = pa.record_batch({"day": [part, part], "x": [0.0, None]}, schema=schema)
        yield SourceBatch(batch, np.array([3, 9], np.int64))

    def fingerprint(self) -> str | None:
        return f"days:{self._days}"

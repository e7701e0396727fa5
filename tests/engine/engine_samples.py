"""Accumulators and functions that the engine's tests name in specs; worker processes import this module."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trueline._core.errors import DataError
from trueline.engine.state import pack_state, unpack_state


class Moments:
    """Count and float sum of a column: the sum's bits depend on the order of merges."""

    def __init__(self, column: str) -> None:
        self.column = column
        self.count = 0
        self.total = 0.0

    def update(self, batch: pa.RecordBatch) -> None:
        values = batch.column(self.column)
        self.count += len(values) - values.null_count
        self.total += pc.sum(values).as_py() or 0.0

    def merge(self, other: Moments) -> None:
        self.count += other.count
        self.total += other.total

    def state(self) -> bytes:
        return pack_state("moments", 1, {"count": self.count}, {"total": np.array(self.total)})

    @classmethod
    def load(cls, state: bytes, column: str) -> Moments:
        _, header, arrays = unpack_state(state, "moments", 1)
        new = cls(column)
        new.count, new.total = header["count"], float(arrays["total"])
        return new

    def finish(self) -> dict[str, float]:
        return {"count": self.count, "total": self.total}


class Trace:
    """Writes down the merges, so that tests see the tree."""

    def __init__(self) -> None:
        self.text = ""

    def update(self, batch: pa.RecordBatch) -> None:
        self.text = str(batch.column(0)[0].as_py())

    def merge(self, other: Trace) -> None:
        self.text = f"({self.text} {other.text})"

    def state(self) -> bytes:
        return json.dumps(self.text).encode()

    @classmethod
    def load(cls, state: bytes) -> Trace:
        new = cls()
        new.text = json.loads(state)
        return new

    def finish(self) -> str:
        return self.text


class LossyState(Moments):
    """Breaks the contract: its state forgets the count."""

    def state(self) -> bytes:
        return pack_state("moments", 1, {"count": 0}, {"total": np.array(self.total)})


class LastWins(Moments):
    """Breaks the contract: merging forgets what was there."""

    def merge(self, other: LastWins) -> None:
        self.count, self.total = other.count, other.total


class CannotLoad(Moments):
    """Breaks the contract: its state is not taken back."""

    @classmethod
    def load(cls, state: bytes, column: str) -> CannotLoad:
        raise KeyError("count")


class Mortal(Moments):
    """Kills its own process on the block that holds `value`, as often as `folder` has no `times` marks."""

    def __init__(self, column: str, value: float, folder: str, times: int) -> None:
        super().__init__(column)
        self.value, self.folder, self.times = value, Path(folder), times

    def update(self, batch: pa.RecordBatch) -> None:
        super().update(batch)
        if self.value in batch.column(self.column).to_pylist():
            done = len(list(self.folder.iterdir()))
            if done < self.times:
                (self.folder / str(done)).touch()
                os.kill(os.getpid(), signal.SIGKILL)

    @classmethod
    def load(cls, state: bytes, column: str, value: float, folder: str, times: int) -> Moments:
        return Moments.load(state, column)


class Failing(Moments):
    """Raises on one value: an error of its own kind, or one of trueline's."""

    def __init__(self, column: str, value: float, ours: bool) -> None:
        super().__init__(column)
        self.value, self.ours = value, ours

    def update(self, batch: pa.RecordBatch) -> None:
        if self.value in batch.column(self.column).to_pylist():
            if self.ours:
                raise DataError("that value is forbidden", hint="leave it out")
            raise ZeroDivisionError("divided by nothing")
        super().update(batch)

    @classmethod
    def load(cls, state: bytes, column: str, value: float, ours: bool) -> Moments:
        return Moments.load(state, column)


def describe(block, **params):
    """Prints too: what user code prints must not break the protocol."""
    print("noise on standard output")
    return {"number": block.number, "rows": block.read().num_rows, "params": params, "pid": os.getpid()}


def no_json(block):
    return {1, 2}

"""Accumulators and functions that workers of the cluster import by name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pyarrow as pa

from trueline._core.errors import DataError
from trueline.data_validation.accumulator import StatisticsAccumulator
from trueline.engine import Block


class Slow(StatisticsAccumulator):
    """Statistics that take their time, so that a node can be taken away meanwhile."""

    def __init__(self, seconds: float, **params: Any) -> None:
        super().__init__(**params)
        self.seconds = seconds

    def update(self, batch: pa.RecordBatch) -> None:
        time.sleep(self.seconds)
        super().update(batch)

    @classmethod
    def load(cls, state: bytes, seconds: float, **params: Any) -> StatisticsAccumulator:  # type: ignore[override]
        return StatisticsAccumulator.load(state, **params)


class KilledOnce(StatisticsAccumulator):
    """Statistics whose worker is killed by the system once, in the middle of its block."""

    def __init__(self, mark: str, **params: Any) -> None:
        super().__init__(**params)
        self.mark = Path(mark)

    def update(self, batch: pa.RecordBatch) -> None:
        super().update(batch)
        try:
            self.mark.touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    @classmethod
    def load(cls, state: bytes, mark: str, **params: Any) -> StatisticsAccumulator:  # type: ignore[override]
        return StatisticsAccumulator.load(state, **params)


class AlwaysKilled(StatisticsAccumulator):
    """Statistics whose worker is killed whenever it takes in a block."""

    def update(self, batch: pa.RecordBatch) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class BadBlock(StatisticsAccumulator):
    """Statistics that refuse rows below a number."""

    def update(self, batch: pa.RecordBatch) -> None:
        if batch.column("number")[0].as_py() >= 3_000:
            raise DataError("a block that nobody can take in", hint="leave it out.")
        super().update(batch)


def describe(block: Block, *, factor: int) -> dict[str, int]:
    """A block's number and rows."""
    return {"number": block.number * factor, "rows": block.rows}


def refuse(block: Block) -> None:
    """A function that fails on its third block."""
    if block.number == 2:
        raise DataError("this block is refused")

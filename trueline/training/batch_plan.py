"""Which rows stand in which batch: worked out from block sizes, a seed and an epoch alone, before a row is read.

The blocks are put into a random order, the rows of that order are cut into one range for each rank, and the range is
read a window at a time: a few blocks, whose rows are shuffled together. So memory is one window, any batch can be found
without those before it, and the order depends on nothing but its seed: no thread, no worker, no version of numpy.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from trueline.engine.base import Block

__all__ = ["BatchPlan", "Order", "Piece", "Window", "plan_batches", "random_order"]


@dataclass(frozen=True)
class Order:
    """How rows are dealt out.

    Attributes:
        batch_size: rows of a batch; the last one may have fewer.
        shuffle: whether blocks and rows are in random order; else as they were written.
        seed: of the order.
        rank: which of `world_size` processes this is, from 0.
        world_size: how many processes share the rows.
        even: leave out the last rows, fewer than `world_size`, so that every rank has equally many.
        drop_last: leave out a last batch that is not full.
        window: how many blocks are shuffled together; without `shuffle` one block lies in memory.
    """

    batch_size: int
    shuffle: bool = True
    seed: int = 0
    rank: int = 0
    world_size: int = 1
    even: bool = False
    drop_last: bool = False
    window: int = 4

    def problems(self) -> list[str]:
        """What is wrong with the numbers, all of it."""
        found = [
            f"{name}={value}: give at least one"
            for name, value in (
                ("batch_size", self.batch_size),
                ("world_size", self.world_size),
                ("window", self.window),
            )
            if value < 1
        ]
        if not 0 <= self.rank < max(self.world_size, 1):
            found.append(f"rank={self.rank}: ranks of world_size={self.world_size} begin with 0")
        return found


@dataclass(frozen=True)
class Piece:
    """Rows `start` to `stop` of a block, counted among the rows that take part."""

    block: Block
    start: int
    stop: int


@dataclass(frozen=True)
class Window:
    """Pieces that are read together, and where their rows begin among the rank's rows."""

    number: int
    start: int
    stop: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class BatchPlan:
    """One rank's rows of one epoch."""

    order: Order
    epoch: int
    rows: int
    windows: tuple[Window, ...]

    @property
    def batches(self) -> int:
        """How many batches there are."""
        size = self.order.batch_size
        return self.rows // size if self.order.drop_last else -(-self.rows // size)

    def span(self, batch: int) -> tuple[int, int]:
        """The rows of a batch, `start` to `stop` among the rank's rows."""
        start = batch * self.order.batch_size
        return start, min(start + self.order.batch_size, self.rows)

    def windows_of(self, start: int, stop: int) -> tuple[Window, ...]:
        """The windows that hold rows `start` to `stop`, in order."""
        first = bisect_right(self.windows, start, key=lambda w: w.stop)
        last = bisect_left(self.windows, stop, key=lambda w: w.start)
        return self.windows[first:last]

    def permutation(self, window: Window) -> npt.NDArray[np.int64]:
        """For each row of the window in the order of reading, where it lies in the window's pieces."""
        count = window.stop - window.start
        if not self.order.shuffle:
            return np.arange(count)
        # a rank's windows have numbers of their own: the same number on another rank holds other rows
        return random_order(count, self.order.seed, self.epoch, 1 + self.order.rank, window.number)


def random_order(count: int, *key: int) -> npt.NDArray[np.int64]:
    """A permutation of ``range(count)`` that depends on the key alone, by the published 64-bit hash."""
    import pyarrow as pa

    from trueline._core.hash import hash_array

    seed = 0
    for part in key:
        seed = int(hash_array(pa.array([part], pa.int64()), seed)[0])
    return np.argsort(hash_array(pa.array(np.arange(count)), seed), kind="stable")


def plan_batches(blocks: Sequence[Block], rows: Sequence[int], order: Order, epoch: int) -> BatchPlan:
    """The plan of one rank and epoch.

    Args:
        blocks: all blocks of the split, in block order.
        rows: how many rows of each take part.
        order: how they are dealt out.
        epoch: which run through the data; each has an order of its own.
    """
    places = random_order(len(blocks), order.seed, epoch, 0) if order.shuffle else np.arange(len(blocks))
    total = sum(rows)
    if order.even:
        total -= total % order.world_size
    low = total * order.rank // order.world_size
    high = total * (order.rank + 1) // order.world_size
    pieces, at = [], 0
    for place in places.tolist():
        start, stop = max(low - at, 0), min(high - at, rows[place])
        if start < stop:
            pieces.append(Piece(blocks[place], start, stop))
        at += rows[place]
    return BatchPlan(order, epoch, high - low, _windows(pieces, order.window if order.shuffle else 1))


def _windows(pieces: Sequence[Piece], size: int) -> tuple[Window, ...]:
    windows, at = [], 0
    for number, first in enumerate(range(0, len(pieces), size)):
        held = tuple(pieces[first : first + size])
        count = sum(p.stop - p.start for p in held)
        windows.append(Window(number, at, at + count, held))
        at += count
    return tuple(windows)

"""Runs of certain numbers of rows only: filled up with copies of the first row, or cut into pieces.

For models whose graph was made for fixed batch sizes, and for those that an accelerator compiles once for each size.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trueline._core.feed_blocks import Packed
from trueline.serving.batching import Arrays
from trueline.serving.config import BatchSettings

__all__ = ["sized_run"]

Run = Callable[[Packed], Arrays]


def sized_run(run: Run, settings: BatchSettings) -> Run:
    """`run` with the sizes that the settings allow; `run` itself where they say nothing.

    The outputs have the rows that were given.
    """
    sizes = settings.allowed_batch_sizes
    if not sizes and not settings.split_large:
        return run
    largest = sizes[-1] if sizes else settings.max_batch_rows

    def filled(packed: Packed) -> Arrays:
        size = next((s for s in sizes if s >= packed.rows), packed.rows)
        if size == packed.rows:
            return run(packed)
        outputs = run(_picked(packed, np.r_[np.arange(packed.rows), np.zeros(size - packed.rows, int)]))
        return {name: array[: packed.rows] for name, array in outputs.items()}

    def sized(packed: Packed) -> Arrays:
        if packed.rows <= largest:
            return filled(packed)
        starts = range(0, packed.rows, largest)
        parts = [filled(_picked(packed, slice(at, min(at + largest, packed.rows)))) for at in starts]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return sized


def _picked(packed: Packed, rows: slice | np.ndarray[tuple[int], np.dtype[np.int64]]) -> Packed:
    """Some of the rows, by number."""
    count = len(range(*rows.indices(packed.rows))) if isinstance(rows, slice) else len(rows)
    return Packed(
        count,
        tuple(np.ascontiguousarray(block[:, rows]) for block in packed.blocks),
        tuple(None if marks is None else np.ascontiguousarray(marks[:, rows]) for marks in packed.present),
        {name: array[rows] for name, array in packed.lists.items()},
    )

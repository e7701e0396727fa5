"""Random numbers of a row: hashes of its id, a seed and what they are for; the same wherever they are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Draw"]

Floats = npt.NDArray[np.float64]
U64 = npt.NDArray[np.uint64]
_MASK = (1 << 63) - 1


class Draw:
    """Draws for the rows of a batch.

    Args:
        batch: rows with ``__row__``; rows without it are told apart by their contents.
        seed: of everything drawn.
    """

    def __init__(self, batch: pa.RecordBatch, seed: int) -> None:
        from trueline._core.hash import hash_array, hash_rows

        place = batch.schema.get_field_index("__row__")
        self._rows: U64 = hash_array(batch.column(place), seed) if place >= 0 else hash_rows(batch, None, seed)

    def of(self, owners: npt.NDArray[np.int64], positions: npt.NDArray[np.int64]) -> Draw:
        """Draws for the elements of lists: by their row and their place in it."""
        made = object.__new__(Draw)
        with np.errstate(over="ignore"):
            made._rows = self._rows[owners] + positions.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        return made

    def bits(self, use: str) -> U64:
        """64 bits for each row, ``[N]``."""
        import pyarrow as pa

        from trueline._core.hash import hash_array, hash_strings

        return hash_array(pa.array(self._rows.view(np.int64)), int(hash_strings([use])[0]) & _MASK)

    def uniform(self, use: str) -> Floats:
        """Numbers between 0 and 1, neither included, ``[N]``."""
        return np.asarray(((self.bits(use) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53, np.float64)

    def normal(self, use: str) -> Floats:
        """Standard normal numbers, ``[N]``, by Box and Muller's transform."""
        radius = np.sqrt(-2.0 * np.log(self.uniform(use + "/radius")))
        return np.asarray(radius * np.cos(2.0 * np.pi * self.uniform(use + "/angle")), np.float64)

    def below(self, count: int, use: str) -> npt.NDArray[np.int64]:
        """Integers from 0 to below `count`, ``[N]``."""
        return np.minimum((self.uniform(use) * count).astype(np.int64), count - 1)

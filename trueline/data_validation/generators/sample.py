"""A bounded uniform sample of rows that merges exactly: the rows with the smallest hashes.

A row's hash is that of its number ``__row__`` where the data have one: then the sample does not depend on blocks. Else
it comes from the row's place in its block and the content of one column: it is the same on every run, but other block
borders give another sample.

A row is kept as numbers and codes, so a state is small: 8 bytes a feature and row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.rowid import ROW_COLUMN
from trueline.data_validation.generators.leaves import leaf_at

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MISSING_CODE", "RowSample", "permutation", "uniforms"]

MISSING_CODE = np.uint64(0)
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint64]
_P1, _P2 = np.uint64(0x9E3779B185EBCA87), np.uint64(0xC2B2AE3D27D4EB4F)


class RowSample:
    """Some rows of some features, by ascending hash.

    Args:
        features: ``{"path": [...], "kind": "number" | "category"}`` each.
        rows: how many rows to keep.
        anchor: the column that tells blocks apart where rows have no number.
        seed: of the hashes.

    Attributes:
        hashes: the rows' hashes, ascending.
        numbers: ``[rows, features]``: the value of a number, NaN where it is missing, NaN, or not exactly one value.
        codes: ``[rows, features]``: a code of a category, `MISSING_CODE` where it is missing; rows of several values
            have a code of the set of them. The numbers' columns hold nothing.
    """

    def __init__(self, features: Sequence[Mapping[str, Any]], rows: int, anchor: str, seed: int = 0) -> None:
        self._features = [(tuple(f["path"]), f["kind"]) for f in features]
        self._rows, self._anchor, self._seed = rows, anchor, seed
        self.hashes: Codes = np.empty(0, np.uint64)
        self.numbers: Floats = np.empty((0, len(features)))
        self.codes: Codes = np.empty((0, len(features)), np.uint64)

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        import pyarrow as pa

        hashes = self._row_hashes(batch)
        if len(hashes) > self._rows:
            chosen = np.flatnonzero(hashes <= np.partition(hashes, self._rows - 1)[self._rows - 1])
        else:
            chosen = np.arange(len(hashes))
        chosen = chosen[np.argsort(hashes[chosen], kind="stable")][: self._rows]
        used = [name for name in dict.fromkeys(path[0] for path, _ in self._features) if name in batch.schema.names]
        small = pa.Table.from_batches([batch.select(used)]).take(pa.array(chosen)).combine_chunks()
        numbers = np.full((len(chosen), len(self._features)), np.nan)
        codes = np.zeros((len(chosen), len(self._features)), np.uint64)
        for part in small.to_batches():
            for place, (path, kind) in enumerate(self._features):
                if kind == "number":
                    numbers[:, place] = _numbers(part, path)
                else:
                    codes[:, place] = _codes(part, path)
        self._add(hashes[chosen], numbers, codes)

    def merge(self, other: RowSample) -> None:
        """Takes in the rows of later blocks."""
        self._add(other.hashes, other.numbers, other.codes)

    def _add(self, hashes: Codes, numbers: Floats, codes: Codes) -> None:
        both = np.concatenate([self.hashes, hashes])
        order = np.argsort(both, kind="stable")[: self._rows]
        self.hashes = both[order]
        self.numbers = np.concatenate([self.numbers, numbers])[order]
        self.codes = np.concatenate([self.codes, codes])[order]

    def _row_hashes(self, batch: pa.RecordBatch) -> Codes:
        from trueline._core.hash import hash_array

        if ROW_COLUMN in batch.schema.names:
            return hash_array(batch.column(ROW_COLUMN), self._seed)
        places = np.arange(batch.num_rows, dtype=np.uint64)
        with np.errstate(over="ignore"):
            digest = np.uint64(batch.num_rows) * _P1
            if self._anchor in batch.schema.names:
                content = hash_array(batch.column(self._anchor), self._seed)
                digest ^= np.add.reduce(content * (places * _P2 | np.uint64(1)), dtype=np.uint64)
            return _mixed((places + np.uint64(1)) * _P1 ^ digest ^ np.uint64(self._seed) * _P2)

    def parts(self) -> dict[str, Any]:
        """The state as arrays."""
        return {"hashes": self.hashes, "numbers": self.numbers, "codes": self.codes}

    def restore(self, arrays: Mapping[str, Any]) -> None:
        """Takes the state that `parts` gave.

        Raises:
            ValueError: for the state of other features.
        """
        hashes, numbers, codes = arrays["hashes"], arrays["numbers"], arrays["codes"]
        if not numbers.shape == codes.shape == (len(hashes), len(self._features)):
            raise ValueError("a sample of other features")
        self.hashes, self.numbers, self.codes = hashes, numbers, codes


def _numbers(batch: pa.RecordBatch, path: Sequence[str]) -> Floats:
    import pyarrow as pa
    import pyarrow.compute as pc

    found = np.full(batch.num_rows, np.nan)
    leaf = leaf_at(batch, path)
    if leaf is None or leaf.kind not in ("int", "float", "bool", "time"):
        return found
    values = leaf.values
    if leaf.kind == "bool":
        values = pc.cast(values, pa.int8())
    elif leaf.kind == "time":
        values = pc.cast(pc.cast(values, pa.timestamp("us"), safe=False), pa.int64())
    single = np.bincount(leaf.rows, minlength=batch.num_rows)[leaf.rows] == 1
    numbers = pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    found[leaf.rows[single]] = numbers[single]
    return found


def _codes(batch: pa.RecordBatch, path: Sequence[str]) -> Codes:
    """A hash of the multiset of each row's values: their order does not matter."""
    from trueline._core.hash import hash_array

    found = np.zeros(batch.num_rows, np.uint64)
    leaf = leaf_at(batch, path)
    if leaf is None:
        return found
    with np.errstate(over="ignore"):
        np.add.at(found, leaf.rows, _mixed(hash_array(leaf.values)))
        found = _mixed(found + np.uint64(1))
    found[found == MISSING_CODE] = np.uint64(1)
    present = np.zeros(batch.num_rows, np.bool_)
    present[leaf.entries.rows[~leaf.entries.missing]] = True
    found[~present] = MISSING_CODE
    return found


def _mixed(h: Codes) -> Codes:
    """The finaliser of MurmurHash3 (public domain)."""
    h = h ^ (h >> np.uint64(33))
    h = h * np.uint64(0xFF51AFD7ED558CCD)
    h = h ^ (h >> np.uint64(33))
    h = h * np.uint64(0xC4CEB9FE1A85EC53)
    return np.asarray(h ^ (h >> np.uint64(33)), np.uint64)


def uniforms(n: int, seed: int) -> Floats:
    """Numbers in (0, 1) that depend on the seed alone, on any version of numpy."""
    with np.errstate(over="ignore"):
        words = _mixed((np.arange(n, dtype=np.uint64) + np.uint64(1)) * _P1 ^ _mixed(np.array([seed + 1], np.uint64)))
    return ((words >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53


def permutation(n: int, seed: int) -> npt.NDArray[np.int64]:
    """A shuffle of 0 to n - 1 that depends on the seed alone."""
    return np.argsort(uniforms(n, seed), kind="stable")

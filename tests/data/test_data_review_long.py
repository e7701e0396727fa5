"""Long values and wide files take time by their size, not by its square."""

from __future__ import annotations

import random
import time

import pyarrow as pa
import pytest

from trueline._core.errors import DataError
from trueline._core.hash import hash_array
from trueline.data import Examples, ingest_csv


def _hash_by_the_book(value: bytes) -> int:
    """The steps of `trueline._core.hash` as its first lines tell them."""
    mask = (1 << 64) - 1

    def fmix(h: int) -> int:
        h ^= h >> 33
        h = h * 0xFF51AFD7ED558CCD & mask
        h ^= h >> 33
        h = h * 0xC4CEB9FE1A85EC53 & mask
        return h ^ h >> 33

    h = fmix(0x7465787400000005) + len(value) * 0xC2B2AE3D27D4EB4F & mask
    for begin in range(0, len(value), 8):
        word = int.from_bytes(value[begin : begin + 8].ljust(8, b"\0"), "little")
        h ^= word * 0x9E3779B185EBCA87 & mask
        h = ((h << 31 | h >> 33) & mask) * 0x165667B19E3779F9 & mask
    return fmix(h)


@pytest.mark.parametrize("rows", [1, 3, 16, 17, 40])
def test_long_and_short_values_hash_by_the_book_however_many_there_are(rows):
    draw = random.Random(rows)
    values = [draw.randbytes(draw.choice([0, 1, 7, 8, 9, 500, 70_001])) for _ in range(rows)]
    values[0] = draw.randbytes((1 << 18) + 5)
    assert hash_array(pa.array(values)).tolist() == [_hash_by_the_book(v) for v in values]


def test_a_cell_of_eight_megabytes_is_taken_in_quickly(folder, tmp_path):
    cell = "line\n" * 1_600_000
    out = str(tmp_path / "out")
    began = time.process_time()
    ingest_csv(folder(a=f'a,b\n1,"{cell}"\n2,y\n'), out, splits={"all": 1, "none": 1})
    assert time.process_time() - began < 8
    found = [v for s in ("all", "none") for v in Examples.open(out).table(s)["b"].to_pylist()]
    assert sorted(found, key=len) == ["y", cell]


def test_names_of_a_very_wide_file_are_looked_at_once(folder, tmp_path):
    names = [f"c{n}" for n in range(60_000)]
    began = time.process_time()
    with pytest.raises(DataError, match="'c7' stands 2 times"):
        ingest_csv(folder(a=",".join([*names, "c7"]) + "\n"), str(tmp_path / "out"))
    assert time.process_time() - began < 8

"""Cells that do not convert to a fixed type are found by their looks first: the same cells, in far less time."""

from __future__ import annotations

import random
import time

import pyarrow as pa
import pytest

from trueline._core.errors import DataError
from trueline.data import ingest_csv
from trueline.data.cells import FIXED_TYPES, convert_fixed

PIECES = [*"0123456789+-.eExXabTtruFfalsinN: ZT\t,", "true", "False", "2024-01-02", "T03:04:05", "+02:00", "inf", "nan"]


@pytest.mark.parametrize("kind", FIXED_TYPES)
def test_the_looks_refuse_nothing_that_converts_alone(kind):
    draw = random.Random(kind)
    cells = [None, "", "0x1F", "-0x1F", "+7", "007", "1e5", "-inf", "NaN", "Infinity", "TRUE", " 5 ", "9" * 30]
    cells += ["2024-01-02", "2024-01-02 03:04", "2024-01-02T03:04:05Z", "2024-01-02T03:04:05.123456+02:00"]
    cells += ["".join(draw.choice(PIECES) for _ in range(draw.randrange(1, 5))) for _ in range(400)]
    alone = [n for n, c in enumerate(cells) if convert_fixed(pa.array([c], pa.string()), kind, 1)[0] is None]
    values, bad = convert_fixed(pa.array(cells, pa.string()), kind, len(cells))
    assert bad == alone
    assert (values is None) == bool(alone)


def test_a_wrong_type_for_a_whole_column_is_told_at_once(folder, tmp_path):
    base = folder(a="a,b\n" + "word,2\n" * 100_000)
    began = time.process_time()
    with pytest.raises(DataError, match=r"line 2, column 'a': no int64: 'word'"):
        ingest_csv(base, str(tmp_path / "out"), column_types={"a": "int64"})
    assert time.process_time() - began < 8

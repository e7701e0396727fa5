from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def table() -> pa.Table:
    """200 rows whose float sum depends on the order of addition."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=200) * 10.0 ** rng.integers(-1, 3, 200)
    return pa.table(
        {
            "x": pa.array(x, mask=rng.random(200) < 0.1),
            "s": pa.array([f"w{i % 7}" for i in range(200)]),
            "n": pa.array(np.arange(200, dtype=np.int32)),
        }
    )


@pytest.fixture
def parquet(table, tmp_path) -> str:
    path = tmp_path / "data.parquet"
    pq.write_table(table, path, row_group_size=16)
    return str(path)

"""Fixtures: statistics of small tables, and the shared conformance data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from trueline.data_validation import StatsOptions, generate_statistics
from trueline.engine import Dataset, LocalEngine

SHARED = Path(__file__).resolve().parents[3] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared data beside the clone."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the shared conformance data at {SHARED}")
    return SHARED


@pytest.fixture
def stats_of() -> Callable[..., Any]:
    """Statistics of one column: the `FeatureNameStatistics` of `values` cut into blocks."""

    def compute(values: pa.Array, block_rows: int = 1000, **options: Any) -> Any:
        dataset = Dataset.from_table(pa.table({"x": values}), block_rows)
        result = generate_statistics(dataset, StatsOptions(**options), LocalEngine(1))
        return result.datasets[0].features[0]

    return compute

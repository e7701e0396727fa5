"""Lines of the examples on small cuts of their data."""

from __future__ import annotations

import sys

import pytest
from lines_taxi import EXAMPLES, TaxiLine, cut


@pytest.fixture(scope="session")
def taxi_rows() -> list[str]:
    """Header and 3,000 trips."""
    return cut(EXAMPLES / "taxi" / "data" / "taxi.csv", 3000)


@pytest.fixture(autouse=True)
def import_path():
    """Loading a pipeline file puts its folder on the import path; each test starts from the same one."""
    before = list(sys.path)
    yield
    sys.path[:] = before


@pytest.fixture
def taxi(tmp_path, taxi_rows):
    """A taxi line that has not run yet."""
    return TaxiLine(tmp_path, taxi_rows)

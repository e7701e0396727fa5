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
    """Loading a pipeline file puts its folder on the import path; each test starts from the same one, and leaves no
    module named ``model`` behind for the next project."""
    before, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = before
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(EXAMPLES)):
            del sys.modules[name]


@pytest.fixture
def taxi(tmp_path, taxi_rows):
    """A taxi line that has not run yet."""
    return TaxiLine(tmp_path, taxi_rows)

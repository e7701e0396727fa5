"""Arrow buffers as numpy arrays: the values that pyarrow gives, for slices and nulls too, and without pandas."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline.data_validation.arrow_numpy import from_numpy, is_valid, take, to_numpy

kinds = st.sampled_from(
    [pa.int64(), pa.int8(), pa.uint32(), pa.float32(), pa.float64(), pa.bool_(), pa.timestamp("us")]
)


@settings(deadline=None)
@given(kinds, st.lists(st.integers(0, 1), max_size=40), st.integers(0, 20), st.integers(0, 20))
def test_values_of_slices(kind: pa.DataType, values: list[int], start: int, length: int) -> None:
    array = pa.array(values, pa.int64()).cast(kind).slice(start, length)
    assert to_numpy(array).tolist() == values[start : start + length]


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False, width=32)), max_size=40), st.integers(0, 20))
def test_nulls_among_floats_are_nan(values: list[float | None], start: int) -> None:
    array = pa.array(values, pa.float64()).slice(start)
    assert is_valid(array).tolist() == [value is not None for value in values[start:]]
    want = [float("nan") if value is None else value for value in values[start:]]
    np.testing.assert_array_equal(to_numpy(array), np.array(want, np.float64))


def test_nulls_among_integers_are_refused() -> None:
    with pytest.raises(TypeError, match="1 nulls cannot stand in an array of int64"):
        to_numpy(pa.array([1, None]))


def test_taking_and_back() -> None:
    words = pa.array(["a", "b", None, "d"])
    assert take(words, np.array([3, 0, 2])).to_pylist() == ["d", "a", None]
    assert from_numpy(np.arange(10)[::2]).to_pylist() == [0, 2, 4, 6, 8]


def test_a_pass_imports_no_pandas(tmp_path: Path) -> None:
    """It is installed here, and a pass over numbers, missing ones, strings and lists leaves it alone."""
    path = str(tmp_path / "t.parquet")
    table = pa.table({"x": [1.0, None], "s": ["a", None], "b": [True, None], "l": [[1], None], "w": [1.0, 2.0]})
    pq.write_table(table, path, row_group_size=1)
    program = f"""
import sys
from trueline.data_validation import StatsOptions, generate_statistics
from trueline.engine import Dataset, LocalEngine
options = StatsOptions(weight_feature="w")
found = generate_statistics(Dataset.from_parquet({path!r}), options, LocalEngine(1))
print(found.datasets[0].num_examples, "pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"]

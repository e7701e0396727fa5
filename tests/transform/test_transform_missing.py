"""Missing values: told apart from values, made, and filled with what the data says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import trueline.transform as tlt
from trueline._core.errors import TransformError
from trueline.engine import LocalEngine

ONE = LocalEngine(workers=1)
NAN, INF = float("nan"), float("inf")
TABLE = pa.table(
    {
        "f": [1.0, None, 5.0, NAN, 2.0, 4.0],
        "g": [None, 10.0, None, None, 20.0, None],
        "n": pa.array([3, 3, None, -1, 7, None]),
        "s": ["a", None, "b", "b", "", "a"],
        "b": [True, None, False, False, None, None],
        "none": pa.array([None] * 6, pa.string()),
        "nothing": pa.array([None] * 6, pa.float64()),
        "l": [["x"], None, [], ["y"], None, None],
    }
)


def transformed(function: Any, table: pa.Table = TABLE) -> dict[str, list[Any]]:
    out, _ = tlt.analyze_and_transform(table, function, engine=ONE)
    return {name: out[name].to_pylist() for name in out.schema.names if not name.startswith("__")}


def test_values_become_missing() -> None:
    found = transformed(
        lambda x: {
            "nan": tlt.nan_to_missing(x["f"]),
            "minus": tlt.missing_if(x["n"], -1),
            "empty": tlt.missing_if(x["s"], ""),
            "large": tlt.missing_if(x["f"], x["f"] > 3.0),
            "unsure": tlt.missing_if(x["n"], x["g"] > 15.0),
            "list": tlt.missing_if(x["l"], x["s"] == "b"),
        }
    )
    assert found["nan"] == [1.0, None, 5.0, None, 2.0, 4.0]
    assert found["minus"] == [3, 3, None, None, 7, None]
    assert found["empty"] == ["a", None, "b", "b", None, "a"]
    assert str(found["large"]) == str([1.0, None, None, NAN, 2.0, None])  # NaN is not above 3
    assert found["unsure"] == [3, 3, None, -1, None, None]  # a missing condition does not hold
    assert found["list"] == [["x"], None, None, None, None, None]


def test_missing_values_are_filled_with_what_the_data_says() -> None:
    found = transformed(
        lambda x: {
            "mean": tlt.fill_with_mean(x["f"]),
            "median": tlt.fill_with_median(x["f"]),
            "whole": tlt.fill_with_mean(x["n"]),
            "mode": tlt.fill_with_mode(x["s"]),
            "mode_n": tlt.fill_with_mode(x["n"]),
            "mode_b": tlt.fill_with_mode(x["b"]),
            "none": tlt.fill_with_mode(x["none"], default="nothing"),
            "blank": tlt.fill_with_mode(x["none"]),
            "nothing": tlt.fill_with_mean(x["nothing"]),
            "indicator": tlt.missing_indicator(x["f"]),
        }
    )
    assert found["mean"][1] == 3.0  # of 1, 5, 2, 4: NaN is left out
    assert np.isnan(found["mean"][3])  # and stays
    assert found["median"][1] in (2.0, 4.0)
    assert found["whole"] == [3.0, 3.0, 3.0, -1.0, 7.0, 3.0]
    assert found["mode"] == ["a", "b", "b", "b", "", "a"]  # twice each: the greater text
    assert found["mode_n"] == [3, 3, 3, -1, 7, 3]
    assert found["mode_b"] == [True, False, False, False, False, False]
    assert found["none"] == ["nothing"] * 6
    assert found["blank"] == [""] * 6
    assert found["nothing"] == [0.0] * 6
    assert found["indicator"] == [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.none() | st.floats(-100, 100), min_size=1, max_size=30))
def test_filled_columns_have_no_missing_values(values: list[float | None]) -> None:
    table = pa.table({"f": pa.array(values, pa.float64())})
    found = transformed(lambda x: {"mean": tlt.fill_with_mean(x["f"]), "median": tlt.fill_with_median(x["f"])}, table)
    there = [v for v in values if v is not None]
    for name in ("mean", "median"):
        assert None not in found[name]
        assert [f for f, v in zip(found[name], values, strict=True) if v is not None] == pytest.approx(there, rel=1e-6)
    if there and len(there) < len(values):
        place = values.index(None)
        assert found["mean"][place] == pytest.approx(np.mean(there), rel=1e-5, abs=1e-5)
        below = sum(v <= found["median"][place] + 1e-5 for v in there)
        above = sum(v >= found["median"][place] - 1e-5 for v in there)
        assert min(below, above) >= len(there) // 2


def test_the_first_value_that_is_there() -> None:
    found = transformed(
        lambda x: {
            "f": tlt.coalesce(x["g"], x["n"], x["f"]),
            "n": tlt.coalesce(x["n"], x["g"], 0),
            "s": tlt.coalesce(x["none"], x["s"], "?"),
        }
    )
    assert str(found["f"]) == str([3.0, 10.0, 5.0, -1.0, 20.0, 4.0])
    assert found["n"] == [3.0, 3.0, 0.0, -1.0, 7.0, 0.0]
    assert found["s"] == ["a", "?", "b", "b", "", "a"]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: tlt.fill_with_mode(x["f"]), "fill_with_median"),
        (lambda x: tlt.fill_with_mean(x["s"]), "not utf8"),
        (lambda x: tlt.coalesce(x["f"]), "two or more"),
        (lambda x: tlt.coalesce(x["s"], x["f"]), "different types"),
        (lambda x: tlt.nan_to_missing(x["s"]), "float64"),
        (lambda x: tlt.missing_if(x["s"], 3), "different types"),
        (lambda x: tlt.missing_if(x["s"], x["f"]), "bool"),
        (lambda x: tlt.missing_if(x["l"], x["l"] == "x"), "one condition for each row"),
    ],
)
def test_mistakes_are_told(function: Any, said: str) -> None:
    with pytest.raises(TransformError, match=said):
        transformed(lambda x: {"y": function(x)})

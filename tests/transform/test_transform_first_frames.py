"""Frames go where tables go; a misspelt column is told; numpy's scalars and functions meet a column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import trueline.transform as tlt
from trueline import RawFeature
from trueline._core.errors import FeedError, TransformError

FRAME = pd.DataFrame({"age": [30.0, None, 50.0], "plan": ["a", "b", None]})
RAW = [RawFeature("age", "float64"), RawFeature("plan", "utf8"), RawFeature("n", "int64")]


def features(inputs: Any) -> dict[str, Any]:
    return {"age": tlt.scale_to_z_score(inputs["age"]), "plan": tlt.compute_and_apply_vocabulary(inputs["plan"])}


def test_the_frame_that_was_analysed_can_be_transformed() -> None:
    """pandas' NaN and None are missing there too, so both ways give the same table."""
    made, output = tlt.analyze_and_transform(FRAME, features)
    assert output.transform(FRAME).equals(made)
    assert output.transform(pl.from_pandas(FRAME)).equals(made)
    assert output.transform(FRAME.iloc[2:].reset_index(drop=True)).to_pydict() == {"age": [1.0], "plan": [None]}
    with pytest.raises(TransformError, match="or a DataFrame, not a list"):
        output.transform([{"age": 1.0}])


def test_rows_without_any_known_column_are_told_not_answered() -> None:
    _, output = tlt.analyze_and_transform(FRAME, features)
    for rows in ([{"agee": 30.0}], {"agee": [30.0]}, pa.table({"agee": [30.0]})):
        with pytest.raises(TransformError, match="reads none of these columns: 'agee'") as refused:
            output.transform_raw_features(rows)
        assert "Did you mean 'age'?" in str(refused.value)
    assert output.transform_raw_features([{"plan": "b", "other": 1}]) == [{"age": None, "plan": 0}]


def test_an_analysed_transform_shows_what_it_reads_and_gives() -> None:
    assert repr(tlt.analyze_and_transform(FRAME, features)[1]) == "TransformOutput(age, plan -> age, plan)"


def test_numbers_of_numpy_stand_on_either_side_of_an_operator() -> None:
    two = np.float64(2.0)
    made, _ = tlt.analyze_and_transform(
        pa.table({"age": [1.0, None, 5.0], "n": [7, 8, 9]}),
        lambda c: {
            "twice": two * c["age"],
            "rest": np.int64(9) - c["n"],
            "half": np.float32(4.0) / c["age"],
            "more": two < c["age"],
            "mod": np.int64(9) % c["n"],
        },
    )
    assert made.to_pydict() == {
        "twice": [2.0, None, 10.0],
        "rest": [2, 1, 0],
        "half": [4.0, None, 0.800000011920929],
        "more": [False, None, True],
        "mod": [2, 1, 0],
    }
    assert str(made.schema.field("rest").type) == "int64"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda c: np.log1p(c["age"]), "tlt.log1p takes columns"),
        (lambda c: np.isnan(c["age"]), "tlt.is_nan takes columns"),
        (lambda c: np.where(c["age"] > 1, 1, 0), "tlt.where takes columns"),
        (lambda c: np.clip(c["age"], 0, 1), "tlt.clip takes columns"),
        (lambda c: np.array([1.0, 2.0]) * c["age"], "only tlt functions"),
        (lambda c: np.add.reduce(c["age"]), "only tlt functions"),
        (lambda c: c["age"].fillna(0), "tlt.fill_missing takes columns"),
        (lambda c: c["plan"].lower(), "tlt.lower takes columns"),
        (lambda c: c["age"].mean(), "tlt.mean takes columns"),
        (lambda c: c["age"].iloc, "a column stands for values"),
        (lambda c: "a" in c["plan"], "tlt.contains"),
        (lambda c: len(c["plan"]), "tlt.length"),
    ],
)
def test_functions_and_methods_of_other_libraries_are_answered_with_ours(wrong: Any, told: str) -> None:
    with pytest.raises(TransformError, match=r"test_transform_first_frames.py:\d+: the column") as refused:
        tlt.trace(lambda c: {"x": wrong(c)}, RAW)
    assert told in str(refused.value)


def test_integers_that_pandas_made_floats_are_integers_again() -> None:
    """One missing value turns a column of pandas into floats; a whole part of them may be missing in a batch."""
    whole = pd.DataFrame({"n": [1, 2, 3], "plan": ["a", "b", "a"]})
    _, output = tlt.analyze_and_transform(
        whole, lambda c: {"n": tlt.fill_missing(c["n"], 0), "plan": tlt.compute_and_apply_vocabulary(c["plan"])}
    )
    gaps = pd.DataFrame({"n": [1, None, 3], "plan": [None, None, None]})
    wanted = {"n": [1, 0, 3], "plan": [None, None, None]}
    assert output.transform(gaps).to_pydict() == wanted
    assert output.transform_raw_features(gaps).to_pydict() == wanted
    with pytest.raises(FeedError, match=r"column 'n': expected int64: .*3\.5"):
        output.transform(pd.DataFrame({"n": [3.5], "plan": ["a"]}))
    with pytest.raises(FeedError, match="column 'n': expected int64"):
        output.transform(pd.DataFrame({"n": ["x"], "plan": ["a"]}))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda c: c["plan"] + "_x", "tlt.join"),
        (lambda c: f"{c['plan']}_x", "not f-strings"),
        (lambda c: c["plan"][0:1], "tlt.substring"),
        (lambda c: c["age"] == None, "tlt.is_missing"),  # noqa: E711  # the mistake under test
        (lambda c: tlt.fill_missing(c["n"], "none"), "make them one type"),
        (lambda c: tlt.apply_vocabulary(c["plan"], "vocab.txt"), "the vocabulary is the text 'vocab.txt'"),
        (lambda c: c.age, "write inputs['age']"),
    ],
)
def test_an_error_of_a_first_user_names_the_way_that_works(wrong: Any, told: str) -> None:
    with pytest.raises(TransformError, match=r"test_transform_first_frames.py:\d+") as refused:
        tlt.trace(lambda c: {"x": wrong(c)}, RAW)
    assert told in str(refused.value)
    with pytest.raises(AttributeError, match="no 'agee'"):
        tlt.trace(lambda c: {"x": c.agee}, RAW)

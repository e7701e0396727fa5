"""An error while tracing ends with the remedy that fits a user's commonest mistakes."""

from __future__ import annotations

import pytest

import trueline.transform as tlt
from trueline import RawFeature
from trueline._core.errors import TransformError

RAW = [RawFeature("age", "utf8"), RawFeature("hours", "int64"), RawFeature("flag", "bool")]


@pytest.mark.parametrize("make", [tlt.scale_to_z_score, tlt.log, lambda column: tlt.bucketize(column, 3)])
def test_a_text_column_where_numbers_are_needed_says_how_it_came_about_and_how_to_mend_it(make) -> None:
    with pytest.raises(TransformError, match=r"'age' .*not utf8") as caught:
        tlt.trace(lambda inputs: {"x": make(inputs["age"])}, RAW)
    assert caught.value.hint is not None
    assert "'age' is text" in caught.value.hint
    assert "null_values" in caught.value.hint
    assert "parse_number" in caught.value.hint


def test_no_such_remedy_where_the_column_is_no_text() -> None:
    with pytest.raises(TransformError) as caught:
        tlt.trace(lambda inputs: {"x": tlt.lower(inputs["flag"])}, RAW)
    assert "is text" not in str(caught.value)

"""Types of text cells: the class of a column is the join of its values' classes, and no value loses what it says."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline.data.cells import CLASSES, arrow_type_of_class, classify, convert, convert_fixed, join

CELLS = {
    "int": ["0", "7", "-3", "9007199254740992", " 12 ", "1152921504606846976", "-9223372036854775808"],
    "wide": ["9007199254740993", "9223372036854775807", "-9007199254740993"],
    "float": ["0.5", "-0.1", ".5", "1.", "1e5", "-0", "nan", "NaN", "inf", "-Infinity", " 2.5", "0.12345678901234567"],
    "bool": ["true", "false", "True", "FALSE"],
    "timestamp": ["2013-01-01", "2013-01-01 10:00", "2013-01-01T10:00:00.123456"],
    "zoned": ["2013-01-01T10:00:00Z", "2013-01-01 10:00:00+02:00"],
    "utf8": [
        "007", "-007", "00", "+5", "0x10", "9" * 19, "9223372036854775808", "1e400", "", " ", "NA", "null", "tRuE",
        "1,5", "1_000", "2013", "10:00", "٣", "a", "1 2", "2013-01-01T10:00:00.123456789", "2013-02-30", "--5", "yes",
    ],
}  # fmt: skip
CELLS["utf8"].remove("2013")
ALL = [(cell, name) for name, cells in CELLS.items() for cell in cells]
cells = st.one_of(
    st.sampled_from([None, *(c for c, _ in ALL)]),
    st.integers(-(2**65), 2**65).map(str),
    st.floats().map(repr),
    st.text("0123456789+-.eE xnaif:TZ", max_size=8),
)


def text(values):
    return pa.array(values, pa.string())


@pytest.mark.parametrize(("cell", "name"), ALL)
def test_each_cell_has_its_class(cell, name):
    assert classify(text([cell])) == name
    assert classify(text([None, cell, cell])) == name


@settings(deadline=None, max_examples=400)
@given(st.lists(cells, max_size=12), st.data())
def test_a_columns_class_is_the_join_over_any_cut(values, data):
    whole = classify(text(values))
    at = data.draw(st.integers(0, len(values)))
    assert join(classify(text(values[:at])), classify(text(values[at:]))) == whole
    one_by_one = "null"
    for value in values:
        one_by_one = join(one_by_one, classify(text([value])))
    assert one_by_one == whole


@settings(deadline=None, max_examples=300)
@given(st.lists(cells, min_size=1, max_size=12))
def test_converted_values_say_what_the_cells_say(values):
    name = classify(text(values))
    got = convert(text(values), name)
    assert got is not None
    assert got.type == arrow_type_of_class(name)
    for cell, value in zip(values, got.to_pylist(), strict=True):
        if cell is None:
            assert value is None
        elif name in ("int", "wide"):
            assert value == int(cell)
        elif name == "float":
            assert value == float(cell) or (math.isnan(value) and "n" in cell.lower())
            assert "." in cell or "e" in cell.lower() or "n" in cell.lower() or int(value) == int(cell)
        elif name == "utf8":
            assert value == cell


def test_join_is_a_semilattice():
    for a in CLASSES:
        assert join(a, a) == a
        assert join("null", a) == join(a, "null") == a
        for b in CLASSES:
            assert join(a, b) == join(b, a)
            for c in CLASSES:
                assert join(join(a, b), c) == join(a, join(b, c))


def test_a_value_outside_the_class_is_never_converted():
    for cell, own in ALL:
        for name in ("int", "wide", "float", "bool", "timestamp", "zoned"):
            fits = join(own, name) == name
            assert (convert(text([cell]), name) is not None) == fits, (cell, name)


def test_fixed_types_name_the_cells_that_do_not_convert():
    values, bad = convert_fixed(text(["1", "x", None, "007", "+5", "2.5", "0x10", " 4"]), "int64", 99)
    assert values is None
    assert bad == [1, 5, 6]
    values, bad = convert_fixed(text(["1", "007", None, "+5"]), "int64", 99)
    assert (values.to_pylist(), bad) == ([1, 7, None, 5], [])
    assert convert_fixed(text(["a", "1", "b", "c"]), "float64", 2) == (None, [0, 2])
    assert convert_fixed(text(["007"]), "utf8", 1)[0].to_pylist() == ["007"]

"""The interval dot plot of slices: everything that is given stands in it, nothing of the data becomes markup."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline.display.slice_charts import SliceDot, slice_dots

NUMBERS = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))


def texts(html: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(html).iter("text")]


def test_each_slice_has_its_name_value_size_and_the_reference_is_drawn() -> None:
    dots = [SliceDot("a=1", 0.5, 0.4, 0.6, 1200, "bad"), SliceDot("b=2", 0.1, 0.05, 0.2, 90, "good")]
    html = str(slice_dots(dots, label="loss", unit="log loss", reference=0.2, reference_name="all rows"))
    assert {"a=1", "b=2", "0.5, 1,200 rows", "0.1, 90 rows", "all rows 0.2", "log loss"} <= set(texts(html))
    assert html.count("stroke-dasharray") == 1
    assert "var(--bad)" in html
    assert "var(--good)" in html


def test_orders_put_undefined_values_last() -> None:
    dots = [SliceDot("low", 0.1), SliceDot("none", None, note="no rows"), SliceDot("high", 0.9)]
    names = {"low", "none", "high"}
    shown = {o: [t for t in texts(str(slice_dots(dots, label="x", order=o))) if t in names] for o in
             ("given", "ascending", "descending")}  # fmt: skip
    assert shown == {
        "given": ["low", "none", "high"],
        "ascending": ["low", "high", "none"],
        "descending": ["high", "low", "none"],
    }
    assert "undefined" in texts(str(slice_dots(dots, label="x")))
    with pytest.raises(ValueError, match="none of given"):
        slice_dots(dots, label="x", order="sideways")


def test_long_names_are_wrapped_and_told_in_full_to_the_pointer() -> None:
    name = "a very long condition on a column=and a value, " * 6
    html = str(slice_dots([SliceDot(name, 1.0)], label="x"))
    lines = [t for t in texts(html) if "condition" in t or "column" in t]
    assert 2 <= len(lines) <= 3
    assert max(map(len, lines)) <= 46
    assert lines[-1].endswith("…")
    titles = [e.text or "" for e in ET.fromstring(html).iter("title")]
    assert any(name in t for t in titles)


def test_markup_of_the_data_stays_text() -> None:
    html = str(slice_dots([SliceDot("<script>x</script>", 1.0, note='"><b>')], label="<i>", unit="<u>"))
    assert "<script>" not in html
    assert "<b>" not in html
    assert "<script>x</script>" in texts(html)


def test_without_a_value_nothing_is_drawn_but_said() -> None:
    assert "No slice has a value" in str(slice_dots([SliceDot("a", None)], label="x"))
    assert "No slice has a value" in str(slice_dots([], label="x"))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=5), NUMBERS)
def test_any_numbers_give_a_drawing_inside_its_frame(
    rows: list[tuple[float | None, float | None, float | None]], reference: float | None
) -> None:
    dots = [SliceDot(f"s{i}", *row) for i, row in enumerate(rows)]
    tree = ET.fromstring(str(slice_dots(dots, label="x", reference=reference)))
    for element in tree.iter():
        for name in ("x", "x1", "x2", "cx"):
            if name in element.attrib:
                assert 0 <= float(element.attrib[name]) <= 920
    assert "nan" not in " ".join(v for e in tree.iter() for v in e.attrib.values() if v[:1].isdigit())

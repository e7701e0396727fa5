"""Charts and tables of an evaluation: what is drawn is what was given, gaps stay gaps, nothing becomes markup."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from trueline.display.eval_bars import Cells, Histogram, Histograms, cells_view, histograms_view
from trueline.display.eval_chart import Chart, Line, Whisker, chart_view
from trueline.display.eval_page import evaluation_page_html, slice_dot_plot
from trueline.display.eval_tables import interval, name_text, p_text, shown, signed, slices_table, value_cell
from trueline.display.eval_view import Check, EvaluationPage, Failure, Shift, SliceView, Value

EVIL = "<script>alert(1)</script>"


def _paths(html: object, class_: str) -> list[str]:
    return re.findall(rf'd="([^"]*)" class="{class_}"', str(html))


def test_a_line_is_parted_where_a_value_is_missing_and_keeps_its_ends() -> None:
    points = [(0.0, 0.0), (0.5, 0.5), (0.6, math.nan), (0.7, 0.7), (1.0, 1.0)]
    html = chart_view(Chart(EVIL, "x", "y", [Line(EVIL, points)], (0, 1), (0, 1)))
    (path,) = _paths(html, "curve s0")
    assert path.count("M") == 2
    assert "<script>" not in str(html)
    many = [(i / 100_000, i / 100_000) for i in range(100_001)]
    (path,) = _paths(chart_view(Chart("t", "x", "y", [Line("a", many)], (0, 1), (0, 1))), "curve s0")
    assert len(path) < 10_000
    ends = [tuple(map(float, piece.split())) for piece in re.findall(r"[ML]([\d.]+ [\d.]+)", path)]
    assert ends[0][0] < 80
    assert ends[-1][0] > 360


def test_intervals_stand_as_whiskers_and_as_figures() -> None:
    line = Line("a", [(1.0, 0.5), (2.0, 0.7)], [Whisker(1.0, 0.4, 0.6, EVIL), Whisker(2.0, math.nan, 1.0)], dots=True)
    html = str(chart_view(Chart("t", "x", "y", [line])))
    assert html.count('class="whisker s0"') == 1
    assert html.count('class="dot s0"') == 2
    assert "0.4 to 0.6" in html
    assert "&lt;script&gt;" in html


def test_lines_beyond_the_number_of_styles_are_still_drawn() -> None:
    lines = [Line(str(i), [(0.0, i), (1.0, i)]) for i in range(8)]
    html = str(chart_view(Chart("t", "x", "y", lines)))
    assert len(re.findall(r'class="curve s\d"', html)) == 8
    assert {f"s{i}" for i in range(6)} == set(re.findall(r'class="curve (s\d)"', html))


@pytest.mark.parametrize("points", [[], [(0.0, math.nan)], [(math.inf, 1.0)]])
def test_without_a_finite_value_there_is_a_sentence(points: list[tuple[float, float]]) -> None:
    assert "no finite value" in str(chart_view(Chart("t", "x", "y", [Line("a", points)])))


def test_one_point_and_equal_values_have_an_axis() -> None:
    html = str(chart_view(Chart("t", "x", "y", [Line("a", [(1.0, 3.0)])])))
    (path,) = _paths(html, "curve s0")
    assert re.fullmatch(r"M[\d.]+ [\d.]+h\.1", path)


def test_histograms_of_unlike_buckets_are_compared_by_density() -> None:
    """Twice as wide a bucket with twice the rows is as high."""
    one = Histogram("a", [0, 1, 2], [5, 5])
    two = Histogram("b", [0, 2], [10])
    assert one.heights == pytest.approx([one.heights[0]] * 2)
    assert two.heights[0] == pytest.approx(one.heights[0])
    html = str(histograms_view(Histograms("t", "score", [one, two, Histogram(EVIL, [0, 1], [0])])))
    assert html.count('class="area') == 2
    assert "alert" not in html
    assert "nothing to draw" in str(histograms_view(Histograms("t", "x", [])))


def test_cells_say_weights_and_shares_and_of_very_many_classes_the_worst_pairs() -> None:
    html = str(cells_view(Cells("t", ["a", EVIL], ["a", "b"], [[3, 1], [0, 0]])))
    assert "--share:0.750" in html
    assert "75%" in html
    assert "&lt;script&gt;" in html
    names = [f"c{i}" for i in range(60)]
    values = [[1.0 if i == j else 0.0 for j in range(60)] for i in range(60)]
    values[3][7] = 44.0
    many = str(cells_view(Cells("t", names, names, values)))
    assert "60 classes: the 1 pairs" in many
    assert "44" in many


def test_numbers_of_tables_keep_their_sign_and_never_say_zero_for_a_p_value() -> None:
    assert shown(0.123456) == "0.1235"
    assert signed(0.5) == "+0.5000"
    assert signed(-0.5) == "\u22120.5000"
    assert interval(None, 1.0) == ""
    assert "0.0001" in str(p_text(1e-12))
    assert str(p_text(None)) == "–"
    assert str(p_text(math.nan)) == "–"


def test_cells_of_values_say_what_is_undefined_absent_or_approximate() -> None:
    assert "no reason is known" in str(value_cell(Value(None)))
    assert "± 0.001" in str(value_cell(Value(0.5, bound=0.001)))
    assert "✕ gate" in str(value_cell(Value(0.5), failed=True))
    assert str(value_cell(None)).count("–") == 1


def test_names_may_break_at_their_joints_and_are_escaped() -> None:
    assert str(name_text("recall_at_precision")) == "recall_<wbr>at_<wbr>precision"
    assert "<script>" not in str(name_text(EVIL))
    assert "\u202e" not in str(name_text("a\u202eb"))


def test_a_change_is_worse_only_beyond_its_interval_and_by_the_direction() -> None:
    worse = Shift(-0.1, -0.2, -0.05, 0.01, better=True)
    assert worse.said == ("worse", "bad")
    assert replace(worse, better=False).said == ("better", "good")
    assert replace(worse, better=None).said[0] == "changed"
    assert replace(worse, high=0.05).said[0] == "within noise"
    assert replace(worse, low=None).said[0] == ""
    assert Shift(None).said[0] == "undefined"
    assert Shift(0.0, 0.0, 0.0).said[0] == "no change"


def _slices(count: int) -> list[SliceView]:
    return [SliceView(f"k=v{i}", 10 + i, 0, {"auc": Value(i / count, "", i / count, i / count)}) for i in range(count)]


def test_of_very_many_slices_the_lowest_are_drawn_and_the_rest_counted() -> None:
    html = str(slice_dot_plot(_slices(200), "auc"))
    assert "k=v79" in html
    assert "k=v80" not in html
    assert "120 more are in the table" in html
    assert slice_dot_plot(_slices(3), "loss") is None
    worst = str(slice_dot_plot(_slices(200), "auc", lower_is_better=True))
    assert "k=v199" in worst
    assert "k=v119" not in worst


def test_of_thousands_of_slices_those_whose_gate_failed_are_listed_and_the_rest_counted() -> None:
    slices = [SliceView("Overall", 9, 0, {"auc": Value(0.5)}), *_slices(1500)]
    slices[-1] = replace(slices[-1], failed=frozenset({"auc"}))
    html = evaluation_page_html(EvaluationPage("t", False, metrics=["auc"], slices=slices))
    assert "1,001 more slices are in to_table()" in html
    assert html.count("k=<wbr>v1499") == 1
    assert "k=<wbr>v498" not in html


def test_the_column_of_missing_labels_stands_only_where_some_are_missing() -> None:
    some = _slices(2)
    assert "without label" not in str(slices_table(some, ["auc"]))
    assert "without label" in str(slices_table([replace(some[0], missing=2)], ["auc"]))


def test_more_reasons_than_are_read_at_once_are_folded_and_none_is_lost() -> None:
    failures = [Failure("auc", f"k=v{i}", f"auc on k=v{i} is too low.") for i in range(50)]
    checks = [Check("auc", "k=v1", "passed", "fine"), Check("auc", "k=v2", "failed", "not fine")]
    html = evaluation_page_html(EvaluationPage("t", False, failures, metrics=["auc"], checks=checks))
    assert "30 more reasons" in html
    assert html.count("is too low.") == 50
    assert html.index("not fine") < html.index(">fine")

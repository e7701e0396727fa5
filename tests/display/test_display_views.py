"""Views: no value of the data becomes markup, one file that fetches nothing, graphs whose edges avoid the boxes."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from trueline import display
from trueline.display.html import number, percent, table, tag, visible
from trueline.display.layout import layered
from trueline.display.svg import Bucket, GraphNode, bars, graph, histogram

EVIL = "<script>alert('x')</script>\"&"


class Balanced(HTMLParser):
    """Fails on an element that is closed out of order."""

    VOID = frozenset({"meta", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def parse(html: str) -> Balanced:
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    return parser


def statistics(name: str = "fare", rows: int = 10) -> statistics_pb2.DatasetFeatureStatisticsList:
    out = statistics_pb2.DatasetFeatureStatisticsList()
    dataset = out.datasets.add(num_examples=rows)
    numeric = dataset.features.add(type=1)
    numeric.path.step.append(name)
    numeric.num_stats.common_stats.num_non_missing = max(rows - 6, 0)
    numeric.num_stats.common_stats.num_missing = 6
    found = numeric.num_stats.histograms.add(type=0)
    found.buckets.add(low_value=float("-inf"), high_value=float("-inf"), sample_count=1)
    found.buckets.add(low_value=0, high_value=1, sample_count=3)
    text = dataset.features.add(type=2)
    text.path.step.append("company")
    text.string_stats.common_stats.tot_num_values = 12
    text.string_stats.top_values.add(value=EVIL, frequency=7)
    return out


def run_view() -> display.RunView:
    nodes = [
        display.NodeView("A", "COMPLETE", 1.0, {"rows": 3, "metrics": {"auc": 0.5}}),
        display.NodeView(EVIL, "FAILED", 61.0, {}, EVIL, ("A",)),
        display.NodeView("C", "SKIPPED", None, {}, "because", ("A", EVIL, "unknown")),
    ]
    evaluation = display.evaluation_view(
        [((), {"auc": 0.5}), (((EVIL, EVIL),), {"auc": {"undefined": EVIL}})],
        {"ok": False, "failures": [{"sentence": EVIL}], "rubber_stamp": True},
    )
    return display.RunView(EVIL, "1", "FAILED", "today", 62.0, nodes, [display.Section(EVIL, evaluation)], {"rows": 3})


def test_reports_are_whole_escaped_and_fetch_nothing() -> None:
    for html in (
        display.run_report_html(run_view()),
        display.statistics_html(statistics(EVIL), EVIL, statistics(EVIL, 20)),
        display.statistics_html(statistics_pb2.DatasetFeatureStatisticsList()),
    ):
        parsed = parse(html)
        assert parsed.seen.count("script") == 1, "the page's own script and no other"
        assert not {"link", "img", "iframe"} & set(parsed.seen)
        assert not re.search(r"(src|href)\s*=\s*['\"](?!#)", html)
        assert "url(" not in html
        assert "@import" not in html


def test_the_run_report_says_what_happened() -> None:
    html = display.run_report_html(run_view())
    for expected in ("failed", "skipped", "rows 3", "auc 0.5", "because", "1 min 01 s", "does not pass", "undefined"):
        assert expected in html


def test_statistics_mark_what_is_mostly_missing() -> None:
    html = display.statistics_html(statistics())
    assert re.search(r'class="missing-high"[^>]*>60\.0%', html)
    assert "(other values)" in html
    assert "Empty data set" in display.statistics_html(statistics(rows=0))


def test_anomalies() -> None:
    anomalies = anomalies_pb2.Anomalies()
    assert "No anomalies" in str(display.anomalies_view(anomalies))
    info = anomalies.anomaly_info["fare"]
    info.severity = 2
    info.description = EVIL
    html = str(display.anomalies_view(anomalies))
    parse(html)
    assert "error" in html
    assert "<script" not in html


def test_model_view_shows_leakage_and_parity() -> None:
    info = {
        "task": "binary",
        "features": ["a"],
        "signature": {"inputs": [{"name": "a", "dtype": "utf8"}], "outputs": [{"name": "p", "dtype": "float32"}]},
        "parity": {"rows": 5, "worst": None},
        "leakage": [{"feature": "a", "raw": "tips", "path": ["tips", "a"], "label_path": ["tips", "y"]}],
    }
    html = str(display.model_view(info))
    parse(html)
    assert "tips → a" in html
    assert "Probable leakage" in html


@pytest.mark.parametrize(
    ("value", "text"),
    [(15002, "15,002"), (0.91234567, "0.9123"), (1e-9, "1e-09"), (float("nan"), "NaN"), (None, "–"), (True, "yes"),
     (3.0, "3"), (float("-inf"), "-∞"), (123456.789, "123,456.8"), (0, "0")],
)  # fmt: skip
def test_numbers_for_people(value: float | None, text: str) -> None:
    assert number(value) == text


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_text_becomes_markup(text: str, other: str) -> None:
    text, other = text.replace("\r", ""), other.replace("\r", "")
    html = str(tag("p", text, title=other)) + str(table([text], [[other]])) + str(bars([(text, 1.0)], label=other))
    assert set(parse(html).seen) <= {
        "p", "div", "table", "thead", "tbody", "tr", "th", "td", "svg", "title", "rect", "text",
    }  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=25))
def test_layout_gives_every_box_its_own_place(pairs: list[tuple[int, int]]) -> None:
    nodes = [f"n{i}" for i in range(10)]
    edges = [(f"n{min(a, b)}", f"n{max(a, b)}") for a, b in pairs]
    layout = layered(nodes, edges)
    assert len(set(layout.nodes.values())) == len(nodes)
    for (a, b), bends in layout.bends.items():
        layers = [layout.nodes[a][0], *(x for x, _ in bends), layout.nodes[b][0]]
        assert layers == list(range(layers[0], layers[-1] + 1)), "an edge passes every layer once"
        assert not set(bends) & set(layout.nodes.values()), "and no box on its way"


def test_a_cycle_is_drawn_without_its_back_edge() -> None:
    layout = layered(["a", "b"], [("a", "b"), ("b", "a")])
    assert list(layout.bends) == [("a", "b")]
    assert "a to b" in str(graph([GraphNode("a"), GraphNode("b")], [("a", "b")], label="cycle"))


def test_histograms_of_nothing_and_of_one_value() -> None:
    assert "no finite values" in str(histogram([], label="x"))
    assert "no finite values" in str(histogram([Bucket(float("inf"), float("inf"), 3)], label="x"))
    assert "5 to 5: 3" in str(histogram([Bucket(5, 5, 3)], label="x"))
    assert "no values" in str(bars([], label="x"))


def test_findings_say_whom_they_concern_and_how_to_accept_them() -> None:
    anomalies = anomalies_pb2.Anomalies()
    anomalies.anomaly_info["shop"].severity = 1
    anomalies.dataset_anomaly_info.reason.add(type=51)
    findings = [{"feature": "shop", "owner": EVIL, "how_to_accept": f"Add the values.\n+ value: {EVIL}"}]
    html = str(display.anomalies_view(anomalies, findings))
    parse(html)
    assert "(the data set)" in html
    assert "Add the values." in html
    assert "<pre>+ value" in html
    assert "<script" not in html


def test_rows_that_differ_most_come_first() -> None:
    def skew(name: str, diff: int) -> dict[str, object]:
        counts = ("base_count", "test_count", "match_count", "mismatch_count", "base_only", "test_only")
        return {"feature_name": name, **dict.fromkeys(counts, 1), "diff_count": diff}

    found = {"match_stats": {"matching_pairs_count": 12}, "skew_results": [skew("a", 0), skew("b", 5)]}
    html = str(display.skew_view(found))
    parse(html)
    assert html.index("<b>b</b>") < html.index("<b>a</b>")
    assert "matching pairs count" in html


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (0.0, 0, "0%"),
        (1.0, 1, "100%"),
        (0.004, 0, "<1%"),
        (0.996, 0, ">99%"),
        (0.0004, 1, "<0.1%"),
        (0.99993, 1, ">99.9%"),
        (0.5, 0, "50%"),
        (0.343, 1, "34.3%"),
    ],
)
def test_a_share_that_is_not_nothing_is_not_zero_and_one_that_is_not_all_not_a_hundred(
    share: float, digits: int, text: str
) -> None:
    assert percent(share, digits) == text


def test_points_in_time_have_dates_at_the_axis_and_a_deviation_in_days() -> None:
    found = statistics_pb2.DatasetFeatureStatisticsList()
    feature = found.datasets.add(num_examples=2).features.add(type=0)
    feature.path.step.append("at")
    feature.custom_stats.add(name="arrow_type", str="timestamp")
    day = 86_400_000_000
    feature.num_stats.common_stats.num_non_missing = feature.num_stats.common_stats.tot_num_values = 2
    feature.num_stats.std_dev, feature.num_stats.max = 1.5 * day, 3 * day
    for kind in (0, 1):
        feature.num_stats.histograms.add(type=kind).buckets.add(low_value=0, high_value=3 * day, sample_count=2)
    html = display.statistics_html(found)
    assert ">1970-01-01</text>" in html
    assert ">1970-01-04</text>" in html
    assert ">1.5 d</span>" in html


def test_the_page_tells_of_slices_weight_and_asked_for_features_that_the_data_lack() -> None:
    found = statistics()
    found.datasets[0].name = "All Examples"
    found.datasets[0].weighted_num_examples = 4.5
    found.datasets.add(name=EVIL, num_examples=3)
    html = str(display.statistics_view(found, only=["fare", "far"]))
    parse(html)
    assert "1 slice<" in html
    assert "30.0%" in html
    assert EVIL not in html
    assert "10 rows of weight 4.5," in html
    assert "Not in the data: far." in html


def test_letters_that_nobody_sees_or_that_turn_a_text_around_are_written_out() -> None:
    assert visible("a\u202eb\tc\n") == "a\\u202eb\\tc\\n"
    assert visible("größe \N{GRINNING FACE} a\u200db") == "größe \N{GRINNING FACE} a\u200db"
    drawn = str(bars([("\u202eabc", 3.0), ("x" * 40, 1.0)], label="x"))
    assert "75%\u2002\\u202eabc<" in drawn
    assert "25%\u2002xxx" in drawn


def test_infinite_values_are_told_beside_the_name() -> None:
    found = statistics()
    assert "1 infinite" in str(display.statistics_view(found))

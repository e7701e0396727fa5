"""The page of an evaluation: verdict first, what is undefined said with its reason, and no data becomes markup."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trueline._core.errors import ConfigError
from trueline.display.eval_view import PlotGroup
from trueline.display.html import Html
from trueline.model_analysis.config import EvalConfig, EvalOptions, MetricConfig, MetricsSpec, SlicingSpec
from trueline.model_analysis.html import result_html
from trueline.model_analysis.measured import Change, CrossSliceMetrics, Estimate, Measured, SliceMetrics
from trueline.model_analysis.models_html import models_html, models_page
from trueline.model_analysis.models_result import ModelsResult
from trueline.model_analysis.page import array_charts, evaluation_page, page_html
from trueline.model_analysis.plots import ScoreBuckets, binary_plot_data, plots_of
from trueline.model_analysis.plots.store import plots_table, save_plots
from trueline.model_analysis.render import render_plot, render_slicing_metrics
from trueline.model_analysis.result import EvalResult
from trueline.model_analysis.validation import GateFailure, ValidationResult

EVIL = "<script>alert(1)</script>"
WORST = (("c", EVIL),)
REASON = "the slice holds only one of the two classes"


class _Parser(HTMLParser):
    """Tags that are open at the end, scripts, ids, and whatever asks for something outside."""

    VOID = frozenset({"meta", "input", "wbr", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.scripts = 0
        self.ids: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.ids += [v for k, v in attrs if k == "id" and v]
        self.outside += [f"{k}={v}" for k, v in attrs if k in ("src", "href", "srcset", "action")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag in self.VOID or self.open.pop() == tag


def _parsed(html: str) -> _Parser:
    parser = _Parser()
    parser.feed(html)
    assert parser.open == []
    assert parser.outside == []
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    assert len(set(parser.ids)) == len(parser.ids)
    return parser


def _plot(seed: int) -> Estimate:
    rng = np.random.default_rng(seed)
    p, buckets = rng.random(50), ScoreBuckets(20)
    y = (p > rng.random(50)).astype(float)
    state = buckets.sums(buckets.above(p), y, p, np.ones(50))
    return Estimate(None, data=binary_plot_data(state, buckets).to_json())


def _slice(key: Any, value: float | None, base: float | None = None, **more: Any) -> SliceMetrics:
    mine = {
        "auc": Estimate(value, None if value is not None else REASON, 0.01, None, 0.79 if value else None,
                        0.83 if value else None),
        "loss[class_id=1]": Estimate(0.4),
        "samples": Estimate(None, data=[{"text": "</pre><script>x"}]),
    }  # fmt: skip
    other = {"auc": Estimate(base), "loss[class_id=1]": Estimate(0.5)} if base is not None else {}
    changes = {}
    if base is not None and value is not None:
        changes = {"auc": Change(value - base, 0.01, -0.3, -0.1, 0.00001)}
        changes["loss[class_id=1]"] = Change(-0.1, 0.2, -0.5, 0.3, 0.4)
    return SliceMetrics(key, 120, 3, 20, mine | more, other, changes)


def _result(*, baseline: bool = True, ok: bool = False, plots: bool = False, slices: int = 0) -> EvalResult:
    base = 0.9 if baseline else None
    drawn = {"confusion_matrix_plot": _plot(1)} if plots else {}
    found = [_slice((), 0.81, base, **drawn), _slice(WORST, 0.7, base, **drawn), _slice((("c", "y"),), None, base)]
    found += [_slice((("k", f"v{i}"),), 0.5 + i / 1000, base) for i in range(slices)]
    sentence = f"auc on c={EVIL} is 0.7, below the lower bound 0.8 by 0.1."
    failures = () if ok else (GateFailure("auc", f"c={EVIL}", "value_lower", 0.7, 0.8, 0.1, sentence),)
    verdict = ValidationResult(ok, failures, rubber_stamp=not baseline, checks=2)
    cross = CrossSliceMetrics(((), WORST), {"auc": Estimate(0.11, low=0.05, high=0.2)})
    measured = Measured(tuple(found), (((("c", "rare"),), 4),), 5000, 17, (cross,))
    names = ("AUC", "BinaryCrossEntropy", "ConfusionMatrixPlot")
    spec = MetricsSpec([MetricConfig(n, {"name": "loss"} if n == "BinaryCrossEntropy" else {}) for n in names])
    config = EvalConfig([spec], [SlicingSpec(), SlicingSpec(["c"])], EvalOptions(compute_confidence_intervals=True))
    return EvalResult(config, measured, verdict, "binary", {"candidate": {"fingerprint": "f" * 64}})


def _text(html: str) -> str:
    """What a reader sees: no style, no script, no tags."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body.replace("<wbr>", "")))


def test_the_page_is_whole_self_contained_and_escapes_what_comes_from_data(tmp_path: Path) -> None:
    html = page_html(_result(plots=True), str(tmp_path / "page.html"), title=f"A {EVIL}")
    parser = _parsed(html)
    assert parser.scripts == 2
    assert "alert(1)<" not in html.replace("alert(1)&lt;", "")
    assert "<script>x" not in html
    assert html.count("&lt;script&gt;") > 5
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == html


def test_the_verdict_comes_first_with_a_sentence_for_each_reason() -> None:
    text = _text(page_html(_result()))
    assert "The gate is closed: 1 reason." in text
    assert "below the lower bound 0.8 by 0.1." in text
    assert text.index("The gate is closed") < text.index("Candidate and baseline") < text.index("Slices (3)")
    opened = _text(page_html(_result(ok=True)))
    assert "The gate is open: nothing failed." in opened


def test_without_a_baseline_the_page_says_what_was_not_applied_and_compares_nothing() -> None:
    text = _text(page_html(_result(baseline=False)))
    assert "Thresholds on changes were not applied: there was no other model to compare with" in text
    assert "Changes" not in text
    assert "p-value" not in text


def test_what_is_undefined_stands_there_with_its_reason_in_the_open() -> None:
    html = page_html(_result())
    assert f'undefined</span><span class="why">{REASON}' in html
    small = result_html(_result())
    assert f"undefined: <small>{REASON}" in small


def test_changes_say_better_or_worse_by_the_metrics_direction_and_what_noise_explains() -> None:
    page = evaluation_page(_result())
    said = {m: s.said for m, s in page.slices[1].shifts.items()}
    assert said == {"auc": ("worse", "bad"), "loss[class_id=1]": ("within noise", "soft")}
    text = _text(page_html(_result()))
    assert "&lt;\u00a00.0001" in page_html(_result())
    assert "−0.3000 to −0.1000" in text


def test_rows_that_were_left_out_are_counted_and_differences_between_slices_shown() -> None:
    text = _text(page_html(_result()))
    assert "rows without a label 17" in text
    assert "c=rare: below the minimum size 4" in text
    assert "Differences between slices" in text
    assert "Overall minus c=" in text
    assert "Intervals at 95%: delete-a-group jackknife over 32 groups." in text


def test_failed_cells_are_marked_by_word_and_not_by_colour_alone() -> None:
    html = page_html(_result())
    assert html.count("✕ gate") == 2  # among the slices and among the changes
    page = evaluation_page(_result())
    assert [sorted(s.failed) for s in page.slices] == [[], ["auc"], []]
    assert page.primary == ["auc"]


def test_a_threshold_on_a_name_marks_all_keys_of_that_name() -> None:
    result = _result()
    failure = GateFailure("loss", "Overall", "value_upper", 0.4, 0.1, 0.3, "loss on Overall is too high.")
    closed = EvalResult(result.config, result.measured, ValidationResult(False, (failure,)), "binary")
    assert evaluation_page(closed).slices[0].failed == {"loss[class_id=1]"}


def test_plots_of_candidate_and_structured_values_are_on_the_page() -> None:
    html = page_html(_result(plots=True))
    text = _text(html)
    assert "ROC curve" in text
    assert "samples on Overall" in text
    assert '<th scope="col" tabindex="0" class="n" dir="auto">confusion' not in html
    for picture in re.findall(r"<svg[^>]*>", html):
        assert 'role="img"' in picture
        assert "aria-label=" in picture


def test_plots_have_tfmas_shape_and_a_file(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    result = _result(plots=True)
    plots = plots_of(result.measured)
    assert [key for key, _ in plots] == [s.key for s in result.measured.slices]
    matrices = dict(plots)[()][""][""]["confusionMatrixAtThresholds"]["matrices"]
    assert len(matrices) == 22
    assert dict(plots)[(("c", "y"),)] == {}
    path = save_plots(result.measured, str(tmp_path))
    assert path is not None
    table = pq.read_table(path)
    assert table.num_rows == 2
    assert json.loads(table["data"][0].as_py())["matrices"] == matrices
    assert plots_table(_result().measured).num_rows == 0
    assert save_plots(_result().measured, str(tmp_path / "none")) is None


def test_rendered_slices_are_those_of_the_column_or_the_spec_beside_all_rows() -> None:
    shown = _text(str(render_slicing_metrics(_result(slices=4), "k")))
    assert "k=v0" in shown
    assert "Overall" in shown
    assert "c=y" not in shown
    exact = _text(str(render_slicing_metrics(_result(slices=4), slicing_spec=SlicingSpec(feature_values={"k": "v1"}))))
    assert "k=v1" in exact
    assert "k=v0" not in exact
    with pytest.raises(ConfigError, match="There is"):
        render_slicing_metrics(_result(), "cc")
    with pytest.raises(ConfigError, match="not both"):
        render_slicing_metrics(_result(), "c", SlicingSpec())
    assert "<table" in render_slicing_metrics(_result())._repr_html_()


def test_a_rendered_plot_is_of_one_slice(tmp_path: Path) -> None:
    result = _result(plots=True)
    shown = render_plot(result)
    _parsed(shown.to_html(str(tmp_path / "plot.html")))
    assert "ROC curve" in str(shown)
    assert "ROC curve" in str(render_plot(result, SlicingSpec(feature_values={"c": EVIL})))
    with pytest.raises(ConfigError, match="matches several slices"):
        render_plot(result, SlicingSpec(["c"]))
    with pytest.raises(ConfigError, match="matches no slice"):
        render_plot(result, SlicingSpec(["zz"]))
    with pytest.raises(ConfigError, match="ConfusionMatrixPlot"):
        render_plot(_result())
    with pytest.raises(ConfigError, match="There is confusion_matrix_plot"):
        render_plot(result, class_id=1)


def test_the_notebook_view_stays_small_and_says_what_it_leaves_out() -> None:
    html = result_html(_result(slices=300, plots=True))
    assert len(html) < 40_000
    assert "<script" not in html
    assert "253 more slices in <code>to_html()</code>" in html


def _models() -> ModelsResult:
    return ModelsResult({f"one {EVIL}": _result(plots=True), "two": _result(ok=True, slices=3, plots=True)})


def test_several_models_stand_beside_each_other_with_gate_choice_slices_and_common_plots() -> None:
    html = models_page(_models().choose("auc"))
    _parsed(html)
    text = _text(html)
    assert "two was chosen" in text
    assert "below the lower bound 0.8 by 0.1." in text
    assert "k=v2" in text
    assert "Plots: Overall" in text
    assert html.count('<path d="M') >= 1
    assert "&lt;script&gt;" in html
    assert "No model was chosen" not in text
    _parsed(models_page(_models()))


def test_the_small_view_of_several_models_has_no_plots() -> None:
    html = models_html(_models())
    assert "ROC curve" not in html
    assert "auc by slice and model" in html


def test_an_evaluation_of_nothing_is_a_page_too() -> None:
    verdict = ValidationResult(False, (GateFailure("", "", "missing_slice", None, None, None, "There was no slice."),))
    empty = EvalResult(EvalConfig(), Measured(()), verdict, "binary")
    assert "There was no slice." in _text(page_html(empty))
    assert "Gate closed" in result_html(empty)
    assert "No model" not in _text(models_page(ModelsResult({"a": empty})))


def test_values_at_several_thresholds_are_drawn_and_not_dumped() -> None:
    array = {"thresholds": [0.1, 0.5, 0.9], "values": [0.9, None, 0.2], "undefined": [None, REASON, None],
             "lower_bounds": [0.8, None, 0.1], "upper_bounds": [1.0, None, 0.3]}  # fmt: skip
    s = _slice((), 0.8, 0.9, **{"precision[class_id=2]": Estimate(None, data=array)})
    old = _result()
    result = EvalResult(old.config, Measured((s,)), old.validation_result, "binary")
    (chart,) = array_charts(s)
    assert chart.title == "precision[class_id=2]"
    assert [w.x for w in chart.lines[0].whiskers] == [0.1, 0.9]
    assert np.isnan(chart.lines[0].points[1][1])
    text = _text(page_html(result))
    assert "0.1000 to 0.3000" in text or "0.1 to 0.3" in text
    assert "lower_bounds" not in text


def test_other_parts_find_their_place_on_the_page() -> None:
    html = page_html(_result(plots=True), sections=[PlotGroup("Fairness & more", Html("<p>equal odds</p>"))])
    _parsed(html)
    text = _text(html)
    assert text.index("Changes") < text.index("Fairness &amp; more equal odds") < text.index("ROC curve")


def test_a_plot_that_is_undefined_on_a_slice_says_why() -> None:
    old = _result(plots=True)
    lame = _slice((("c", "lame"),), 0.8, 0.9, confusion_matrix_plot=Estimate(None, "2 predictions are missing"))
    slices = (*old.measured.slices[:2], lame)
    result = EvalResult(old.config, Measured(slices), old.validation_result, "binary")
    assert "confusion_matrix_plot is undefined: 2 predictions are missing." in _text(page_html(result))

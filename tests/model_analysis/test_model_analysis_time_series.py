"""Metrics over time: the order is that of the evaluations, gaps stay gaps, and a folder is as good as a result."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trueline._core.errors import ArtifactError, ConfigError
from trueline.model_analysis.config import EvalConfig, MetricConfig, MetricsSpec, SlicingSpec
from trueline.model_analysis.measured import Estimate, Measured, SliceMetrics
from trueline.model_analysis.result import EvalResult
from trueline.model_analysis.time_series import render_time_series
from trueline.model_analysis.validation import ValidationResult


def _result(auc: float | None, *, city: str = "x", extra: bool = False) -> EvalResult:
    metrics = {"auc": Estimate(auc, None if auc else "one class", low=auc and auc - 0.1, high=auc and auc + 0.1)}
    if extra:
        metrics["recall"] = Estimate(0.5)
    slices = (SliceMetrics((), 100, metrics=metrics), SliceMetrics((("city", city),), 40, metrics=metrics))
    config = EvalConfig([MetricsSpec([MetricConfig("AUC")])])
    return EvalResult(config, Measured(slices, rows=100), ValidationResult(True), "binary")


def _rows(html: str) -> list[list[str]]:
    body = html[html.rindex("<tbody>") :]
    rows = re.findall(r"<tr>(.*?)</tr>", body, flags=re.DOTALL)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row, flags=re.DOTALL) for row in rows]
    return [[re.sub(r"<[^>]*>", " ", cell).strip() for cell in row] for row in cells]


def test_evaluations_stand_in_the_order_given_with_intervals_and_gaps() -> None:
    shown = render_time_series({"monday": _result(0.8), "tuesday": _result(None), "friday": _result(0.6, extra=True)})
    rows = _rows(str(shown))
    assert [row[0] for row in rows] == ["monday", "tuesday", "friday"]
    assert rows[0][2].split() == ["0.8000", "0.7000", "to", "0.9000"]
    assert rows[1][2].split() == ["undefined", "one", "class"]
    assert rows[0][3] == "–"
    assert rows[2][3] == "0.5000"
    lines = re.findall(r'class="curve s0"', str(shown))
    assert len(lines) == 2
    path = re.findall(r'd="([^"]*)" class="curve s0"', str(shown))[0]
    assert path.count("M") == 2  # tuesday parts the line


def test_a_slice_that_some_evaluations_lack_is_a_gap() -> None:
    shown = render_time_series([_result(0.8), _result(0.7, city="y")], SlicingSpec(feature_values={"city": "y"}))
    assert [row[1] for row in _rows(str(shown))] == ["no such slice", "40"]


def test_folders_are_named_by_what_tells_them_apart(tmp_path: Path) -> None:
    folders = [tmp_path / run / "evaluation" for run in ("1", "2")]
    for folder, value in zip(folders, (0.8, 0.9), strict=True):
        _result(value).save(str(folder))
    rows = _rows(str(render_time_series([str(folders[0]), folders[1]])))
    assert [row[0] for row in rows] == ["1/evaluation", "2/evaluation"]
    assert rows[1][2].startswith("0.9000")
    page = render_time_series(folders, metrics=["auc"]).to_html(str(tmp_path / "series.html"))
    assert (tmp_path / "series.html").read_text(encoding="utf-8") == page


def test_what_cannot_be_drawn_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no evaluation given"):
        render_time_series([])
    with pytest.raises(ConfigError, match="none of 1 evaluations has a slice"):
        render_time_series([_result(0.8)], SlicingSpec(["zz"]))
    with pytest.raises(ConfigError, match=r"never measured: f1\. There is auc"):
        render_time_series([_result(0.8)], metrics=["f1"])
    with pytest.raises((ArtifactError, FileNotFoundError)):
        render_time_series([str(tmp_path / "nothing")])
    two = _result(0.8).measured.slices
    more = SliceMetrics((("city", "z"),), 5, metrics=two[1].metrics)
    several = EvalResult(EvalConfig(), Measured((*two, more)), ValidationResult(True), "binary")
    with pytest.raises(ConfigError, match="matches several slices"):
        render_time_series([several], SlicingSpec(["city"]))

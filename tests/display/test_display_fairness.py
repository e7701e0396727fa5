"""The slider over thresholds: what is drawn, what is escaped, what moves, what stands without a script."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from trueline.display.fairness_threshold import ThresholdGrid, threshold_explorer

CHROMIUM = shutil.which("chromium")
HOSTILE = "<script>alert('x')</script>\"&"


def grid(**fields: Any) -> ThresholdGrid:
    given: dict[str, Any] = {
        "name": "sex",
        "thresholds": [0.0, 0.25, 0.5, 0.75, 1.0],
        "groups": [("sex=F", 40), ("sex=M", 60)],
        "rates": {"positive_rate": [[1.0, 0.8, 0.5, 0.25, 0.0], [1.0, 0.9, 0.7, 0.25, None]]},
        "gaps": {"demographic_parity": [0.0, 0.1, 0.2, 0.0, None]},
        "start": 2,
    }
    return ThresholdGrid(**(given | fields))


def test_the_first_threshold_stands_in_the_tables_without_a_script() -> None:
    text = str(threshold_explorer(grid()))
    assert '<p class="tl-fair-bar toolbar" hidden>' in text  # shown by the script alone
    assert re.findall(r'data-cell="rates:0:[01]">([^<]*)<', text) == ["0.500", "0.700"]
    assert re.findall(r'data-cell="gaps:0:0">([^<]*)<', text) == ["0.200"]
    rounds = text[text.index("Differences at round thresholds") :]
    assert [rounds.count(value) for value in ("0.000", "0.100", "0.200")] == [2, 1, 1]
    assert 'aria-live="polite"' in text
    assert "Threshold for all groups of sex" in text


def test_the_data_of_the_script_is_the_grid() -> None:
    text = str(threshold_explorer(grid()))
    found = re.search(r'data-grid="([^"]*)"', text)
    assert found is not None
    data = json.loads(html.unescape(found[1]))
    assert data["thresholds"] == ["0", "0.25", "0.5", "0.75", "1"]
    assert data["rates"] == [[[1.0, 0.8, 0.5, 0.25, 0.0], [1.0, 0.9, 0.7, 0.25, None]]]
    assert data["gaps"] == [[[0.0, 0.1, 0.2, 0.0, None]]]


def test_names_of_the_data_are_escaped() -> None:
    made = grid(name=HOSTILE, groups=[(HOSTILE, 1), ("b\u202e", 2)])
    text = str(threshold_explorer(made))
    assert "<script>alert" not in text
    assert text.count("<script>") == 1
    assert "\\u202e" in text


def test_a_criterion_that_is_nowhere_defined_is_said() -> None:
    text = str(threshold_explorer(grid(gaps={"equal_opportunity": [None] * 5})))
    assert "No gap is defined at any threshold." in text


def page(path: Path) -> str:
    import numpy as np

    from trueline.model_analysis import FairnessSpec, fairness_of_table

    rng = np.random.default_rng(0)
    sex = rng.choice(["F", "M"], 400).tolist() + [HOSTILE] * 5
    table = pa.table({"label": rng.integers(0, 2, 405).astype(float), "prediction": rng.random(405), "sex": sex})
    result = fairness_of_table(table, FairnessSpec(["sex"], criteria={"demographic_parity": 0.001}))
    return result.to_html(str(path))


def test_the_page_says_verdict_groups_and_small_ones(tmp_path: Path) -> None:
    text = page(tmp_path / "fair.html")
    for part in ("gate closed", "Groups of sex", "equal opportunity", "At another threshold", "How to read this"):
        assert part in text
    assert re.search(r'class="badge warn"[^>]*>small<', text)
    assert "<script>alert" not in text
    assert not re.search(r"(src|href)=[\"']?https?:", text)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="NOT TESTED HERE: no Chromium; install Debian's package chromium")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_slider_moves_rates_gaps_and_mark(tmp_path: Path, scheme: Any) -> None:
    driver_of = pytest.importorskip("playwright.sync_api", reason="NOT TESTED HERE: playwright is not installed")
    page(tmp_path / "fair.html")
    with driver_of.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        shown = browser.new_page(color_scheme=scheme, viewport={"width": 420, "height": 800})
        problems: list[str] = []
        shown.on("console", lambda message: problems.append(message.text))
        shown.on("pageerror", lambda error: problems.append(str(error)))
        shown.goto(f"file://{tmp_path / 'fair.html'}")
        slider, first = shown.locator(".tl-fair input"), shown.locator("[data-cell='rates:0:0']")
        before, mark = first.inner_text(), shown.locator(".tl-fair-mark").get_attribute("x1")
        slider.focus()
        for _ in range(20):
            shown.keyboard.press("ArrowRight")
        assert shown.locator(".tl-fair output").inner_text() == "0.7"
        assert float(first.inner_text()) < float(before)
        assert shown.locator(".tl-fair-mark").get_attribute("x1") != mark
        assert slider.get_attribute("aria-valuetext") == "threshold 0.7"
        assert shown.evaluate("document.documentElement.scrollWidth") <= 420
        assert problems == []
        browser.close()

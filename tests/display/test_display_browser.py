"""The overview in a real browser: one request, no errors, sorting, filters and charts do what they say."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import trueline.data_validation as dv

playwright = pytest.importorskip("playwright.sync_api", reason="NOT TESTED HERE: playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="NOT TESTED HERE: no Chromium; install Debian's package chromium"
)
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An open page of a comparison, and what it asked for and complained of."""
    columns = {f"n{i}": [float(i), 2.0 * i, None] for i in range(6)} | {
        "word": ["a", "b", "b"],
        "other": ["x", None, "x"],
    }
    stats = dv.generate_statistics(pa.table(columns))
    shifted = dv.generate_statistics(pa.table(columns | {"n3": [90.0, 91.0, 92.0]}))
    path: Path = tmp_path_factory.mktemp("browser") / "page.html"
    html = dv.get_statistics_html(stats, shifted, "train", "eval")
    path.write_text(html, encoding="utf-8")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page()
        page.set_default_timeout(10_000)
        requests: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda r: requests.append(r.url))
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.goto(path.as_uri())
        yield page, requests, complaints
        browser.close()


def _names(page: Any) -> list[str]:
    return [row.get_attribute("data-name") for row in page.locator("tr[data-name]:visible").all()]


def test_the_page_asks_for_nothing_but_itself(view: Any) -> None:
    page, requests, complaints = view
    assert len(requests) == 1
    assert complaints == []
    assert page.locator("svg").count() >= 8


def test_a_click_on_a_head_sorts(view: Any) -> None:
    page, _, _ = view
    page.locator("section[data-kind=numeric] th", has_text="drift").click()
    assert _names(page)[5] == "n3"
    page.locator("section[data-kind=numeric] th", has_text="drift").click()
    assert _names(page)[0] == "n3"
    page.locator("section[data-kind=numeric] th", has_text="Feature").click()
    assert _names(page)[:6] == [f"n{i}" for i in range(6)]


def test_filters_leave_what_fits(view: Any) -> None:
    page, _, _ = view
    page.locator("input[type=search]").fill("n3")
    assert _names(page) == ["n3"]
    assert page.locator("section[data-kind=numeric] .count").inner_text() == "(1 of 6)"
    assert not page.locator("section[data-kind=categorical]").is_visible()
    page.locator("input[type=search]").fill("")
    page.locator("input[data-only=missing]").check()
    assert "word" not in _names(page)
    assert "other" in _names(page)
    page.locator("input[data-only=missing]").uncheck()
    assert len(_names(page)) == 8


def test_charts_change_to_quantiles_and_back(view: Any) -> None:
    page, _, _ = view
    page.locator("select[data-choice=chart]").select_option("quantiles")
    assert page.locator(".c-quantiles svg").first.is_visible()
    assert not page.locator(".c-standard svg").first.is_visible()
    page.locator("select[data-choice=chart]").select_option("standard")
    assert page.locator(".c-standard svg").first.is_visible()


NOTEBOOK = """
.jp-RenderedHTMLCommon table{color:#ddd;table-layout:fixed;margin-left:auto;margin-right:auto}
:not(.jp-RenderedMarkdown).jp-RenderedHTMLCommon td{text-align:right}
.jp-RenderedHTMLCommon tbody tr:nth-child(odd){background:#111}
"""
"""Rules that a notebook has for all tables."""


@pytest.mark.parametrize(
    ("light", "ink", "ground"),
    [("true", "rgb(28, 36, 48)", "rgb(255, 255, 255)"), ("false", "rgb(228, 233, 239)", "rgb(20, 24, 30)")],
)
def test_a_notebook_lends_its_theme_and_not_its_tables(view: Any, light: str, ink: str, ground: str) -> None:
    """Ink and ground fit together whatever the system prefers; no doctype: tables would not inherit."""
    shown = dv.generate_statistics(pa.table({"n": [1.0, 2.0], "word": ["a", "b"]}))._repr_html_()
    page = view[0].context.browser.new_page()
    page.set_content(
        f"<style>{NOTEBOOK}</style><body data-jp-theme-light='{light}'><div class='jp-RenderedHTMLCommon'>{shown}</div>"
    )
    style = "(cell, name) => getComputedStyle(cell)[name]"
    name, figure = page.locator("tr[data-name=n] td b"), page.locator("tr[data-name=n] td.n").first
    assert name.evaluate(style, "color") == ink
    assert figure.evaluate(style, "color") == ink
    assert page.locator(".tl").evaluate(style, "backgroundColor") == ground
    assert page.locator("tr[data-name=n]").evaluate(style, "backgroundColor") == "rgba(0, 0, 0, 0)"
    assert page.locator("tr[data-name=n] td").first.evaluate(style, "textAlign") == "left"
    assert figure.evaluate(style, "textAlign") == "right"
    page.close()

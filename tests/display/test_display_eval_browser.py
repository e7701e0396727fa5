"""The page of an evaluation in a real browser: one request, no errors, sorting by mouse and keys, nothing overflows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trueline.display.eval_chart import Chart, Line, Whisker, charts_view
from trueline.display.eval_page import evaluation_page_html
from trueline.display.eval_view import (
    Check,
    EvaluationPage,
    Failure,
    PairView,
    PlotGroup,
    Shift,
    SliceView,
    Value,
)

playwright = pytest.importorskip("playwright.sync_api", reason="NOT TESTED HERE: playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="NOT TESTED HERE: no Chromium; install Debian's package chromium"),
]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
NAMES = [
    "Overall",
    "c=<script>window.hacked = true</script>",
    "name=" + "x" * 200,
    "name=" + "long words " * 18,
    "city=ירושלים",
    "k=\u202eevil",
    *(f"company={i}, hour={i % 24}" for i in range(54)),
]
METRICS = [f"recall_at_precision_{i}" if i % 3 else f"metric_{i}[class_id={i},unweighted]" for i in range(15)]


def _value(i: int) -> Value:
    if i % 13 == 5:
        return Value(None, "the slice holds only one of the two classes, or no threshold meets the condition")
    middle = (i * 37 % 100) / 100
    return Value(middle, "", middle - 0.03, middle + 0.04)


def _slice(i: int, name: str) -> SliceView:
    values = {m: _value(i + j) for j, m in enumerate(METRICS)}
    shifts = {m: Shift(-0.1, -0.2, -0.05, 0.01 * i, True) for m in METRICS}
    return SliceView(name, 100 + i, i % 3, values, values, shifts, frozenset(METRICS[:1] if i % 7 == 1 else ()))


def _page() -> EvaluationPage:
    slices = [_slice(i, name) for i, name in enumerate(NAMES)]
    lines = [Line("candidate", [(0.0, 0.1), (1.0, 0.9)], [Whisker(1.0, 0.8, 1.0)], dots=True), Line("baseline", [])]
    plots = [PlotGroup(name, charts_view([Chart(name, "x", "y", lines)])) for name in NAMES[:4]]
    return EvaluationPage(
        "A <b>hard</b> page",
        False,
        [
            Failure(METRICS[0], name, f"{METRICS[0]} on {name} is 0.3, below the lower bound 0.6.")
            for name in NAMES[:30]
        ],
        ["Thresholds on changes were not applied."],
        {"labelled rows": 123456, "candidate": "y" * 90},
        METRICS,
        slices,
        pairs=[PairView(f"Overall minus {name}", {m: _value(1) for m in METRICS}) for name in NAMES[:5]],
        checks=[Check(METRICS[0], name, "failed", f"{METRICS[0]} on {name} is 0.3.", 0.01) for name in NAMES],
        intervals="Intervals at 95%.",
        plots=plots,
        left_out=[(NAMES[2], 3)],
        structured=[("samples", '{"a": "</pre><script>window.hacked = true</script>"}')],
        config='{"x": "' + "z" * 300 + '"}',
        primary=METRICS[:1],
        has_baseline=True,
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("evaluation") / "page.html"
    path.write_text(evaluation_page_html(_page()), encoding="utf-8")
    return path


@pytest.fixture
def view(browser: Any, file: Path) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(10_000)
    page.requests, page.complaints = [], []
    page.on("request", lambda r: page.requests.append(r.url))
    page.on("pageerror", lambda e: page.complaints.append(str(e)))
    page.on("console", lambda m: page.complaints.append(m.text) if m.type == "error" else None)
    page.goto(file.as_uri())
    yield page
    page.close()


def test_the_page_asks_for_nothing_but_itself_and_runs_nothing_from_data(view: Any) -> None:
    assert len(view.requests) == 1
    assert view.complaints == []
    assert view.evaluate("window.hacked") is None
    assert view.locator("h1").inner_text() == "A <b>hard</b> page"


@pytest.mark.parametrize("width", [1280, 760, 390, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_at_any_width(view: Any, width: int, scheme: str) -> None:
    view.emulate_media(color_scheme=scheme)
    view.set_viewport_size({"width": width, "height": 900})
    view.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    ink, ground = (
        view.locator(".word").first.evaluate(f"e => getComputedStyle(e.closest('.tl')).{name}")
        for name in ("color", "backgroundColor")
    )
    assert ink != ground


def _first(view: Any) -> list[str]:
    return [cell.inner_text() for cell in view.locator("#slices tbody td.name").all()[:3]]


def test_heads_sort_by_mouse_and_by_keys_and_undefined_comes_last(view: Any) -> None:
    head = view.locator("#slices th", has_text="rows").first
    head.click()
    assert _first(view)[0] == "Overall"
    head.focus()
    view.keyboard.press("Space")
    assert _first(view)[0] == "company=53, hour=5"
    assert head.get_attribute("aria-sort") == "descending"
    head.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    view.locator("#slices th").nth(3).click()
    cells = view.locator("#slices tbody tr td:nth-child(4)")
    texts = [text.split()[0] for text in cells.all_inner_texts()]
    numbers = [float(text) for text in texts if text != "undefined"]
    assert numbers == sorted(numbers)
    assert set(texts[len(numbers) :]) == {"undefined"}


def test_a_filter_leaves_the_slices_that_fit(view: Any) -> None:
    view.locator("input[data-filter=slices]").fill("hour=5")
    shown = view.locator("#slices tbody tr:visible td.name").all_inner_texts()
    assert shown
    assert all("hour=5" in name for name in shown)


def test_the_reason_of_what_is_undefined_can_be_read_without_a_pointer(view: Any) -> None:
    why = view.locator("#slices .why").first
    assert why.is_visible()
    assert why.inner_text().startswith("the slice holds only one")


def test_pictures_and_tables_have_names_and_scrolling_frames_take_keys(view: Any) -> None:
    assert view.locator("svg[role=img]:not([aria-label])").count() == 0
    assert view.locator("table.sortable:not([aria-label])").count() == 0
    assert view.locator(".scroll.pinned:not([tabindex='0'])").count() == 0
    assert view.locator("figure details.figures table").count() > 0


def test_paper_shows_what_is_folded_away_and_cuts_no_table(view: Any) -> None:
    view.set_viewport_size({"width": 700, "height": 900})
    view.emulate_media(media="print")
    view.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    config = view.locator("pre").last
    assert config.is_visible()
    assert view.locator("details.figures:visible").count() == 0
    cut = view.evaluate(
        "Array.from(document.querySelectorAll('table')).filter(t => t.getClientRects().length &&"
        " t.getBoundingClientRect().right > innerWidth + 1).length"
    )
    assert cut == 0
    assert view.evaluate("document.documentElement.scrollWidth") <= 700
    view.evaluate("window.dispatchEvent(new Event('afterprint'))")
    view.emulate_media(media="screen")
    assert not config.is_visible()
    assert len(view.pdf(format="A4")) > 10_000

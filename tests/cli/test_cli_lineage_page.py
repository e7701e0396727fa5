"""The lineage page in a browser: drawn without a script, scrolled and not shrunk, in light and dark, on paper."""

from __future__ import annotations

from itertools import pairwise

import pytest
from runs_cli import EVIL

from trueline.display import LineageEdge, LineageGraph, LineageItem, lineage_html

pytestmark = pytest.mark.slow

CHROMIUM = "/usr/bin/chromium"


def many_runs(count: int) -> LineageGraph:
    """Lines of ten nodes each, every Trainer warm-started from the model before."""
    names = ["CsvExampleGen", "Examples", "StatisticsGen", "ExampleStatistics", "Transform", "TransformGraph"]
    names += ["Trainer", "Model", "Pusher", EVIL]
    items, edges = [], []
    for run in range(count):
        keys = [f"{'ea'[i % 2]}{10 * run + i}" for i in range(10)]
        for i, (key, name) in enumerate(zip(keys, names, strict=True)):
            state = ("COMPLETE", "LIVE")[i % 2]
            kind = ("execution", "artifact")[i % 2]
            items.append(LineageItem(key, kind, name, f"{kind} {key[1:]}", state, {"URI": EVIL}))  # type: ignore[arg-type]
        edges += [LineageEdge(a, b, "x.0") for a, b in pairwise(keys)]
        if run:
            edges.append(LineageEdge(f"a{10 * run - 3}", keys[6], "base_model"))
    return LineageGraph("Thirty runs", items, edges)


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_three_hundred_nodes_are_readable_without_a_script(browser, tmp_path, scheme):
    file = tmp_path / "page.html"
    file.write_text(lineage_html(many_runs(30)))
    page = browser.new_page(viewport={"width": 1000, "height": 700}, color_scheme=scheme, java_script_enabled=False)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    assert asked == [file.as_uri()]
    assert page.locator(".lineage g").count() == 300
    box = page.locator(".lineage svg").bounding_box()
    frame = page.locator(".lineage").bounding_box()
    # The drawing keeps its size and is scrolled within its frame; the page itself does not scroll sideways.
    assert box["width"] > 1500 > frame["width"]
    assert frame["height"] <= 0.83 * 700
    assert page.locator(".lineage text.name").first.bounding_box()["height"] >= 10
    # Hovering tells more, a click leads to the row.
    assert "URI: Mod<b>el</b>" in page.locator(".lineage g title").first.text_content()
    page.locator(".lineage a").first.click()
    assert page.url.endswith("#lineage-e0")
    assert page.locator("#lineage-e0").is_visible()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser, tmp_path, scheme):
    file = tmp_path / "page.html"
    file.write_text(lineage_html(many_runs(1)))
    page = browser.new_page(color_scheme=scheme)
    page.goto(file.as_uri())
    script = """() => [...document.querySelectorAll('.lineage g')].map(g => [
        getComputedStyle(g.querySelector('text.name')).fill, getComputedStyle(document.body).backgroundColor])"""
    for ink, ground in page.evaluate(script):
        assert _contrast(_rgb(ink), _rgb(ground)) >= 7
    page.close()


def test_on_paper_the_whole_drawing_is_there(browser, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(lineage_html(many_runs(3)))
    page = browser.new_page(viewport={"width": 800, "height": 1000})
    page.goto(file.as_uri())
    page.emulate_media(media="print")
    box, frame = page.locator(".lineage svg").bounding_box(), page.locator(".lineage").bounding_box()
    assert box["width"] <= frame["width"] <= 800
    assert page.evaluate("getComputedStyle(document.querySelector('.lineage')).overflow") == "visible"
    assert page.pdf()[:4] == b"%PDF"
    page.close()


def _rgb(text: str) -> tuple[float, ...]:
    return tuple(float(part) / 255 for part in text[text.index("(") + 1 : -1].split(",")[:3])


def _contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """WCAG 2.2's contrast ratio."""
    lights = []
    for colour in (one, other):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)

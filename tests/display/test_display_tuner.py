"""The view of a search: every trial is there, no value becomes markup, odd data are drawn, a browser shows it."""

from __future__ import annotations

import json
import math
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline.display.html import page
from trueline.display.tuner_axes import Axis, objective_axis, parameter_axis
from trueline.display.tuner_search import tuner_view

EVIL = "<script>alert('x')</script>\"&"
RANGES = {
    "rate": {"kind": "float", "low": 1e-4, "high": 0.1, "log": True},
    "depth": {"kind": "int", "low": 2, "high": 9},
    "booster": {"kind": "categorical", "choices": ["gbtree", EVIL, None, True]},
}


class Balanced(HTMLParser):
    """Fails on an element that is closed out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parse(html: str) -> Balanced:
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    return parser


def trial(number: int, state: str, value: float | None, **params: Any) -> dict[str, Any]:
    given = params or {"rate": 0.01, "depth": 3 + number % 5, "booster": EVIL}
    shown = value if value is None or math.isfinite(value) else repr(value)
    return {
        "number": number, "state": state, "value": shown, "params": given, "hyperparameters": given, "reported": [],
        "ranges": {name: RANGES[name] for name in given}, "logged": {}, "seconds": 1.25, "marks": {},
        "error": None if state == "COMPLETE" else EVIL,
    }  # fmt: skip


def result(trials: list[dict[str, Any]], best: int | None = None, **importance: float) -> dict[str, Any]:
    settings = {"objective": EVIL, "direction": "maximize", "take": "last", "sampler": "tpe", "pruner": "median",
                "parallel": 2, "seed": 0}  # fmt: skip
    return {"settings": settings, "fixed": {"kept": EVIL}, "best": best, "importance": importance, "trials": trials}


CASES = {
    "nothing": result([]),
    "one": result([trial(0, "COMPLETE", 0.5)], 0),
    "one parameter": result([trial(i, "COMPLETE", i / 9, depth=i + 2) for i in range(8)], 7, depth=1.0),
    "all failed": result([trial(i, "FAILED", None) for i in range(4)]),
    "no numbers": result(
        [
            trial(0, "FAILED", math.nan),
            trial(1, "PRUNED", -math.inf),
            trial(2, "COMPLETE", 1.0),
            trial(3, "PRUNED", math.nan),
        ],
        2,
    ),
    "equal": result([trial(i, "COMPLETE", 0.5) for i in range(3)], 0),
    "huge": result([trial(0, "COMPLETE", -1.7e308), trial(1, "COMPLETE", 1.7e308), trial(2, "COMPLETE", 5e-324)], 1),
    "conditional": result([trial(0, "COMPLETE", 1.0, depth=2), trial(1, "COMPLETE", 2.0, rate=0.1, depth=9)], 1),
    "outlier": result([trial(i, "COMPLETE", -1e9 if i == 4 else -i / 10) for i in range(12)], 0, rate=0.9, depth=0.1),
}


@pytest.mark.parametrize("name", CASES)
def test_a_view_is_whole_escaped_and_fetches_nothing(name: str) -> None:
    html = page("search", tuner_view(CASES[name]))
    parsed = parse(html)
    assert parsed.seen.count("script") == 1, "the page's own script and no other"
    assert not {"link", "img", "iframe"} & set(parsed.seen)
    assert not re.search(r"(src|href)\s*=", html)
    assert "NaN" not in "".join(re.findall(r'(?:d|cx|cy|x|y|x1|y1|width|height)="[^"]*"', html))
    assert "inf" not in "".join(re.findall(r' (?:d|cx|cy|x|y|x1|y1|width|height)="[^"]*"', html))


def test_every_trial_is_in_the_table_and_in_the_history() -> None:
    html = str(tuner_view(CASES["no numbers"]))
    rows = re.findall(r"<tr>.*?</tr>", html)
    assert sum("badge bad" in r for r in rows) == 1
    assert sum("badge warn" in r for r in rows) == 2
    for number in range(4):
        assert f"trial {number}: " in html
    for text in ("complete (1)", "pruned (2)", "failed (1)", "best so far"):
        assert text in html
    assert str(tuner_view(CASES["all failed"])).count("No trial came to its end") == 1


def test_every_drawing_has_a_name_for_those_who_do_not_see_it() -> None:
    html = str(tuner_view(CASES["outlier"]))
    drawings = re.findall(r"<svg[^>]*>", html)
    assert len(drawings) == 3 + 3
    assert all('role="img"' in d and 'aria-label="' in d for d in drawings)
    assert html.count('tabindex="0" role="region"') == 3
    assert "beyond the axis (1)" in html
    assert "90%" in html


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=30), st.booleans())
def test_every_value_has_a_place_within_the_axis(values: list[float], up: bool) -> None:
    """Law: for any objectives, finite ones lie between 0 and 1 and keep their order."""
    axis = objective_axis("score", values, "maximize" if up else "minimize")
    finite = sorted(v for v in values if math.isfinite(v))
    places = [axis.place(v) for v in finite]
    assert all(p is not None and 0 <= p <= 1 for p in places)
    assert places == sorted(places)
    assert all(0 <= place <= 1 for place, _ in axis.ticks())
    if finite:
        assert not axis.beyond(max(finite) if up else min(finite)), "the best is always on the axis"


@settings(max_examples=100, deadline=None)
@given(st.floats(1e-9, 1e9), st.floats(1.0, 1e9), st.booleans())
def test_ticks_lie_on_their_axis_and_are_told_apart(low: float, factor: float, log: bool) -> None:
    axis = Axis("x", low, low * factor, log)
    ticks = axis.ticks()
    assert ticks
    assert all(0 <= place <= 1 for place, _ in ticks)
    assert [p for p, _ in ticks] == sorted(p for p, _ in ticks)


def test_axes_of_parameters() -> None:
    whole = parameter_axis("depth", [RANGES["depth"]])
    assert all(text.isdigit() for _, text in whole.ticks())
    log = parameter_axis("rate", [RANGES["rate"]])
    assert [text for _, text in log.ticks()] == ["0.0001", "0.001", "0.01", "0.1"]
    first, second = log.place(0.001), log.place(0.01)
    assert first is not None
    assert second is not None
    assert second - first == pytest.approx(first - (log.place(0.0001) or 0.0))
    choices = parameter_axis("booster", [RANGES["booster"], {"kind": "categorical", "choices": ["gbtree", 5]}])
    assert choices.choices == ("gbtree", EVIL, "null", "true", "5")
    assert choices.place("unknown") is None
    assert log.place("text") is None
    assert log.place(-1.0) is None


CHROMIUM = shutil.which("chromium")


@pytest.mark.frameworks
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; install Debian's package chromium")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_it_at_two_widths_and_sorts_by_keys(tmp_path: Path, scheme: Any) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    path = tmp_path / "search.html"
    path.write_text(page("search", tuner_view(CASES["outlier"])), encoding="utf-8")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-quic"])
        shown = browser.new_page(color_scheme=scheme)
        complaints: list[str] = []
        requests: list[str] = []
        shown.on("pageerror", lambda e: complaints.append(str(e)))
        shown.on("request", lambda r: requests.append(r.url))
        for width in (1200, 400):
            shown.set_viewport_size({"width": width, "height": 800})
            shown.goto(path.as_uri())
            assert shown.evaluate("document.documentElement.scrollWidth") == width, "what is wide scrolls by itself"
            colours = "e => [getComputedStyle(e).fill, getComputedStyle(document.body).backgroundColor]"
            ink, ground = shown.locator("svg circle").first.evaluate(colours)
            assert ink != ground
        head = shown.locator("th", has_text=re.compile("^Took")).locator("xpath=preceding-sibling::th").nth(2)
        head.focus()
        shown.keyboard.press("Enter")
        shown.keyboard.press("Enter")
        numbers = [row.inner_text() for row in shown.locator("table:last-of-type tbody tr td:first-child").all()][-12:]
        assert numbers[-1] == "4", "the worst is last when the best is first"
        assert complaints == []
        assert len(requests) == 2
        browser.close()


def test_the_view_is_made_of_json() -> None:
    assert str(tuner_view(json.loads(json.dumps(CASES["no numbers"])))) == str(tuner_view(CASES["no numbers"]))

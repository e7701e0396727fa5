"""The what-if page in Chromium: an edited row gets the number that Python computes, offline and from the local app."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from web_what_if_rows import SHOPS

from trueline.model_analysis import WhatIf, what_if
from trueline.models import Model

CHROMIUM = shutil.which("chromium")
RUNTIME = Path(__file__).parents[2] / ".venvs" / "web" / "node_modules" / "onnxruntime-web" / "dist"
playwright = pytest.importorskip("playwright.sync_api", reason="NOT TESTED HERE: playwright is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="NOT TESTED HERE: no Chromium; install Debian's package chromium"),
    pytest.mark.skipif(not RUNTIME.exists(), reason="NOT TESTED HERE: no onnxruntime-web; run scripts/web_env.sh"),
]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
Open = Callable[..., Any]
TYPED = {
    "miles": "7.25", "fare": "NaN", "hour": "3", "number": "1152921504606846999", "shop": SHOPS[2],
    "tags": '["a", "b", "z"]', "position": "[0.5, -2]", "when": "2024-05-01T23:00",
}  # fmt: skip
"""Feature -> what is typed."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Open]:
    """Opens an address in a page that complains of nothing, reaches nothing else, and runs nothing of the data."""
    pages = []

    def open_(address: str, scheme: str = "light", width: int = 1280) -> Any:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.set_default_timeout(20_000)
        page.asked, page.complaints = [], []
        page.on("request", lambda r: page.asked.append(r.url))
        page.on("pageerror", lambda e: page.complaints.append(str(e)))
        page.on("console", lambda m: page.complaints.append(m.text) if m.type == "error" else None)
        page.goto(address)
        page.wait_for_selector("body[data-curves]")
        assert page.get_attribute("body", "data-state") == "ready"
        pages.append(page)
        return page

    yield open_
    for page in pages:
        assert page.evaluate("window.hacked") is None
        assert page.inner_text("#alert") == ""
        assert page.complaints == []
        page.close()


def written(made: WhatIf, folder: Path, **more: Any) -> str:
    made.to_html(str(folder / "page.html"), runtime=str(RUNTIME), **more)
    return (folder / "page.html").as_uri()


def settled(page: Any, act: Callable[[], Any]) -> None:
    """Does something to the page, and waits for what the models say of it."""
    page.evaluate("delete document.body.dataset.answered; delete document.body.dataset.curves")
    act()
    page.wait_for_selector("body[data-answered][data-curves]")


def scores(page: Any, model: int = 0) -> list[float]:
    found = page.locator(f'.model[data-model="{model}"] [data-score]')
    return [float(t) for t in found.evaluate_all("all => all.map((e) => e.dataset.score)")]


def row_of(page: Any, names: list[str]) -> dict[str, Any]:
    """The row as the page has it, for Python's own prediction."""
    values: list[Any] = page.evaluate("whatIf.values.map((v) => typeof v === 'bigint' ? {big: String(v)} : v)")
    plain = [int(v["big"]) if isinstance(v, dict) else v for v in values]
    fields = page.evaluate("whatIf.about.fields.map((f) => f.name)")
    return {n: v for n, v in zip(fields, plain, strict=True) if n in names}


def expected(model: Model, page: Any) -> list[float]:
    row = row_of(page, [f.name for f in model.runtime.inputs])
    found = model.outputs_of([row])
    return [float(v) for v in found["prediction" if model.classes is None else "probabilities"].reshape(-1)]


def edit_all(page: Any, model: Model) -> list[str]:
    """Edits each control that there is, one after the other; the features that were edited."""
    done = []
    for name, value in TYPED.items():
        field = page.locator(f'.field[data-feature="{name}"] input[type=text]')
        if field.count():
            settled(page, lambda field=field, value=value: field.fill(value))
            assert scores(page) == pytest.approx(expected(model, page), abs=1e-6), name
            done.append(name)
    flag = page.locator('.field[data-feature="shared"] select')
    if flag.count():
        now = flag.input_value()
        settled(page, lambda: flag.select_option("false" if now == "true" else "true"))
        assert scores(page) == pytest.approx(expected(model, page), abs=1e-6)
        done.append("shared")
    missing = page.locator('.field[data-feature="miles"] input[type=checkbox]')
    settled(page, missing.check)
    assert scores(page) == pytest.approx(expected(model, page), abs=1e-6)
    return done


@pytest.mark.parametrize(
    ("kind", "least"),
    [("binary", {"miles", "fare", "shop", "tags", "when"}), ("classes", {"shop"}), ("number", {"number"})],
)
def test_an_edited_row_gets_the_number_that_python_computes(
    kind: str, least: set[str], request: pytest.FixtureRequest, table: pa.Table, tmp_path: Path, opened: Open
) -> None:
    model: Model = request.getfixturevalue(kind)
    page = opened(written(what_if(model, table.slice(3), rows=40, facets=["shop"]), tmp_path))
    first = scores(page)
    assert first == pytest.approx(expected(model, page), abs=1e-6)
    assert least <= set(edit_all(page, model))
    assert scores(page) != first
    page.get_by_role("button", name="Undo all edits").click()
    assert scores(page) == first
    assert len(page.asked) == 1 + sum(a.startswith("blob:") for a in page.asked)


def test_files_beside_the_page_do_the_same(
    binary: Model, smaller: Model, table: pa.Table, tmp_path: Path, opened: Open
) -> None:
    made = what_if(binary, table.slice(3), compare=smaller, rows=30)
    page = opened(written(made, tmp_path, beside=True))
    settled(page, lambda: page.fill('.field[data-feature="miles"] input[type=text]', "9"))
    for m, model in enumerate((binary, smaller)):
        assert scores(page, m) == pytest.approx(expected(model, page), abs=1e-6)


def served(made: WhatIf) -> tuple[Any, str]:
    """The app in a thread; how it is ended, and its address."""
    import uvicorn

    from trueline.web.what_if import _listening, what_if_app

    listening = _listening(0)
    server = uvicorn.Server(uvicorn.Config(what_if_app(made, "t" * 24), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()

    def end() -> None:
        server.should_exit = True
        thread.join(20)
        listening.close()

    return end, f"http://127.0.0.1:{listening.getsockname()[1]}/{'t' * 24}/"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_model_that_no_browser_runs_answers_through_the_app(host: Model, table: pa.Table, opened: Open) -> None:
    end, address = served(what_if(host, table.slice(3), rows=30))
    try:
        page = opened(address)
        assert scores(page) == pytest.approx(expected(host, page), abs=1e-6)
        settled(page, lambda: page.fill('.field[data-feature="shop"] input[type=text]', "a much longer name"))
        assert scores(page) == pytest.approx(expected(host, page), abs=1e-6)
        assert all(a.startswith(address) for a in page.asked if not a.startswith("data:"))
        page.fill('.field[data-feature="miles"] input[type=text]', "far")
        page.wait_for_selector('.field[data-feature="miles"] [aria-invalid=true]')
        assert "expected float64" in page.inner_text('.field[data-feature="miles"] .wrong')
        page.complaints.clear()  # the refusal itself is told in the console
        settled(page, lambda: page.fill('.field[data-feature="miles"] input[type=text]', "2"))
        assert page.locator("[aria-invalid]").count() == 0
    finally:
        end()


def test_wrong_values_stand_beneath_their_fields(binary: Model, table: pa.Table, tmp_path: Path, opened: Open) -> None:
    page = opened(written(what_if(binary, table.slice(3), rows=20), tmp_path))
    before = scores(page)
    page.fill('.field[data-feature="hour"] input[type=text]', "1.5")
    page.wait_for_selector('.field[data-feature="hour"] [aria-invalid=true]')
    assert "expected int64" in page.inner_text('.field[data-feature="hour"] .wrong')
    assert scores(page) == before
    assert "stale" in (page.get_attribute("#answer", "class") or "")
    settled(page, lambda: page.fill('.field[data-feature="hour"] input[type=text]', "5"))
    assert page.locator("#answer.stale").count() == 0


def test_the_nearest_other_row_can_be_taken_over(binary: Model, table: pa.Table, tmp_path: Path, opened: Open) -> None:
    page = opened(written(what_if(binary, table.slice(3), rows=60), tmp_path))
    said = page.inner_text(".said")
    for _ in range(12):
        take = page.locator("#nearest button:has-text('take')")
        if page.inner_text(".said") != said or not take.count():
            break
        settled(page, lambda take=take: take.first.click())
    assert page.inner_text(".said") != said
    assert page.locator("#editor .changed").count() >= 1


def test_a_threshold_moves_counts_and_outcomes(binary: Model, table: pa.Table, tmp_path: Path, opened: Open) -> None:
    page = opened(written(what_if(binary, table.slice(3), rows=60, facets=["shared"]), tmp_path))

    def counts() -> list[int]:
        return [int(t) for t in page.locator("#counts tbody tr").first.locator("td").all_inner_texts()[:5]]

    rows, tp, fp, fn, tn = counts()
    assert rows == tp + fp + fn + tn > 40
    page.locator("#threshold").fill("0")
    page.wait_for_timeout(300)
    assert counts() == [rows, tp + fn, fp + tn, 0, 0]
    assert page.locator("#counts tbody tr").count() == 4
    page.get_by_role("button", name="The model's own").click()
    page.wait_for_timeout(300)
    assert counts() == [rows, tp, fp, fn, tn]


def test_rows_are_picked_sorted_and_filtered(binary: Model, table: pa.Table, tmp_path: Path, opened: Open) -> None:
    page = opened(written(what_if(binary, table.slice(3), rows=30, worst=4), tmp_path))
    page.locator("#rows .open").nth(3).focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    place = page.inner_text("#rows .open[aria-pressed=true]")
    assert f"row {place} " in page.inner_text("#answer")
    page.select_option("#why", "worst error")
    assert page.locator("#rows tbody tr").count() == 4
    page.get_by_role("button", name=re.compile("^p\\(")).click()
    shares = [float(t.split()[0]) for t in page.locator("#rows tbody td:nth-child(3)").all_inner_texts()]
    assert shares == sorted(shares)
    page.get_by_role("button", name="Next row").click()
    page.locator("#scatter .mark").nth(2).click(force=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 700, 360])
def test_nothing_overflows_and_all_can_be_read(
    binary: Model, table: pa.Table, tmp_path: Path, opened: Open, scheme: str, width: int
) -> None:
    made = what_if(binary, table.slice(3), rows=20, near=2, worst=2, facets=["shop"])
    page = opened(written(made, tmp_path), scheme, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ink, ground = (page.evaluate(f"getComputedStyle(document.body).{n}") for n in ("color", "backgroundColor"))
    assert ink != ground
    page.emulate_media(media="print")
    assert page.locator("#rows tbody tr:visible").count() == 1  # on paper the row that is looked at, not all of them
    assert width < 700 or page.evaluate("document.documentElement.scrollWidth") <= width
    page.emulate_media(media="screen")
    unnamed = page.evaluate(
        "[...document.querySelectorAll('input, select, button')].filter((e) => !e.labels?.length && !e.ariaLabel && "
        "!e.textContent.trim() && e.type !== 'hidden').map((e) => e.outerHTML)"
    )
    assert unnamed == []

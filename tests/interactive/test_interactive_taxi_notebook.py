"""The taxi notebook in a real kernel: it runs, its page reads in light and dark, its export is the same line."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from interactive_nodes import EXAMPLES

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

TAXI = EXAMPLES / "taxi"
CHROMIUM = "/usr/bin/chromium"
EXPORTED = "out/notebook-line/pipeline.py"
MAIN = "from trueline.cli import main; main()"


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A copy of the example in which the notebook has run; ``done.ipynb`` is the notebook with its outputs."""
    import nbformat
    from nbclient import NotebookClient

    folder = tmp_path_factory.mktemp("taxi")
    shutil.copytree(TAXI / "data", folder / "data")
    shutil.copy(TAXI / "model.py", folder)
    notebook = nbformat.read(TAXI / "taxi.ipynb", 4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    nbformat.write(notebook, folder / "done.ipynb")
    return folder


def results(folder: Path) -> list[str]:
    """The HTML of each cell that shows something."""
    cells = json.loads((folder / "done.ipynb").read_text())["cells"]
    outputs = [output for cell in cells if cell["cell_type"] == "code" for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "stream"], "nothing but results is printed"
    return ["".join(o["data"]["text/html"]) for o in outputs if "text/html" in o.get("data", {})]


def test_the_notebook_in_the_repository_holds_no_outputs():
    notebook = json.loads((TAXI / "taxi.ipynb").read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(code) >= 12
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_each_node_shows_itself(work):
    shown = results(work)
    nodes = [match[1] for html in shown if (match := re.search(r"<div class='tl'><p><b>(\w+)</b>", html))]
    assert nodes == [
        "CsvExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "Transform", "Trainer",
        "LatestBlessedModel", "Evaluator", "InfraValidator", "Pusher", "ModelCardGenerator",
    ]  # fmt: skip
    assert "cannot be shown" not in "".join(shown)
    assert 'class="lineage"' in shown[-1]
    assert "CsvExampleGen" in shown[-1], "what was pushed goes back to the data"


def fingerprints(metadata: str) -> dict[str, str]:
    """Content fingerprints by type, of the newest artifact of each type and node."""
    from trueline.metadata import MetadataStore
    from trueline.pipeline.handles import FINGERPRINT

    store = MetadataStore(metadata)
    try:
        return {
            f"{a.type} {Path(str(a.uri)).parent.name}": str(a.custom_properties[FINGERPRINT])
            for a in store.artifacts()
            if FINGERPRINT in a.custom_properties
        }
    finally:
        store.close()


def test_the_exported_line_finds_all_in_the_cache_and_elsewhere_makes_the_same_bits(work):
    def run(*more: str) -> None:
        command = [sys.executable, "-c", MAIN, "run", EXPORTED, *more]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr

    from trueline.metadata import MetadataStore, RunStore

    notebook = f"sqlite:///{work / 'out' / 'notebook' / 'metadata.db'}"
    before = fingerprints(notebook)
    run()
    store = MetadataStore(notebook)
    newest = max(RunStore(store).runs(), key=lambda record: record.run_id)
    states = {node.node_id: node.state for node in RunStore(store).run(newest.run_id).nodes}
    store.close()
    assert len(states) == 11
    assert {name for name, state in states.items() if state == "CACHED"} == {*states} - {"LatestBlessedModel"}
    run("--param", f"root={work / 'elsewhere'}")
    after = fingerprints(f"sqlite:///{work / 'elsewhere' / 'metadata.db'}")
    assert before.keys() == after.keys()
    assert len(before) >= 15
    assert {key for key in before if before[key] != after[key]} <= {"PushedModel pushed_model"}, "its version is a time"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_of_the_notebook_follows_its_theme_and_fetches_nothing(work, theme):
    import nbformat
    from nbconvert import HTMLExporter

    playwright = pytest.importorskip("playwright.sync_api")
    exporter = HTMLExporter(theme=theme, require_js_url="", mathjax_url="", mermaid_js_url="")
    file = work / f"{theme}.html"
    file.write_text(exporter.from_notebook_node(nbformat.read(work / "done.ipynb", 4))[0])
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        # The reader's system says the opposite: the notebook's own theme counts.
        page = browser.new_page(
            color_scheme="light" if theme == "dark" else "dark", viewport={"width": 1200, "height": 900}
        )
        asked: list[str] = []
        errors: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(file.as_uri())
        assert [url for url in asked if url.startswith("http")] == []
        assert [error for error in errors if "trueline" in error or "tl" in error] == []
        outputs = page.locator(".jp-OutputArea-output .tl")
        assert outputs.count() == 12
        for i in range(outputs.count()):
            assert outputs.nth(i).bounding_box()["height"] > 60
            assert len(outputs.nth(i).inner_text()) > 40
        paper, ink, line = page.evaluate(
            "() => { const of = (e, p) => getComputedStyle(e).getPropertyValue(p);"
            " const t = document.querySelector('.jp-OutputArea-output .tl'), e = document.querySelector('.ev');"
            " return [of(t, 'background-color'), of(t, 'color'), of(e, '--s0')] }"
        )
        assert (paper, ink, line.strip()) == {
            "light": ("rgb(255, 255, 255)", "rgb(28, 36, 48)", "#2563b0"),
            "dark": ("rgb(20, 24, 30)", "rgb(228, 233, 239)", "#6aa5ee"),
        }[theme]
        browser.close()

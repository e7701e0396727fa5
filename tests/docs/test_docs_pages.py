"""What the pages show is true: every Python block runs, every marked command prints what the page says it prints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from docs_blocks import ROOT, blocks_of, pages
from docs_machine import HEAVY, Machine, installed

PAGES = [page for page in pages() if page not in ("README.md", "docs/reference.md")]
SLOW = frozenset(
    {
        "docs/tutorial.md", "docs/howto/batch_inference.md", "docs/howto/component.md", "docs/howto/registry.md",
        "docs/howto/running.md", "docs/howto/train.md", "docs/howto/validate.md",
    }
)  # whole lines, more than once  # fmt: skip
MARKED = [pytest.param(page, marks=pytest.mark.slow) if page in SLOW else page for page in PAGES]
NEEDED = {"import torch": "torch", "RayEngine(": "ray"}
HEAVY_PAGES = [page for page in PAGES if any(HEAVY in block.needs for block in blocks_of(page))]
CHURN = ("data", "model.py", "pipeline.py", "serving", "trueline-out")


@pytest.fixture(scope="module")
def readme(tmp_path_factory):
    """The README carried out: its line has run, its model is pushed and served."""
    folder = tmp_path_factory.mktemp("readme") / "churn"
    folder.mkdir()
    made = subprocess.run([sys.executable, ROOT / "docs" / "customers.py"], capture_output=True, check=True, timeout=60)
    (folder / "data").mkdir()
    (folder / "data" / "customers.csv").write_bytes(made.stdout)
    machine = Machine(folder)
    try:
        for block in blocks_of("README.md"):
            machine.carry_out(block)
        yield machine
    finally:
        machine.close()


@pytest.fixture
def reader(readme, tmp_path, monkeypatch):
    """A reader's folder with the README's line in it, and imports that are forgotten again."""
    folder = tmp_path / "churn"
    folder.mkdir()
    for name in CHURN:
        place = readme.folder / name
        if name == "trueline-out":
            continue
        (shutil.copytree if place.is_dir() else shutil.copy)(place, folder / name)
    for name in ("model", "pipeline", "steps"):  # of another project that this process has imported
        sys.modules.pop(name, None)
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(folder))
    machine = Machine(folder)
    yield machine
    machine.close()
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.slow
def test_the_readme_line_trains_is_blessed_and_pushed(readme):
    import json

    from trueline import Model
    from trueline.model_analysis import EvalResult

    rows = (readme.folder / "data" / "customers.csv").read_text().splitlines()
    assert sum(line.startswith(",") for line in rows) > 100, "ages are missing"
    (version,) = (readme.folder / "serving" / "churn").iterdir()
    model = Model.load(str(version))
    assert [feature.name for feature in model.runtime.inputs] == ["age", "plan", "support_calls", "months"]
    root = readme.folder / "trueline-out" / "churn"
    (evaluation,) = (root / "Evaluator" / "evaluation").iterdir()
    auc = EvalResult.load(str(evaluation)).plain_metrics()["auc"]
    assert 0.85 < auc < 1, "the customers can be told apart, and not without error"
    (blessing,) = (root / "Evaluator" / "blessing").iterdir()
    assert (blessing / "BLESSED").exists()
    (pushed,) = (root / "Pusher" / "pushed_model").iterdir()
    assert json.loads((pushed / "pushed.json").read_text())["version"] == int(version.name)


@pytest.mark.slow
def test_the_readme_has_its_commands_carried_out(readme):
    ran = [block.place for block in readme.executed]
    assert len(ran) == 6, "pipeline.py, model.py, the commands, data alone: code, output, commands"
    assert any(command.startswith("trueline stats") for command in readme.outputs)
    assert (readme.folder / "stats.html").stat().st_size > 10_000


@pytest.mark.skipif(shutil.which("curl") is None or os.name != "posix", reason="the pages ask with curl in a shell")
@pytest.mark.parametrize("page", MARKED)
def test_a_page_is_true(page, reader):
    for words, package in NEEDED.items():
        if any(words in block.text for block in blocks_of(page)):
            pytest.importorskip(package, reason=f"NOT TESTED HERE: {page} needs {package}")
    for block in blocks_of(page):
        reader.carry_out(block)
    asked = [b.place for b in blocks_of(page) if b.language in ("python", "diff", "js")]
    done = {b.place for b in [*reader.executed, *reader.left_out]}
    assert [place for place in asked if place not in done] == []


@pytest.mark.frameworks
@pytest.mark.skipif(shutil.which("curl") is None or os.name != "posix", reason="the pages ask with curl in a shell")
@pytest.mark.filterwarnings("ignore")  # what frameworks say of each other
@pytest.mark.parametrize("page", HEAVY_PAGES)
def test_a_page_is_true_with_heavy_frameworks(page, reader, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    reader.heavy = True
    for block in blocks_of(page):
        reader.carry_out(block)
    assert any(HEAVY in block.needs for block in reader.executed)
    assert [b.place for b in reader.left_out if HEAVY in b.needs and "tensorflow" not in b.needs] == []


@pytest.mark.parametrize(
    ("place", "package"),
    [(b.place, package) for page in PAGES for b in blocks_of(page) for package in b.needs if package != HEAVY],
)
def test_a_block_that_needs_more_is_carried_out(place, package):
    """It ran with its page, or stands among the skipped tests."""
    assert installed(package) or pytest.skip(f"NOT TESTED HERE: {place} needs {package}")


@pytest.mark.slow  # `make test-slow` is what installs onnxruntime-web
@pytest.mark.parametrize("page", [page for page in PAGES if any(b.language == "js" for b in blocks_of(page))])
def test_a_page_is_true_in_node(page, tmp_path):
    if not installed("node"):
        pytest.skip(f"NOT TESTED HERE: {page} needs node and onnxruntime-web")
    (tmp_path / "reader").mkdir()
    machine = Machine(tmp_path / "reader")
    try:
        for block in blocks_of(page):
            machine.carry_out(block)
    finally:
        machine.close()
    assert any(block.language == "js" for block in machine.executed)


def test_every_command_block_is_marked():
    """A block of commands that is not carried out stands there by choice, with the reason on the line before it."""
    unmarked = {
        block.place
        for page in pages()
        for block in blocks_of(page)
        if block.language in ("console", "sh") and "run" not in block.flags
    }
    assert unmarked == set()


def test_pages_are_found():
    assert {"docs/tutorial.md", "docs/howto/serve.md", "docs/howto/evaluate.md"} <= set(PAGES)
    assert Path(ROOT / "docs" / "reference.md").exists()

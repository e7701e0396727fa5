"""What a cache key holds beside code and inputs: packages, files that code reads, samples; and what a miss says."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa
from test_pipeline_packages import install

from trueline._core import store
from trueline._core.errors import ConfigError
from trueline.metadata import MetadataStore
from trueline.metadata.own_tables import cache_entry
from trueline.metadata.runs import RunStore
from trueline.pipeline import Component, ExecutionContext, Out, Pipeline, UserFunction, compile_pipeline
from trueline.pipeline.artifacts import Schema
from trueline.pipeline.cache import Key, cache_key, code_of, unsettled
from trueline.pipeline.reasons import KEY_FORMAT, differences, earlier_entry, why
from trueline.pipeline.run_context import RunContext
from trueline.runners import LocalRunner

MODEL = """
from pathlib import Path
import fakelib_of_parts
from helper_of_parts import shift, DEPTH

HERE = Path(__file__).parent
LIMIT = 3

def scale(x, steps=2):
    words = (HERE / "data" / "words.txt").read_text()
    return x * LIMIT * steps + shift() + len(words) + fakelib_of_parts.N
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    site, folder = tmp_path / "site-packages", tmp_path / "project"
    site.mkdir()
    (folder / "data").mkdir(parents=True)
    install(site, "fakelib-of-parts", "1.0", "fakelib_of_parts/__init__.py")
    (site / "fakelib_of_parts" / "__init__.py").write_text("N = 7\n")
    (folder / "data" / "words.txt").write_text("abc")
    (folder / "helper_of_parts.py").write_text("DEPTH = 1\n\ndef shift():\n    return DEPTH\n")
    (folder / "model_of_parts.py").write_text(MODEL)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in ("model_of_parts", "helper_of_parts", "fakelib_of_parts"):
        sys.modules.pop(name, None)


def apply(ctx: ExecutionContext) -> None:
    store.write_text(ctx.output("out").path("x.txt"), str(ctx.function("fn")(2)))


class Apply(Component):
    OUTPUTS = {"out": Out(Schema)}  # noqa: RUF012
    EXECUTOR = apply

    def __init__(self, file: Path, name: str = "scale") -> None:
        super().__init__(params={"fn": UserFunction.of(f"{file}:{name}"), "depth": None})


def line(project: Path, root: Path) -> Pipeline:
    return Pipeline("line", [Apply(project / "model_of_parts.py")], root=root)


def key_of(project: Path, params: dict[str, Any] | None = None, sample: int | None = None) -> Key:
    plan = compile_pipeline(line(project, project / "root"))
    run = cast(RunContext, SimpleNamespace(plan=plan, sample=sample))
    return cache_key(run, plan.nodes[0], {}, params)


def edit(file: Path, old: str, new: str) -> None:
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    importlib.invalidate_caches()


def test_a_line_runs_again_for_each_part_of_its_key_and_names_it(
    project: Path, root: Path, opened: Callable[[], MetadataStore]
) -> None:
    def run() -> Any:
        return LocalRunner(isolation="process").run(line(project, root)).nodes["Apply"]

    assert run().state == "COMPLETE"
    assert run().state == "CACHED"
    install(project.parent / "site-packages", "fakelib-of-parts", "1.1", "fakelib_of_parts/other.py")
    (project / "data" / "words.txt").write_text("longer")
    edit(project / "helper_of_parts.py", "return DEPTH", "return DEPTH + 1")
    again = run()
    told = (
        "code of fn changed: shift in helper_of_parts.py",
        "fakelib-of-parts 1.0 -> 1.1",
        "file data/words.txt, which the code names, changed",
    )
    assert (again.state, again.cached_reason) == ("COMPLETE", "; ".join(told))
    text = store.read_text(again.outputs["out"][0].path("x.txt"))
    assert text == str(2 * 3 * 2 + 2 + 6 + 7)
    assert run().state == "CACHED"
    database = opened()
    explained = why(database, RunStore(database).runs()[1].run_id, "Apply")
    assert explained.changes == told
    assert explained.state == "COMPLETE"


def changes(before: Key, after: Key) -> list[str]:
    assert before.digest != after.digest
    return differences(before.parts, after.parts)


def test_notes_explain_and_are_not_in_the_hash(project: Path) -> None:
    key = key_of(project)
    assert key.parts["format"] == KEY_FORMAT == 2
    assert key.parts["packages"]["fakelib-of-parts"] == "1.0"
    assert set(key.parts["notes"]["code"]["function fn"]) == {
        "model_of_parts.py:HERE",
        "model_of_parts.py:LIMIT",
        "model_of_parts.py:imports",
        "model_of_parts.py:scale",
        "helper_of_parts.py:DEPTH",
        "helper_of_parts.py:shift",
    }
    moved = project.rename(project.with_name("moved"))
    assert key_of(moved).digest == key.digest, "a moved project is the same, its data file too"


def test_a_default_in_the_code_of_a_function_counts(project: Path) -> None:
    before = key_of(project)
    edit(project / "model_of_parts.py", "steps=2", "steps=3")
    assert changes(before, key_of(project)) == ["code of fn changed: scale in model_of_parts.py"]


def test_what_came_and_went_is_told_so(project: Path) -> None:
    before = key_of(project)
    edit(project / "model_of_parts.py", "import fakelib_of_parts\n", "import nowhere_of_parts\n")
    edit(project / "model_of_parts.py", "+ fakelib_of_parts.N", "+ nowhere_of_parts.N + extra()")
    edit(project / "model_of_parts.py", "LIMIT = 3", "LIMIT = 3\ndef extra():\n    return 0\n")
    assert changes(before, key_of(project)) == [
        "code of fn changed: extra (new), imports, scale in model_of_parts.py",
        "fakelib-of-parts is no longer imported (it was 1.0)",
        "modules that cannot be found: nowhere_of_parts",
    ]


def test_statements_in_another_order_are_another_code(project: Path) -> None:
    edit(project / "helper_of_parts.py", "DEPTH = 1\n", "DEPTH = 1\nWIDTH = 1\n")
    before = key_of(project)
    edit(project / "helper_of_parts.py", "DEPTH = 1\nWIDTH = 1\n", "WIDTH = 1\nDEPTH = 1\n")
    assert changes(before, key_of(project)) == ["code of fn changed: the order of its statements"]


def test_files_are_those_that_a_module_declares(project: Path) -> None:
    (project / "tables").mkdir()
    (project / "tables" / "a.bin").write_bytes(b"1")
    edit(project / "model_of_parts.py", "LIMIT = 3", 'LIMIT = 3\nTRUELINE_FILES = ["tables", "later.txt"]')
    before = key_of(project)
    files = before.parts["files"]["function fn"]
    assert set(files) == {"tables/a.bin", "later.txt"}, "a declaration is all there is"
    assert files["later.txt"] == "missing"
    (project / "tables" / "a.bin").write_bytes(b"2")
    (project / "tables" / "b.bin").write_bytes(b"3")
    assert changes(before, key_of(project)) == [
        "file tables/a.bin, which the code names, changed",
        "file tables/b.bin is read now",
    ]
    edit(project / "model_of_parts.py", '["tables", "later.txt"]', "[]")
    assert key_of(project).parts["files"] == {}
    edit(project / "model_of_parts.py", "TRUELINE_FILES = []", "TRUELINE_FILES = list(HERE)")
    with pytest.raises(ConfigError, match=r"model_of_parts.py:\d+"):
        key_of(project)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("open(os.path.join(HERE, 'data', 'words.txt'))", {"data/words.txt"}),
        ("HERE.joinpath('data', 'words.txt')", {"data/words.txt"}),
        ("open('data/words.txt')", {"data/words.txt"}),
        ("open(f'{HERE}/data/words.txt')", set()),
        ("open('../outside.txt'), open('/etc/passwd'), open('data'), '.', '', 'words', 'a\\0b.c', 'x' * 9", set()),
        ("'helper_of_parts.py'", set()),
    ],
)
def test_texts_that_name_a_file_below_the_codes_folder(project: Path, code: str, found: set[str]) -> None:
    (project.parent / "outside.txt").write_text("x")
    (project / "read_of_parts.py").write_text(f"import os\nHERE = ''\ndef scale(x):\n    return {code}\n")
    plan = compile_pipeline(Pipeline("p", [Apply(project / "read_of_parts.py")], root=project))
    assert set(code_of(plan.nodes[0]).parts["files"].get("function fn", {})) == found


def test_a_link_that_leads_out_of_the_folder_is_not_followed(project: Path) -> None:
    (project.parent / "secret.txt").write_text("x")
    (project / "data" / "words.txt").unlink()
    (project / "data" / "words.txt").symlink_to(project.parent / "secret.txt")
    assert key_of(project).parts["files"] == {}


def test_a_file_that_the_code_writes_keeps_its_result_from_being_found(project: Path) -> None:
    before = key_of(project)
    node = compile_pipeline(line(project, project)).nodes[0]
    assert unsettled(node, before) is None
    (project / "data" / "words.txt").write_text("written")
    kept = unsettled(node, before)
    assert kept is not None
    assert kept.parts["unsettled"] == ["files"]
    (project / "data" / "words.txt").write_text("abc")
    assert changes(kept, key_of(project)) == ["files that its code names were changed while it ran the last time"]


def test_parameters_of_the_moment_and_samples_are_in_the_key(project: Path) -> None:
    plain = key_of(project)
    fn = UserFunction.of(f"{project / 'model_of_parts.py'}:scale")
    assert key_of(project, {"fn": fn, "depth": None}).digest == plain.digest
    assert changes(plain, key_of(project, {"fn": fn, "depth": 4})) == ["parameter depth: null -> 4"]
    sampled = key_of(project, sample=100)
    assert changes(plain, sampled) == ["it is a sampled run of 100 rows, the last was a full run"]
    assert changes(sampled, key_of(project, sample=10))


def test_another_python_and_another_trueline_are_told(project: Path) -> None:
    key = key_of(project)
    old = replace(key, parts={**key.parts, "python": "3.10", "trueline": "0.0.9"})
    assert differences(old.parts, key.parts) == [
        f"trueline 0.0.9 -> {key.parts['trueline']}",
        f"python 3.10 -> {key.parts['python']}",
    ]


def test_an_entry_of_the_first_format_is_a_miss_that_says_so(
    project: Path, root: Path, opened: Callable[[], MetadataStore]
) -> None:
    LocalRunner().run(line(project, root))
    old = json.dumps({"format": 1, "executor": {"name": "apply", "code": "x"}, "inputs": {}})
    change = cache_entry.update().values(cache_key="0" * 64, parts=old)
    assert opened().database.write(lambda connection: connection.execute(change)).rowcount == 1
    again = LocalRunner().run(line(project, root)).nodes["Apply"]
    assert (again.state, again.cached_reason) == ("COMPLETE", "the key's format changed")
    assert LocalRunner().run(line(project, root)).nodes["Apply"].state == "CACHED"


def test_a_pass_of_a_loop_is_compared_with_the_same_pass_of_earlier_runs(tmp_path: Path) -> None:
    database = MetadataStore(f"sqlite:///{tmp_path}/metadata.db")
    runs = RunStore(database)

    def write(run_id: str, first: int, passes: int) -> None:
        names = [f"train[{index}]" for index in range(passes)]
        runs.start(run_id, "line", "{}", {}, names)
        for number, name in enumerate(names, first):
            runs.set_node(run_id, name, execution_id=number)
            row = {"execution_id": number, "pipeline": "line", "node_id": "train", "cache_key": "k", "parts": "{}"}
            insert = cache_entry.insert().values(**row)
            database.database.write(partial(sa.Connection.execute, statement=insert))

    write("one", 11, 3)
    write("two", 21, 2)

    def earlier(name: str, before: int | None = None) -> int | None:
        entry = earlier_entry(runs, "line", "train", name, before)
        return None if entry is None else entry.execution_id

    assert [earlier(f"train[{index}]") for index in range(4)] == [21, 22, 13, None]
    assert earlier("train[1]", before=22) == 12
    assert earlier("train[1]", before=12) is None
    assert earlier("train") == 22, "a node without passes has them all"
    database.close()

"""The cache hits when nothing changed and says what changed when it does not; `why` says it again later."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pipeline_nodes import Source

from trueline._core import store
from trueline._core.errors import MetadataError
from trueline._core.manifest import MANIFEST_NAME
from trueline.metadata import ArtifactState, EventType, ExecutionState, MetadataStore
from trueline.pipeline import ExecutionContext, Input, Output, Pipeline, UserFunction, component
from trueline.pipeline.artifacts import Examples, Schema
from trueline.pipeline.reasons import why
from trueline.pipeline.results import RunResult
from trueline.runners import LocalRunner

Build = Callable[..., Pipeline]
Opened = Callable[[], MetadataStore]


def states(result: RunResult) -> list[str]:
    return [result.nodes[name].state for name in ("Source", "MakeSchema", "Train")]


def reason(result: RunResult, node: str) -> str:
    return str(result.nodes[node].cached_reason)


def test_an_unchanged_pipeline_is_cached_as_new_executions_over_the_same_artifacts(
    build: Build, runner: LocalRunner, opened: Opened
) -> None:
    first, second = runner.run(build()), runner.run(build())
    assert states(first) == ["COMPLETE"] * 3
    assert reason(first, "Train") == "first run of this node"
    assert states(second) == ["CACHED"] * 3
    assert second.nodes["Source"].found == {"rows": 3}, "what was reported then is told again"
    for node in first.nodes:
        for key, (handle,) in first.nodes[node].outputs.items():
            assert second.nodes[node].outputs[key][0].id == handle.id
        assert second.nodes[node].execution_id != first.nodes[node].execution_id
    database = opened()
    (execution,) = database.executions(ids=[second.nodes["Train"].execution_id or 0])
    assert execution.state is ExecutionState.CACHED
    outputs = [e for e in database.events(execution_ids=[execution.id or 0]) if e.type is EventType.OUTPUT]
    assert [e.artifact_id for e in outputs] == [first.nodes["Train"].outputs["model"][0].id]
    third = runner.run(build())
    assert states(third) == ["CACHED"] * 3, "a hit may rest on a hit"


def test_a_parameter_changed(build: Build, runner: LocalRunner, opened: Opened) -> None:
    runner.run(build())
    result = runner.run(build(steps=20))
    assert states(result) == ["CACHED", "CACHED", "COMPLETE"]
    assert reason(result, "Train") == "parameter steps: 10 -> 20"
    explained = why(opened(), result.run_id, "Train")
    assert explained.changes == ("parameter steps: 10 -> 20",)
    assert explained.state == "COMPLETE"
    assert explained.earlier_run is not None
    assert why(opened(), "latest", "Source").changes == ()
    with pytest.raises(MetadataError, match="Did you mean 'Train'"):
        why(opened(), "latest", "Tran")


def test_a_default_that_is_now_passed_by_name_is_no_change(build: Build, runner: LocalRunner) -> None:
    runner.run(build())
    assert states(runner.run(build(steps=10))) == ["CACHED"] * 3


def test_the_files_that_a_source_reads_changed(build: Build, runner: LocalRunner, data: Path) -> None:
    runner.run(build())
    data.write_text("a\nb\nX\n")
    result = runner.run(build())
    assert states(result) == ["COMPLETE"] * 3
    assert reason(result, "Source") == f"what it reads from outside changed: {data}"
    assert reason(result, "Train") == "input examples (of Source.examples) changed", (
        "the schema was made again with the same bytes"
    )


def test_equal_bytes_made_again_change_nothing_downstream(build: Build, runner: LocalRunner) -> None:
    first = runner.run(build())
    store.remove_tree(first.nodes["Source"].outputs["examples"][0].uri)
    second = runner.run(build())
    assert states(second) == ["COMPLETE", "CACHED", "CACHED"]
    assert "the files of examples are gone" in reason(second, "Source")
    assert second.nodes["Source"].outputs["examples"][0].id != first.nodes["Source"].outputs["examples"][0].id


@pytest.mark.parametrize(
    ("harm", "word"),
    [
        (lambda folder: (folder / "schema.pbtxt").unlink(), "gone"),
        (lambda folder: (folder / MANIFEST_NAME).unlink(), "gone"),
        (lambda folder: (folder / "schema.pbtxt").write_text("# 7 bytes\n"), "damaged"),
        (lambda folder: (folder / "schema.pbtxt").write_text("longer than it was before"), "damaged"),
        (lambda folder: (folder / MANIFEST_NAME).write_text("{}"), "damaged"),
    ],
)
def test_damaged_outputs_are_no_hit(build: Build, runner: LocalRunner, harm: Callable[[Path], None], word: str) -> None:
    first = runner.run(build())
    harm(Path(first.nodes["MakeSchema"].outputs["schema"][0].uri))
    second = runner.run(build())
    assert states(second) == ["CACHED", "COMPLETE", "CACHED"]
    assert f"the files of schema are {word}" in reason(second, "MakeSchema")


def test_an_artifact_that_is_not_live_is_no_hit(build: Build, runner: LocalRunner, opened: Opened) -> None:
    first = runner.run(build())
    database = opened()
    (artifact,) = database.artifacts(ids=[first.nodes["Train"].outputs["model"][0].id or 0])
    database.put_artifacts([type(artifact)(**{**vars(artifact), "state": ArtifactState.MARKED_FOR_DELETION})])
    second = runner.run(build())
    assert states(second) == ["CACHED", "CACHED", "COMPLETE"]
    assert "MARKED_FOR_DELETION" in reason(second, "Train")


def test_the_cache_can_be_off(build: Build, runner: LocalRunner, data: Path, root: Path) -> None:
    runner.run(build())
    result = runner.run(build(), use_cache=False)
    assert states(result) == ["COMPLETE"] * 3
    assert reason(result, "Train") == "the cache is off"
    off = Pipeline("line", [Source(path=str(data))], root=root, cache=False)
    assert runner.run(off).nodes["Source"].state == "COMPLETE"
    assert runner.run(off, use_cache=True).nodes["Source"].state == "CACHED"


def test_another_pipeline_of_the_same_database_has_its_own_cache(runner: LocalRunner, data: Path, root: Path) -> None:
    for name in ("one", "two"):
        assert runner.run(Pipeline(name, [Source(path=str(data))], root=root)).nodes["Source"].state == "COMPLETE"


def test_neither_root_nor_run_id_is_in_the_key(runner: LocalRunner, data: Path, root: Path) -> None:
    database = f"sqlite:///{root}/shared.db"
    first = Pipeline("p", [Source(path=str(data))], root=root / "a", metadata=database)
    second = Pipeline("p", [Source(path=str(data))], root=root / "b", metadata=database)
    assert runner.run(first).nodes["Source"].state == "COMPLETE"
    assert runner.run(second).nodes["Source"].state == "CACHED"


MODULE = '''
import os
from helper_of_cache import shift

LIMIT = 3
UNUSED = 1

def unrelated():
    return 0

def scale(x):
    """Says what it does."""
    return x * LIMIT + shift()
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "helper_of_cache.py").write_text("def shift():\n    return 1\n")
    (folder / "module_of_cache.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(folder))
    yield folder / "module_of_cache.py"
    for name in ("module_of_cache", "helper_of_cache"):
        sys.modules.pop(name, None)


def apply(ctx: ExecutionContext) -> None:
    store.write_text(ctx.output("out").path("x.txt"), str(ctx.function("fn")(2)))


def applying(module: Path, root: Path) -> Pipeline:
    from trueline.pipeline import Component, Out

    class Apply(Component):
        OUTPUTS = {"out": Out(Schema)}  # noqa: RUF012
        EXECUTOR = apply

        def __init__(self) -> None:
            super().__init__(params={"fn": UserFunction.of(f"{module}:scale")})

    return Pipeline("line", [Apply()], root=root)


@pytest.mark.parametrize(
    ("edit", "state"),
    [
        (("return x * LIMIT", "return 2 * x * LIMIT"), "COMPLETE"),
        (("LIMIT = 3", "LIMIT = 4"), "COMPLETE"),
        (("import os", "import os\nos.environ.get('X')"), "COMPLETE"),
        (("UNUSED = 1", "UNUSED = 2"), "CACHED"),
        (("return 0", "return 5"), "CACHED"),
        (('"""Says what it does."""', '"""Says it otherwise."""  # and a comment'), "CACHED"),
    ],
)
def test_the_code_of_a_user_function(
    module: Path, root: Path, runner: LocalRunner, edit: tuple[str, str], state: str
) -> None:
    assert runner.run(applying(module, root)).nodes["Apply"].state == "COMPLETE"
    assert runner.run(applying(module, root)).nodes["Apply"].state == "CACHED"
    text = module.read_text()
    assert edit[0] in text
    module.write_text(text.replace(*edit))
    result = runner.run(applying(module, root), isolation="process")
    assert result.nodes["Apply"].state == state
    if state == "COMPLETE":
        changed = {"LIMIT = 3": "LIMIT", "import os": "statements at the top level (new)"}.get(edit[0], "scale")
        assert result.nodes["Apply"].cached_reason == f"code of fn changed: {changed} in module_of_cache.py"


def test_a_local_file_that_the_function_imports_counts(module: Path, root: Path, runner: LocalRunner) -> None:
    runner.run(applying(module, root))
    (module.parent / "helper_of_cache.py").write_text("def shift():\n    return 100\n")
    importlib.invalidate_caches()
    result = runner.run(applying(module, root), isolation="process")
    assert result.nodes["Apply"].cached_reason == "code of fn changed: shift in helper_of_cache.py"
    text = store.read_text(result.nodes["Apply"].outputs["out"][0].path("x.txt"))
    assert text == "106", "the process saw the new code"


def test_a_moved_project_is_no_change(module: Path, root: Path, runner: LocalRunner, tmp_path: Path) -> None:
    runner.run(applying(module, root))
    moved = tmp_path / "moved"
    module.parent.rename(moved)
    assert runner.run(applying(moved / module.name, root)).nodes["Apply"].state == "CACHED"


def test_properties_of_an_input_count(data: Path, root: Path, runner: LocalRunner) -> None:
    """A component that copies `span` must not be given a stale one."""

    @component_of_span
    def build(span: int) -> Pipeline:
        source = Source(path=str(data), times=span)
        return Pipeline("line", [copy_span(examples=source.outputs.examples)], root=root)

    data.write_text("")  # no rows: every span has the same bytes
    first, second = runner.run(build(1)), runner.run(build(2))
    assert first.nodes["copy_span"].found == {"result": 1}
    assert second.nodes["copy_span"].found == {"result": 2}
    assert (
        second.nodes["copy_span"].cached_reason
        == "properties of input examples (of Source.examples) changed: span: 1 -> 2"
    )


def component_of_span(function: Callable[[int], Pipeline]) -> Callable[[int], Pipeline]:
    return function


@component
def copy_span(examples: Input[Examples], schema: Output[Schema]) -> int:
    store.write_text(schema.path("schema.pbtxt"), "")
    span: int = examples.properties["span"]
    return span

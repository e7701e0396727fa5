"""`@component` reads annotations; user functions are found again from a script's file; mistakes are named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from pipeline_nodes import Source

from trueline._core.errors import ConfigError
from trueline.pipeline import ExecutionContext, Input, Output, Pipeline, UserFunction, component
from trueline.pipeline.artifacts import Examples, Float, Integer, JsonValue, Schema
from trueline.runners import LocalRunner


class Summary(NamedTuple):
    mean: float
    names: list[str]


@component
def summarize(
    ctx: ExecutionContext,
    examples: Input[Examples],
    note: Output[Schema],
    extra: Input[Schema] | None = None,
    k: int = 2,
) -> Summary:
    ctx.report(k=k, extra=extra is not None)
    Path(note.uri, "note.txt").write_text(ctx.node_id)
    return Summary(1, ["a", "b"])  # an int where a float is declared is a float


@component
def lies(k: int = 1) -> str:
    return k  # type: ignore[return-value]


@component
def use(mean: float, names: list[str]) -> dict[str, float]:
    return dict.fromkeys(names, mean)


def test_shapes_are_read_from_annotations() -> None:
    assert set(summarize.shape.inputs) == {"examples", "extra"}
    assert summarize.shape.inputs["extra"].optional
    assert {k: out.type for k, out in summarize.shape.outputs.items()} == {
        "note": Schema,
        "mean": Float,
        "names": JsonValue,
    }
    assert summarize.shape.params == {"k": int}
    assert summarize.function(ExecutionContext({}, {}, {}), None, _Note(), None) == (1, ["a", "b"])  # type: ignore[arg-type]


class _Note:
    uri = "/tmp"


def test_several_returned_values_flow_on(data: Path, root: Path) -> None:
    source = Source(path=str(data))
    made = summarize(examples=source.outputs.examples)
    used = use(mean=made.outputs.mean, names=made.outputs.names)
    result = LocalRunner().run(Pipeline("line", [used], root=root))
    assert result.nodes["summarize"].found == {"k": 2, "extra": False, "mean": 1.0, "names": ["a", "b"]}
    assert result.nodes["use"].found == {"result": {"a": 1.0, "b": 1.0}}


def test_a_wrong_return_value_fails_the_node(root: Path) -> None:
    result = LocalRunner().run(Pipeline("line", [lies()], root=root))
    assert "returned 1 for 'result', declared is String" in str(result.nodes["lies"].message)


def test_a_value_channel_of_another_type_is_refused(data: Path, root: Path) -> None:
    source = Source(path=str(data))
    made = summarize(examples=source.outputs.examples)
    with pytest.raises(ConfigError, match=r"input 'names' takes JsonValue, but summarize\.mean is Float"):
        Pipeline("line", [use(mean=1.0, names=made.outputs.mean)], root=root)


def test_all_bad_annotations_at_once() -> None:
    def bad(a, b: set[int], c: Input[int]) -> complex:  # type: ignore[no-untyped-def,type-var]
        ...

    with pytest.raises(ConfigError) as caught:
        component(bad)
    assert len(caught.value.problems) == 4
    assert f"{__file__}:" in str(caught.value)


def top_level() -> int:
    return 7


@component
def doubled(function: str, times: int = 2) -> str:
    """Its parameter has the name under which other nodes keep their code."""
    return function * times


@component
def shouted(function: str) -> str:
    return function.upper()


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_parameter_may_be_called_function(root: Path, isolation: str) -> None:
    made = doubled(function="ab")
    result = LocalRunner(isolation=isolation).run(  # type: ignore[arg-type]
        Pipeline("line", [made, shouted(function=made.outputs["result"])], root=root)
    )
    assert result.ok
    assert (result.nodes["doubled"].found["result"], result.nodes["shouted"].found["result"]) == ("abab", "ABAB")
    again = LocalRunner().run(Pipeline("line", [doubled(function="ab"), doubled(function="c", node_id="c")], root=root))
    assert {name: node.state for name, node in again.nodes.items()} == {"doubled": "CACHED", "c": "COMPLETE"}


def test_a_parameter_called_node_id_is_refused() -> None:
    def named(node_id: str) -> int:
        return 1

    with pytest.raises(ConfigError, match="what every node is named by"):
        component(named)


def test_references_to_functions(tmp_path: Path) -> None:
    assert UserFunction.of(top_level).load() is top_level
    assert UserFunction.of(json.dumps) == UserFunction("dumps", "json", None)
    again = UserFunction.from_json(UserFunction.of(top_level).to_json())
    assert again.load()() == 7
    file = tmp_path / "model.py"
    file.write_text("def run_fn():\n    return 'ran'\n")
    assert UserFunction.of(f"{file}:run_fn").load()() == "ran"
    with pytest.raises(ConfigError, match="Did you mean 'run_fn'"):
        UserFunction.of(f"{file}:run_fun").load()
    with pytest.raises(ConfigError, match="binds no 'run_fun'"):
        UserFunction.of(f"{file}:run_fun").fingerprint()
    file.write_text("import no_such_module_anywhere\n")
    with pytest.raises(ConfigError, match="no_such_module_anywhere"):
        UserFunction.of(f"{file}:run_fn").load()
    file.write_text("def run_fn(:\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        UserFunction.of(f"{file}:run_fn").fingerprint()


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (lambda: 1, "does not stand at the top level"),
        ([].append, "lives in no file|no function|does not stand"),
        (3, "is no function"),
        ("no_colon", "names no function"),
        ("nowhere/gone.py:f", "there is no file"),
        ("no_such_package_x.y:f", "there is no module"),
    ],
)
def test_what_cannot_be_a_reference(target: object, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        UserFunction.of(target)  # type: ignore[arg-type]


def test_files_of_one_name_in_two_folders_are_two_modules(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same_name.py").write_text(f"def f():\n    return {name!r}\n")
    references = [UserFunction.of(f"{tmp_path / name / 'same_name.py'}:f") for name in ("one", "two")]
    assert [r.load()() for r in references] == ["one", "two"]
    assert references[0].fingerprint() != references[1].fingerprint()


SCRIPT = """
import sys
from trueline.pipeline import Input, Output, Pipeline, UserFunction, component, Component, Out
from trueline.pipeline.artifacts import Integer
from trueline.runners import LocalRunner

BASE = 20

@component
def first(n: int) -> int:
    return n + BASE

@component
def second(n: int) -> int:
    return n * 2

def create_pipeline(n):
    return Pipeline("script", [second(n=first(n=n).outputs["result"])], root={root!r})

{guard}
    result = LocalRunner(isolation=sys.argv[1]).run(create_pipeline(1))
    print(result.status, result.message, [r.state for r in result.nodes.values()], dict(result.nodes["second"].found))
"""


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_functions_of_a_script_run_in_threads_and_processes(tmp_path: Path, root: Path, isolation: str) -> None:
    script = tmp_path / "pipeline.py"
    script.write_text(SCRIPT.format(root=str(root), guard="if __name__ == '__main__':"))

    def run() -> str:
        command = [sys.executable, str(script), isolation]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert run() == "COMPLETE None ['COMPLETE', 'COMPLETE'] {'result': 42}"
    assert run() == "COMPLETE None ['CACHED', 'CACHED'] {'result': 42}"
    script.write_text(script.read_text().replace("BASE = 20", "BASE = 21"))
    assert run() == "COMPLETE None ['COMPLETE', 'COMPLETE'] {'result': 44}"


def test_a_script_without_a_guard_is_told_so(tmp_path: Path, root: Path) -> None:
    script = tmp_path / "pipeline.py"
    text = SCRIPT.format(root=str(root), guard="if True:").replace("sys.argv[1]", "'process'")
    script.write_text(text)
    command = [sys.executable, str(script)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown.startswith("FAILED")
    assert "a run was started while node 'first' imported the file" in shown


def test_value_artifacts_keep_floats_that_json_has_not(root: Path) -> None:
    result = LocalRunner().run(Pipeline("line", [infinite()], root=root))
    assert result.ok
    assert result.nodes["infinite"].outputs["result"][0].value == float("inf")
    assert (int,) == Integer.PYTHON_TYPES


@component
def infinite() -> float:
    return float("inf")


def test_an_edit_of_the_same_second_and_size_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    for answer in ("1", "2"):
        file.write_text(f"def run_fn():\n    return {answer}\n")
        os.utime(file, (1_700_000_000, 1_700_000_000))
        assert UserFunction.of(f"{file}:run_fn").load()() == int(answer)

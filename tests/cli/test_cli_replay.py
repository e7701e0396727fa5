"""A recorded execution once more: the same inputs and parameters, nothing published, and what differs is named."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from project_cli import make_project

from trueline._core.errors import ArtifactError, ConfigError, MetadataError
from trueline.cli import main
from trueline.cli.shapes import SHAPES
from trueline.metadata import MetadataStore
from trueline.pipeline import ForEach, Pipeline, component
from trueline.runners import LocalRunner
from trueline.runners.replay import replay


@pytest.fixture
def project(tmp_path, capsys):
    file = make_project(tmp_path / "project")
    assert main(["run", str(file), "--param", "times=4"]) == 0
    capsys.readouterr()
    return file.parent


def replayed(project, capsys, node, *more):
    database = str(project / "out" / "metadata.db")
    code = main(["replay", "latest", node, "--metadata", database, "--json", *more])
    told = json.loads(capsys.readouterr().out)
    assert SHAPES["replay"].fits(told) or "error" in told
    return code, told


def counted(project):
    with closing(MetadataStore(str(project / "out" / "metadata.db"), create=False, readonly=True)) as store:
        return len(store.executions()), len(store.artifacts())


def test_equal_work_gives_equal_outputs_and_publishes_nothing(project, capsys, tmp_path):
    before = counted(project)
    code, told = replayed(project, capsys, "first", "--out", str(tmp_path / "again"))
    assert (code, told["same"], told["was"]) == (0, True, "COMPLETE")
    assert json.loads((tmp_path / "again" / "result" / "value").read_text()) == [4, 4], "the run's own parameter"
    assert (project / "first.runs").read_text() == "xx", "it was carried out"
    assert (tmp_path / "again" / "replay.log").read_text()
    assert counted(project) == before
    code, told = replayed(project, capsys, "first", "--out", str(tmp_path / "again"))
    assert code == 2
    assert "holds something" in told["error"]["message"]


def test_what_differs_is_named(project, capsys, tmp_path):
    code, told = replayed(project, capsys, "clock", "--out", str(tmp_path / "again"))
    assert (code, told["same"]) == (1, False)
    output = told["outputs"]["result"]
    assert output["files"] == ["value: other contents"]
    assert output["properties"][0].startswith("preview: ")


def test_the_code_is_as_its_files_are_now(project, capsys, tmp_path):
    steps = (project / "steps.py").read_text()
    (project / "steps.py").write_text(steps.replace("return x / divisor", "return x / divisor + 1"))
    code, told = replayed(project, capsys, "last", "--out", str(tmp_path / "again"))
    assert (code, told["same"]) == (1, False)
    assert json.loads((tmp_path / "again" / "result" / "value").read_text()) == 9.0


def test_a_failure_is_repeated_and_a_mended_function_succeeds(project, capsys, tmp_path):
    assert main(["run", str(project / "line.py"), "--param", "divisor=0"]) == 1
    capsys.readouterr()
    code, told = replayed(project, capsys, "last", "--out", str(tmp_path / "one"))
    assert (code, told["same"], told["was"]) == (1, False, "FAILED")
    assert "ZeroDivisionError" in told["error"]
    steps = (project / "steps.py").read_text()
    (project / "steps.py").write_text(steps.replace("x / divisor", "x / (divisor or 1)"))
    code, told = replayed(project, capsys, "last", "--out", str(tmp_path / "two"))
    assert (code, told["same"], told["error"]) == (0, None, None)
    assert told["outputs"]["result"]["same"] is None


def test_people_are_told_in_words(project, capsys, tmp_path):
    database = str(project / "out" / "metadata.db")
    assert main(["replay", "latest", "slow", "--metadata", database, "--out", str(tmp_path / "again")]) == 0
    said = capsys.readouterr().out
    assert "slow of run" in said
    assert "the same again" in said
    assert main(["replay", "latest", "slwo", "--metadata", database]) == 1
    assert "Did you mean 'slow'" in capsys.readouterr().err


@component
def numbers(n: int) -> list:
    return list(range(n))


@component
def twice(x: int) -> int:
    return 2 * x


@component
def summed(x: int, y: int) -> int:
    return x + y


@pytest.fixture
def looped(tmp_path):
    made = numbers(n=3)
    with ForEach(made.outputs["result"], name="each") as item:
        doubled = twice(x=item)
        added = summed(x=doubled.outputs["result"].value, y=1).with_id("added")
    result = LocalRunner().run(Pipeline("loops", [made, doubled, added], root=tmp_path / "root"))
    assert result.ok
    with closing(MetadataStore(str(tmp_path / "root" / "metadata.db"), create=False, readonly=True)) as store:
        yield store, result


def test_passes_of_loops_have_their_own_items(looped, tmp_path):
    store, result = looped
    for number in range(3):
        for node in ("twice", "added"):
            done = replay(store, result.run_id, f"{node}[{number}]", tmp_path / f"{node}{number}")
            assert done.same is True
    assert json.loads((tmp_path / "added2" / "result" / "value").read_text()) == 5


def test_what_cannot_be_replayed_says_why(looped, tmp_path):
    store, result = looped
    with pytest.raises(ConfigError, match="carried out by trueline itself"):
        replay(store, result.run_id, "each", tmp_path / "out")
    with pytest.raises(MetadataError, match="has no node"):
        replay(store, result.run_id, "twice[7]", tmp_path / "out")
    value = next(path for path in (tmp_path / "root" / "twice").rglob("value") if path.read_text() == "2")
    value.write_text("3")
    with pytest.raises(ArtifactError):
        replay(store, result.run_id, "added[1]", tmp_path / "out")

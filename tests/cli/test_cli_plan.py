"""``trueline plan``: the table, its JSON, its exit code, what changed since the last run; and it writes nothing."""

from __future__ import annotations

import json

import pytest
from project_cli import make_project

from trueline.cli import main
from trueline.cli.shapes import SHAPES
from trueline.pipeline import CompiledPipeline


@pytest.fixture
def file(tmp_path):
    return make_project(tmp_path / "project")


def test_a_plan_before_and_after_a_run(file, capsys):
    assert main(["plan", str(file)]) == 0
    said = capsys.readouterr().out
    assert "first run of this node" in said
    assert "depends on first, which runs" in said
    assert said.rstrip().endswith("2 run, 2 unknown")
    assert not (file.parent / "out").exists()
    assert not (file.parent / "first.runs").exists()
    assert main(["run", str(file), "--param", "times=5"]) == 0
    capsys.readouterr()
    assert main(["plan", str(file), "--param", "times=5", "--diff"]) == 0
    said = capsys.readouterr().out
    assert "The pipeline is as it was in run" in said
    assert said.rstrip().endswith("4 cached")
    assert main(["plan", str(file), "--param", "n=3", "--diff", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert SHAPES["plan"].fits(told)
    assert told["diff"]["changed"] == {"first": ["params.n: 2 -> 3"]}
    assert told["nodes"][0] | {"reason": ""} in (
        {"node_id": "clock", "action": "cached", "reason": ""},
        {"node_id": "first", "action": "run", "reason": ""},
    )
    assert (file.parent / "first.runs").read_text() == "x"


def test_the_compiled_pipeline_is_printed_alone(file, capsys):
    assert main(["plan", str(file), "--compiled"]) == 0
    plan = CompiledPipeline.from_json(capsys.readouterr().out)
    assert plan.name == "line"
    assert plan.parameters["times"]["default"] == 3


def test_a_node_that_cannot_begin_is_exit_code_1(file, capsys):
    assert main(["plan", str(file), "--from", "last"]) == 1
    assert "has never succeeded" in capsys.readouterr().out


def test_parameters_that_nobody_takes(file, capsys):
    assert main(["plan", str(file), "--param", "tims=1"]) == 2
    assert "Did you mean 'times'" in capsys.readouterr().err

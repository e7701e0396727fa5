"""Options of ``trueline run``: where parameters go, what is kept with the run, samples, the debugger, listeners."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from io import StringIO

import pytest
from project_cli import make_project

from trueline._core.errors import ConfigError
from trueline.cli import main
from trueline.cli.load import load_with_runtime
from trueline.cli.run import exit_code_of_run
from trueline.cli.shapes import SHAPES
from trueline.metadata import MetadataStore, RunStore
from trueline.pipeline.results import NodeResult, RunResult


@pytest.fixture
def file(tmp_path):
    return make_project(tmp_path / "project")


def recorded(file):
    with closing(MetadataStore(str(file.parent / "out" / "metadata.db"), create=False, readonly=True)) as store:
        return RunStore(store).run("latest")


def test_parameters_go_to_the_maker_first_and_then_to_the_run(file, capsys):
    given = ["--param", "n=3", "--param", "times=5", "--param", "note=postgresql://me:hush@db/x"]
    assert main(["run", str(file), *given, "--workers", "1", "--isolation", "main", "--sample", "7", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert SHAPES["run"].fits(told)
    assert told["nodes"]["last"]["found"]["result"] == 15
    run = recorded(file)
    assert run.params == {"n": "3", "times": "5", "note": "postgresql://me:***@db/x"}
    assert run.settings["runtime"] == {"times": 5}
    assert run.settings["file"] == str(file)
    assert (run.settings["sample"], run.settings["isolation"]) == (7, "main")


def test_all_problems_of_parameters_are_told_at_once(file):
    with pytest.raises(ConfigError) as caught:
        load_with_runtime(str(file), ["times=many", "tims=3", "dvisor=2"])
    text = str(caught.value)
    assert len(caught.value.problems) == 3
    for part in ("takes int, but was given 'many'", "Did you mean 'times'", "Did you mean 'divisor'"):
        assert part in text
    with pytest.raises(ConfigError) as caught:
        load_with_runtime(str(file), ["n=two", "dvisor=2", "odd"])
    text = str(caught.value)
    assert len(caught.value.problems) == 3
    assert "Did you mean 'divisor'" in text


def test_a_ready_pipeline_takes_runtime_parameters_alone(tmp_path):
    path = tmp_path / "ready.py"
    path.write_text(
        "from trueline.pipeline import Pipeline, RuntimeParameter, component\n"
        "@component\n"
        "def one(x: int) -> int:\n"
        "    return x\n"
        "pipeline = Pipeline('ready', [one(x=RuntimeParameter('x', int))], root='out')\n"
    )
    assert load_with_runtime(str(path), ["x=4"])[1] == {"x": 4}
    for given, said in ((["y=1"], "no parameter 'y'"), (["x"], "write key=value"), ([], "has no default")):
        with pytest.raises(ConfigError, match=said):
            load_with_runtime(str(path), given)


def test_the_debugger_opens_at_the_line_that_failed(file, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", StringIO("p x, divisor\nq\n"))
    assert main(["run", str(file), "--param", "divisor=0", "--pdb", "last"]) == 1
    said = capsys.readouterr()
    assert "(Pdb)" in said.out
    assert "(6, 0)" in said.out
    assert "ZeroDivisionError" in said.err
    assert "last failed:" in said.out


def test_a_node_that_is_not_there_cannot_be_debugged(file, capsys):
    assert main(["run", str(file), "--pdb", "lst"]) == 2
    assert "Did you mean 'last'" in capsys.readouterr().err


def test_lineage_events_go_where_the_environment_says(file, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "file")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__LOG_FILE_PATH", str(tmp_path / "events.jsonl"))
    assert main(["run", str(file)]) == 0
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert {event["eventType"] for event in events} >= {"START", "COMPLETE"}


def test_exit_codes():
    def ended(status, *states, outputs=False):
        made = {
            str(i): NodeResult(str(i), state, outputs={"o": []} if outputs else {}) for i, state in enumerate(states)
        }
        return exit_code_of_run(RunResult("r", status, made))

    assert ended("COMPLETE", "COMPLETE", "OMITTED") == 0
    assert ended("CANCELED", "COMPLETE", "CANCELED") == 130
    assert ended("CANCELED", "FAILED") == 130
    assert ended("FAILED", "FAILED", "SKIPPED") == 1
    assert ended("FAILED", "FAILED", outputs=True) == 3

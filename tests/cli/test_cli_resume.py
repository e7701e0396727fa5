"""Runs that ended before their end: killed, cancelled from elsewhere, told to stop; and going on with them."""

from __future__ import annotations

import json
import signal
from contextlib import closing

import pytest
from project_cli import make_project, started, until

from trueline.cli import main
from trueline.cli.shapes import SHAPES
from trueline.metadata import MetadataStore, RunStore


@pytest.fixture
def begun(tmp_path, request):
    """A run in a process of its own whose node `slow` waits; its folder, process and database."""
    file = make_project(tmp_path / "project", go=False)
    process = started("run", str(file), *getattr(request, "param", ()))
    until(lambda: (file.parent / "slow.begun").exists())
    yield file.parent, process, str(file.parent / "out" / "metadata.db")
    if process.poll() is None:
        process.kill()
        process.communicate()


def recorded(database):
    with closing(MetadataStore(database, create=False, readonly=True)) as store:
        return RunStore(store).run("latest")


def test_a_killed_run_is_taken_up_where_it_was(begun, tmp_path, monkeypatch, capsys):
    folder, process, database = begun
    until(lambda: next(node.state for node in recorded(database).nodes if node.node_id == "clock") == "COMPLETE")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert main(["cancel", "latest", "--metadata", database]) == 1
    assert "is gone: there is nothing to cancel" in capsys.readouterr().err
    capsys.readouterr()
    (folder / "go").touch()
    monkeypatch.chdir(tmp_path)
    assert main(["resume", "latest", "--metadata", database, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert SHAPES["resume"].fits(told)
    assert {name: node["state"] for name, node in told["nodes"].items()} == dict.fromkeys(
        ("first", "slow", "last", "clock"), "COMPLETE"
    )
    run = recorded(database)
    assert (run.status, run.resumed, run.run_id) == ("COMPLETE", 1, told["run_id"])
    assert (folder / "first.runs").read_text() == "x", "what had succeeded did not run again"
    assert run.settings["file"] == str(folder / "line.py")
    assert main(["resume", "latest", "--metadata", database]) == 0, "what is complete stays complete"
    assert recorded(database).resumed == 1


@pytest.mark.slow
def test_a_run_is_cancelled_from_another_process_and_gone_on_with(begun, capsys):
    folder, process, database = begun
    assert main(["cancel", "latest", "--metadata", database, "--wait", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert SHAPES["cancel"].fits(told)
    assert told["status"] == "CANCELED"
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert f"go on with: trueline resume {told['run_id']}" in out
    states = {node.node_id: node.state for node in recorded(database).nodes}
    assert (states["first"], states["slow"], states["last"]) == ("COMPLETE", "CANCELED", "CANCELED")
    assert main(["cancel", "latest", "--metadata", database]) == 1
    assert "nothing to cancel" in capsys.readouterr().err
    (folder / "go").touch()
    assert main(["resume", told["run_id"][:18], "--metadata", database]) == 0
    assert recorded(database).status == "COMPLETE"


@pytest.mark.parametrize("begun", [["--isolation", "process"]], indirect=True)
def test_sigterm_ends_a_run_in_order(begun):
    _, process, database = begun
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    run = recorded(database)
    assert run.status == "CANCELED"
    states = {node.node_id: node.state for node in run.nodes}
    assert (states["slow"], states["last"]) == ("CANCELED", "CANCELED")


def test_a_run_that_is_not_there(tmp_path, capsys):
    file = make_project(tmp_path / "project")
    assert main(["run", str(file)]) == 0
    database = str(tmp_path / "project" / "out" / "metadata.db")
    for command in ("resume", "cancel"):
        assert main([command, "nobody", "--metadata", database]) == 1
        assert "there is no run 'nobody'" in capsys.readouterr().err

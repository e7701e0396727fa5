"""Completion by Tab: the right words, quickly, with nothing heavy loaded; and help that loads as little."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from runs_cli import loop_run, make_database, small_line

from trueline.cli import completion as c
from trueline.cli import main
from trueline.cli.app import COMMANDS, cli
from trueline.cli.completion_setup import SHELLS, completion_script, install_completion

HEAVY = ("pyarrow", "onnx", "onnxruntime", "sqlalchemy", "numpy", "rich", "google.protobuf", "fsspec", "jinja2")


@pytest.fixture
def memory(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    place = make_database(tmp_path / "out/metadata.db")
    small_line(place, "20260101-000000-one", started=1)
    loop_run(place)
    return place


def words(offered) -> list[str]:
    return [item.value for item in offered]


def context(**given: object) -> click.Context:
    made = click.Context(click.Command("x"))
    made.params.update(given)
    return made


ANY = click.Argument(["x"])


def test_runs_nodes_types_and_templates_are_offered(memory):
    assert words(c.complete_runs(context(), ANY, "")) == ["latest", "20260102-000000-loop", "20260101-000000-one"]
    assert words(c.complete_runs(context(), ANY, "20260101")) == ["20260101-000000-one"]
    assert words(c.complete_nodes(context(run="20260101"), ANY, "")) == ["CsvExampleGen", "Pusher", "Trainer"]
    assert words(c.complete_nodes(context(run="latest"), ANY, "train[1")) == ["train[10]", "train[1]"]
    assert words(c.complete_nodes(context(run="nothing"), ANY, "")) == []
    assert words(c.complete_pipelines(context(), ANY, "")) == ["loops", "taxi"]
    assert words(c.complete_artifact_types(context(), ANY, "Mo")) == ["Model"]
    assert "latest" in words(c.complete_artifact_types(context(), ANY, ""))
    assert "taxi" in words(c.complete_templates(context(), ANY, "t"))
    assert words(c.complete_runs(context(location=str(memory)), ANY, "l")) == ["latest"]


def test_at_most_twenty_runs_are_offered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = make_database(tmp_path / "metadata.db")
    for i in range(22):
        loop_run(place, f"run-{i:02}")
    assert len(c.complete_runs(context(), ANY, "run-")) == 20


@pytest.mark.parametrize("content", [None, b"", b"no database at all" * 100])
def test_a_database_that_cannot_be_read_offers_nothing_and_says_nothing(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "metadata.db").write_bytes(content)
    assert words(c.complete_runs(context(), ANY, "")) == ["latest"]
    assert words(c.complete_runs(context(location="postgresql://u:p@host/db"), ANY, "")) == ["latest"]
    (tmp_path / "trueline.toml").write_text("metadata = [")
    assert words(c.complete_nodes(context(), ANY, "")) == []


def ask(line: list[str], folder: Path) -> tuple[list[str], list[str], float]:
    """What bash would be offered for the last word, with the modules that were loaded and the CPU seconds."""
    script = (
        "import json, resource, sys\n"
        "from trueline.cli import main\n"
        "try:\n    main([])\nexcept SystemExit:\n    pass\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "json.dump([sorted(sys.modules), used.ru_utime + used.ru_stime], sys.stderr)\n"
    )
    environment = {
        **os.environ, "_TRUELINE_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(line),
        "COMP_CWORD": str(len(line) - 1),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=folder, capture_output=True, text=True, check=True
    )
    modules, seconds = json.loads(done.stderr)
    return [row.partition(",")[2] for row in done.stdout.splitlines()], modules, seconds


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        (["trueline", "sh"], ["show"]),
        (["trueline", "show", "2026"], ["20260102-000000-loop", "20260101-000000-one"]),
        (["trueline", "logs", "20260101", "T"], ["Trainer"]),
        (["trueline", "lineage", "--for"], ["--format"]),
        (["trueline", "stats", "x"], ["x"]),
    ],
)
def test_a_shell_is_answered_without_anything_heavy(memory, tmp_path, line, offered):
    found, modules, seconds = ask(line, tmp_path)
    assert found == offered
    assert not set(HEAVY) & set(modules)
    assert seconds < 0.3


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell_is_shown_and_installed_once(shell, tmp_path, capsys):
    assert main(["--show-completion", shell]) == 0
    assert "_TRUELINE_COMPLETE" in capsys.readouterr().out
    start = tmp_path / f".{shell}rc"
    start.write_text("mine")
    first = install_completion(shell, tmp_path)
    kept = start.read_text()
    assert install_completion(shell, tmp_path) == first
    assert start.read_text() == kept
    assert kept.startswith("mine")
    assert first[0].read_text() == completion_script(shell)
    assert (str(first[0].parent) in kept) is (shell != "fish")


def test_an_unknown_shell_is_refused_with_those_that_are_known(capsys):
    assert main(["--install-completion", "tcsh"]) == 2
    assert "bash" in capsys.readouterr().err


def test_bash_takes_the_script(tmp_path, memory):
    script = (
        f"{completion_script('bash')}\n"
        'COMP_WORDS=(trueline show 20260101); COMP_CWORD=2; _trueline_completion trueline; echo "${COMPREPLY[@]}"'
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], env={**os.environ, "PATH": path}, cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.stdout.strip(), done.stderr) == ("20260101-000000-one", "")


def test_the_help_of_no_command_loads_anything_heavy():
    """All in one process: what one help loads, it would load alone."""
    script = (
        "import contextlib, io, json, sys\n"
        "from trueline.cli import main\n"
        "loaded = {}\n"
        "for name in json.loads(sys.argv[1]):\n"
        "    before = set(sys.modules)\n"
        "    with contextlib.redirect_stdout(io.StringIO()):\n"
        "        assert main([*name.split(), '--help']) == 0\n"
        "    loaded[name] = sorted(set(sys.modules) - before)\n"
        "json.dump(loaded, sys.stderr)\n"
    )
    names = ["", *(entry.name for entry in COMMANDS)]
    for entry in COMMANDS:
        command = cli.get_command(click.Context(cli), entry.name)
        if isinstance(command, click.Group):
            names += [f"{entry.name} {name}" for name in command.list_commands(click.Context(command))]
    done = subprocess.run([sys.executable, "-c", script, json.dumps(names)], capture_output=True, text=True, check=True)
    heavy = {name: sorted(set(HEAVY) & set(found)) for name, found in json.loads(done.stderr).items()}
    assert {name: found for name, found in heavy.items() if found} == {}

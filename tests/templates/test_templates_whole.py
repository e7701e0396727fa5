"""Every template as a user meets it: its README's commands one after the other, its own tests, its server."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from projects import EXAMPLES, fenced, in_project

from trueline.cli import main
from trueline.templates import TEMPLATES, make_project, template_files

pytestmark = pytest.mark.slow
QUESTION = "LatestBlessedModel"  # asked in every run, never cached


@pytest.fixture(scope="module", params=list(TEMPLATES))
def project(request, tmp_path_factory) -> Path:
    """A project of each template, in a folder whose name needs quotes."""
    return make_project(request.param, tmp_path_factory.mktemp(request.param) / "churn line").directory


def states(output: str) -> dict[str, str]:
    """The state of every node in the table that ``trueline run`` prints."""
    return dict(re.findall(r"^(\w+) +(complete|cached|failed|skipped) ", output, re.MULTILINE))


def test_what_init_tells_is_what_the_readme_tells_and_it_works(project, tmp_path, capsys):
    assert main(["init", str(tmp_path / "p"), "--template", "minimal", "--json"]) == 0
    first, second = fenced(project / "README.md", "sh run")[:2]
    assert json.loads(capsys.readouterr().out)["next"][-2:] == [first, second]
    ran = in_project(project, first)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert set(states(ran.stdout).values()) == {"complete"}
    assert "pushed yes" in ran.stdout
    tested = in_project(project, second)
    assert tested.returncode == 0, tested.stdout
    assert re.search(r"\d+ passed", tested.stdout)
    assert "warning" not in tested.stdout


def test_the_readmes_commands_end_as_they_say(project):
    first, _, *more = fenced(project / "README.md", "sh run")
    assert len(more) >= 5
    for line in more:
        command, _, comment = line.partition("  #")
        said = re.search(r"exit code (\d)", comment)
        done = in_project(project, command)
        assert done.returncode == (int(said[1]) if said else 0), f"{line}\n{done.stdout}{done.stderr}"
        if command.strip() == first:
            again = states(done.stdout)
            assert {state for node, state in again.items() if node != QUESTION} == {"cached"}
    assert (project / "report.html").stat().st_size > 10_000
    assert len(os.listdir(project / "out" / "serving" / "churn-line")) == 1


def test_the_server_answers_the_readmes_request(project):
    serve, request = fenced(project / "README.md", "sh serve")
    command = [str(Path(sys.executable).with_name("trueline")), *shlex.split(serve)[1:], "--port", "0"]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True) as server:
        try:
            events = (json.loads(line) for line in server.stdout if line.startswith("{"))
            ready = next(event for event in events if event["event"] == "ready")
            words = shlex.split(request)
            (url,) = [word for word in words if word.startswith("http://")]
            place = url.replace("127.0.0.1:8501", f"{ready['host']}:{ready['port']}")
            asked = urllib.request.Request(place, words[-1].encode(), {"content-type": "application/json"})
            with urllib.request.urlopen(asked, timeout=30) as response:
                (answer,) = json.loads(response.read())["predictions"]
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=30) == 0
    assert sum(answer["probabilities"]) == pytest.approx(1.0, abs=1e-5)


def test_git_is_offered_the_project_and_nothing_that_a_run_made(project):
    """What ran above lies in out/, report.html and the caches of tools, which .gitignore names."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    listed = in_project(project, "git init -q . && git status --porcelain --untracked-files=all")
    shutil.rmtree(project / ".git")
    offered = {line.split(maxsplit=1)[1] for line in listed.stdout.splitlines()}
    template = project.parent.name.rstrip("0123456789")
    assert offered == set(template_files(template))


def test_the_image_is_built_and_runs_the_line(project):
    if shutil.which("docker") is None or subprocess.run(["docker", "info"], capture_output=True).returncode:
        pytest.skip("no docker daemon runs here")
    built = in_project(project, "docker build -q -t trueline-template-test .", timeout=900)
    assert built.returncode == 0, built.stderr
    ran = in_project(project, "docker run --rm trueline-template-test")
    assert "pushed yes" in ran.stdout, ran.stdout + ran.stderr


def table_of_penguins(place: Path, label: str) -> None:
    """The penguins as a CSV file; the label as words of three classes, numbers of three, or words of two."""
    rows = pq.read_table(EXAMPLES / "penguin" / "data" / "penguins.parquet").to_pylist()
    species = sorted({row["Species"] for row in rows})
    values = {
        "words": lambda row: row["Species"],
        "numbers": lambda row: species.index(row["Species"]),
        "two words": lambda row: "Gentoo" if "Gentoo" in row["Species"] else "other",
    }
    place.parent.mkdir(parents=True)
    with place.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["kind", "mass", "flipper length (mm)", "island", "note"])
        for row in rows:
            measured = [row["Body Mass (g)"], row["Flipper Length (mm)"], row["Island"], row["Comments"]]
            writer.writerow([values[label](row), *measured])


@pytest.mark.parametrize("label", ["words", "numbers", "two words"])
def test_a_table_of_ones_own_takes_three_lines(label, tmp_path):
    """As the README of `minimal` tells it: three lines in model.py, the data by a parameter or in data/."""
    project = make_project("minimal", tmp_path / "own").directory
    own = tmp_path / "elsewhere" / "birds.csv"
    table_of_penguins(own, label)
    lines = (project / "model.py").read_text()
    for name, value in (("LABEL", '"kind"'), ("NUMBERS", '("mass", "flipper length (mm)")'), ("WORDS", '("island",)')):
        lines, changed = re.subn(rf"^{name} = .*$", f"{name} = {value}", lines, flags=re.MULTILINE)
        assert changed == 1
    (project / "model.py").write_text(lines)
    ran = in_project(project, f"trueline run pipeline.py --param data={own}")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "pushed yes" in ran.stdout
    (project / "data" / "customers.csv").unlink()
    shutil.copy(own, project / "data")
    tested = in_project(project, "python -m pytest -q")
    assert tested.returncode == 0, tested.stdout


def test_a_number_takes_a_regressor_and_an_error(tmp_path):
    """As the README of `minimal` tells it: how long did a customer stay?"""
    project = make_project("minimal", tmp_path / "own").directory
    edits = {
        "model.py": {
            "HistGradientBoostingClassifier": "HistGradientBoostingRegressor",
            'LABEL = "left"': 'LABEL = "months"',
            '("age", "support_calls", "months")': '("age", "support_calls")',
            '("plan",)': '("plan", "left")',
        },
        "pipeline.py": {'"Accuracy"': '"MeanAbsoluteError"', "lower_bound": "upper_bound"},
    }
    for file, changes in edits.items():
        text = (project / file).read_text()
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        (project / file).write_text(text)
    ran = in_project(project, "trueline run pipeline.py --param min_accuracy=14")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    closed = in_project(project, "trueline run pipeline.py --param min_accuracy=1")
    assert closed.returncode == 3, closed.stdout
    assert "mean_absolute_error on Overall" in closed.stdout

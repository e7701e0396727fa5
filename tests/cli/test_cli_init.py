"""`trueline init` makes a whole project or none, under a name that is safe everywhere, and never overwrites a thing."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from trueline.cli import main
from trueline.cli.app import cli
from trueline.templates import TEMPLATES, template_files

FULL_DISK = """
import resource, sys
from trueline.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sys.exit(main(["init", *sys.argv[1:]]))
"""


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_file_of_a_template_is_copied_and_carries_the_name(name, tmp_path, capsys):
    target = tmp_path / "new" / "My Project"
    assert main(["init", str(target), "--template", name]) == 0
    assert files_in(target) == template_files(name)
    assert "Made my-project in" in capsys.readouterr().out
    assert 'NAME = "my-project"\n' in (target / "pipeline.py").read_text()
    texts = {file: (target / file).read_bytes() for file in files_in(target)}
    assert not [file for file, text in texts.items() if b"__NAME__" in text or b"__BOUNDS__" in text]
    assert b"docker build -t my-project ." in texts["Dockerfile"]
    assert b"serve out/serving/my-project" in texts["README.md"]


def test_the_list_of_templates_needs_no_folder_and_a_project_does(capsys):
    assert main(["init", "--list"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in TEMPLATES)
    assert main(["init", "--list", "--json"]) == 0
    assert [entry["name"] for entry in json.loads(capsys.readouterr().out)] == list(TEMPLATES)
    assert main(["init"]) == 2
    assert "trueline init DIRECTORY" in capsys.readouterr().err


def test_tab_completes_templates():
    completed = ShellComplete(cli, {}, "trueline", "_TRUELINE_COMPLETE").get_completions(["init", "--template"], "p")
    assert [item.value for item in completed] == ["penguin"]


def test_as_json(tmp_path, capsys):
    target = tmp_path / "line"
    assert main(["init", str(target), "--template", "minimal", "--name", "churn", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["name"] == "churn"
    assert told["files"] == template_files("minimal") == files_in(target)
    assert told["next"][0] == f"cd {target}"
    assert told["next"][-2:] == ["trueline run pipeline.py", "python -m pytest"]


@pytest.mark.parametrize("taken", ["a file in it", "a file", "a broken link"])
def test_what_is_there_already_is_left_alone(taken, tmp_path, capsys):
    place = tmp_path / "place"
    if taken == "a file in it":
        place.mkdir()
        (place / "mine.txt").write_text("mine")
    elif taken == "a file":
        place.write_text("mine")
    else:
        place.symlink_to(tmp_path / "gone")
    assert main(["init", str(place)]) == 2
    assert "something is there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["place"]
    assert taken != "a file in it" or [path.name for path in place.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled_and_stays_the_same_folder(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "churn"
    folder.mkdir()
    number = folder.stat().st_ino
    monkeypatch.chdir(folder)
    assert main(["init", ".", "--template", "minimal"]) == 0
    assert folder.stat().st_ino == number
    assert files_in(folder) == template_files("minimal")
    said = capsys.readouterr().out
    assert "Made churn in ." in said
    assert "cd " not in said


def test_an_unknown_template_names_those_that_exist(tmp_path, capsys):
    assert main(["init", str(tmp_path / "x"), "--template", "taxy"]) == 2
    assert "Did you mean 'taxi'?" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_everything_that_is_wrong_is_told_at_once(tmp_path, capsys):
    (tmp_path / "x").write_text("mine")
    assert main(["init", str(tmp_path / "x"), "--template", "taxy", "--name", "My Line"]) == 2
    told = capsys.readouterr().err
    assert all(part in told for part in ("taxy", "--name my-line", "something is there already"))


@pytest.mark.parametrize("name", ["", "9lives", "a b", "a/b", "..", 'a"b', "-x", "a--b", "é", "A", "a" * 64, "a\nb"])
def test_a_name_that_is_not_safe_is_refused_and_nothing_is_made(name, tmp_path, capsys):
    assert main(["init", str(tmp_path / "x"), "--name", name]) == 2
    assert "cannot be a project's name" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_usable_name_asks_for_one(tmp_path, capsys):
    assert main(["init", str(tmp_path / "2024")]) == 2
    assert "--name my-line" in capsys.readouterr().err
    assert main(["init", str(tmp_path / "2024"), "--name", "forecast", "--template", "minimal"]) == 0


@pytest.mark.parametrize("there", [False, True], ids=["a new folder", "an empty folder"])
def test_a_disk_that_is_full_half_way_leaves_nothing(there, tmp_path):
    """The system refuses files over 100,000 bytes: the data file fails, after others were written."""
    place = tmp_path / "deep" / "place"
    if there:
        place.mkdir(parents=True)
    command = [sys.executable, "-c", FULL_DISK, str(place), "--template", "taxi"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "file too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == (["deep", "place"] if there else [])


@pytest.mark.parametrize("folder", ["with blanks & more", "-dash", "it's", "$HOME"])
def test_a_shell_takes_the_next_lines_as_they_stand(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--template", "minimal", "--name", "x", "--json", "--", folder]) == 0
    steps = json.loads(capsys.readouterr().out)["next"]
    script = "\n".join([steps[0], "pwd"])
    done = subprocess.run(["sh", "-ec", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == f"{tmp_path / folder}\n"
    assert [shlex.split(step)[0] for step in steps[1:]] == ["trueline", "python"]

"""`trueline init` copies a whole project and never overwrites anything."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from trueline.cli import main
from trueline.templates import TEMPLATES, template_files

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_file_of_a_template_is_copied(name, tmp_path, capsys):
    target = tmp_path / "new" / "project"
    assert main(["init", str(target), "--template", name]) == 0
    copied = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
    assert copied == template_files(name)
    assert {"pipeline.py", "model.py", "README.md", "data/taxi.csv", "tests/test_line.py"} <= set(copied)
    assert "trueline run pipeline.py" in capsys.readouterr().out


def test_the_list_of_templates_needs_no_folder_and_a_project_does(capsys):
    assert main(["init", "--list"]) == 0
    assert all(name in capsys.readouterr().out for name in TEMPLATES)
    assert main(["init"]) == 2
    assert "trueline init DIRECTORY" in capsys.readouterr().err


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["init", str(tmp_path)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert "something is there already" in capsys.readouterr().err


def test_an_unknown_template_names_those_that_exist(tmp_path, capsys):
    assert main(["init", str(tmp_path / "x"), "--template", "taxy"]) == 2
    assert "Did you mean 'taxi'?" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_the_taxi_template_is_the_taxi_example(tmp_path):
    """One line, kept in one place: the example runs on all rows, the template on a sample."""
    assert main(["init", str(tmp_path / "x")]) == 0
    for name in ("model.py", "pipeline.py"):
        assert (tmp_path / "x" / name).read_text() == (EXAMPLES / "taxi" / name).read_text()


def test_the_build_packs_what_a_clone_reads():
    root = EXAMPLES.parent
    build = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    packed = set()
    for source, target in build["targets"]["wheel"]["force-include"].items():
        paths = [root / source] if (root / source).is_file() else [p for p in (root / source).rglob("*") if p.is_file()]
        inner = [p.relative_to(root / source).as_posix() for p in paths]
        packed |= {target if name == "." else f"{target}/{name}" for name in inner if "__pycache__" not in name}
    assert sorted(packed) == [f"trueline/templates/projects/taxi/{name}" for name in template_files("taxi")]

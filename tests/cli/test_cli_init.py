"""`trueline init` copies a whole project and never overwrites anything."""

from __future__ import annotations

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


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["init", str(tmp_path)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert "something is there already" in capsys.readouterr().err


def test_an_unknown_template_names_those_that_exist(tmp_path, capsys):
    assert main(["init", str(tmp_path / "x"), "--template", "taxy"]) == 2
    assert "Did you mean 'taxi'?" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_the_taxi_template_is_the_taxi_example():
    """One line, kept in two places: the example runs on all rows, the template travels with the package."""
    for name in ("model.py", "pipeline.py"):
        example = (EXAMPLES / "taxi" / name).read_text()
        assert (EXAMPLES.parent / "trueline" / "templates" / "projects" / "taxi" / name).read_text() == example

"""The command line starts fast, loads nothing heavy, and speaks clearly when something is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from trueline.cli import main
from trueline.cli.app import COMMANDS
from trueline.cli.failures import EXIT_CODES

HEAVY = ("numpy", "pyarrow", "onnx", "onnxruntime", "sqlalchemy", "sklearn", "torch", "rich", "google.protobuf")


def test_help_takes_little_and_loads_nothing_heavy():
    script = (
        "import json, resource, sys\n"
        "from trueline.cli import main\n"
        "code = main(['--help'])\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "json.dump([code, used.ru_utime + used.ru_stime, sorted(sys.modules)], sys.stderr)\n"
    )
    best = 9.0
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        code, seconds, modules = json.loads(done.stderr)
        best = min(best, seconds)
        assert code == 0
        assert not set(HEAVY) & set(modules)
    assert best < 0.3


def test_help_names_every_command_and_every_exit_code(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for entry in COMMANDS:
        assert f"  {entry.name} " in out
    for code, meaning in EXIT_CODES.items():
        assert str(code) in out
        assert meaning.split(",")[0][:40] in out


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_every_command_has_its_own_help(entry, capsys):
    assert main([entry.name, "--help"]) == 0
    assert f"trueline {entry.name}" in capsys.readouterr().out


def test_a_misspelt_command_is_a_usage_error_that_names_the_right_one(capsys):
    assert main(["rnu"]) == 2
    assert "Did you mean 'run'?" in capsys.readouterr().err


def test_a_missing_pipeline_file_is_a_usage_error_without_traceback(capsys, tmp_path):
    assert main(["run", str(tmp_path / "pipeline.py")]) == 2
    err = capsys.readouterr().err
    assert "no such pipeline file" in err
    assert "Traceback" not in err


def test_debug_shows_the_traceback_wherever_it_stands(capsys, tmp_path):
    for arguments in (["--debug", "run", "no.py"], ["run", "no.py", "--debug"]):
        assert main(arguments) == 2
        assert "Traceback" in capsys.readouterr().err


def test_an_error_of_another_library_names_its_type_and_the_way_to_see_more(capsys, tmp_path):
    file = tmp_path / "pipeline.py"
    file.write_text("def create_pipeline():\n    return 1 / 0\n")
    assert main(["run", str(file)]) == 2
    err = capsys.readouterr().err
    assert f"{file}:2: ZeroDivisionError" in err
    assert "--debug" in err
    assert "Traceback" not in err


def test_the_installed_command_returns_the_same_codes(tmp_path):
    command = Path(sys.executable).with_name("trueline")
    done = subprocess.run([command, "run", tmp_path / "none.py"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Error:" in done.stderr

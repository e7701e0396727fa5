"""What must pass before a change lands: every group of tests is run there, and what cannot be run is told aloud."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = {"mlmd": "MLMD_PYTHON", "ray": "PYTHON", "tensorflow": "PYTHON"}
"""Environments of heavy groups, and the variable that names the Python to make them with."""
VENV = """#!/bin/sh
[ "$1" = -c ] && exit 0
mkdir -p "$3/bin"
printf '#!/bin/sh\\nexit {code}\\n' > "$3/bin/python"
chmod +x "$3/bin/python"
"""


def steps() -> list[str]:
    return re.findall(r"^step (.+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)


def test_every_group_of_tests_is_run() -> None:
    targets = re.findall(r"^(test(?:-\w+)?):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"test", "test-slow", "test-ray", "test-tensorflow"} <= set(targets)
    ran = {step.partition(" PART=")[0] for step in steps()}  # of the exhaustive group a part runs each time
    assert {f"make {t}" for t in targets if t != "test-all"} | {"make check"} <= ran


def test_every_environment_is_made_and_asked_for() -> None:
    """Whoever adds an environment adds it to a target and to the list of what was not tested."""
    scripts = sorted((ROOT / "scripts").glob("*_env.sh"))
    asked = re.findall(r"^for group in (.+); do$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert sorted(asked[0].split()) == [s.name.removesuffix("_env.sh") for s in scripts]
    assert [s.name for s in scripts if f"scripts/{s.name}" not in (ROOT / "Makefile").read_text()] == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="the scripts are bash's")
@pytest.mark.parametrize("group", ENVIRONMENTS)
@pytest.mark.parametrize("code", [0, 1], ids=["installs", "cannot install"])
def test_what_cannot_be_installed_is_skipped_aloud(group: str, code: int, tmp_path: Path) -> None:
    """The script succeeds either way; without the packages it says so and leaves no environment to be used."""
    (tmp_path / "scripts").mkdir()
    script = shutil.copy(ROOT / "scripts" / f"{group}_env.sh", tmp_path / "scripts")
    (tmp_path / "constraints-tensorflow.txt").touch()
    python = tmp_path / "python"
    python.write_text(VENV.format(code=code))
    python.chmod(0o755)
    env = {**os.environ, ENVIRONMENTS[group]: str(python)}
    done = subprocess.run(["bash", script], capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / ".venvs" / group / ".made").exists() == (code == 0)
    assert ("NOT TESTED HERE" in done.stderr) == (code != 0)


@pytest.mark.skipif(shutil.which("bash") is None, reason="the script is bash's")
def test_seconds_are_told_when_a_step_fails(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    script = shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "servers.sh").touch()
    (tmp_path / "bin").mkdir()
    make = tmp_path / "bin" / "make"
    make.write_text('#!/bin/sh\n[ "$1" != test-slow ]\n')
    make.chmod(0o755)
    env = {**os.environ, "PATH": f"{make.parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", script], capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode != 0
    assert re.findall(r" s  make (\S+)", done.stdout) == [".venv/.dev", "check", "test"]
    assert "all passed" not in done.stdout
    make.write_text("#!/bin/sh\n")
    done = subprocess.run(["bash", script], capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 0
    assert "NOT TESTED HERE: tensorflow" in done.stdout
    assert "all passed" in done.stdout

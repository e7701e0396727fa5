"""The core install: at most 22 packages and 400 MiB of site-packages, and it is of use without any extra.

With the extra `all-local` and pytest, nothing else, every template is a project that runs and passes its own tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trueline.templates import TEMPLATES, make_project

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow
TOOLS = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils")


def made_with(home: Path, *packages: str) -> Path:
    """A fresh environment with these packages and what they need."""
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, timeout=120)
    pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    constraints = ["-c", str(ROOT / "constraints.txt")]
    done = subprocess.run([*pip, *constraints, *packages], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return home


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """trueline and nothing else."""
    return made_with(tmp_path_factory.mktemp("core") / "venv", str(ROOT))


@pytest.fixture(scope="module")
def local_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a template's requirements-dev.txt names."""
    return made_with(tmp_path_factory.mktemp("local") / "venv", f"{ROOT}[all-local]", "pytest>=8,<10")


def in_environment(home: Path, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command of an environment, in a folder."""
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    variables["PATH"] = os.pathsep.join([str(home / "bin"), variables["PATH"]])
    start = [str(home / "bin" / command[0]), *command[1:]]
    return subprocess.run(start, cwd=folder, env=variables, capture_output=True, text=True, timeout=300)


def test_packages_and_size(environment: Path) -> None:
    (site,) = (environment / "lib").glob("python*/site-packages")
    packages = sorted(p.name for p in site.glob("*.dist-info") if not p.name.startswith(TOOLS))
    assert len(packages) <= 22, packages
    files = (p for d in site.iterdir() if not d.name.startswith(TOOLS) for p in [d, *d.rglob("*")])
    size = sum(p.lstat().st_size for p in files if p.is_file())
    assert size <= 400 * 2**20, f"{size / 2**20:.0f} MiB"


def test_statistics_need_no_extra(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,s\n1,a\n2,\n3,b\n")
    command = [
        str(environment / "bin" / "trueline"),
        "stats",
        str(tmp_path / "a.csv"),
        "--html",
        str(tmp_path / "a.html"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "a.html" in done.stdout
    assert (tmp_path / "a.html").stat().st_size > 1000


def test_a_missing_extra_is_named(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "models" / "m" / "1").mkdir(parents=True)
    done = subprocess.run(
        [str(environment / "bin" / "trueline"), "serve", str(tmp_path / "models" / "m"), "--port", "0"],
        capture_output=True, text=True, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode != 0
    assert "trueline[serving]" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("template", TEMPLATES)
def test_templates_travel_with_the_package(environment: Path, tmp_path: Path, template: str) -> None:
    """Byte for byte as from a clone; and what to install is said first, for the extras are not there."""
    done = in_environment(environment, tmp_path, "trueline", "init", "project", "--template", template, "--json")
    assert done.returncode == 0, done.stderr
    steps = json.loads(done.stdout)["next"]
    assert steps[:2] == ["cd project", "python -m pip install -r requirements-dev.txt"]
    cloned = make_project(template, tmp_path / "clone" / "project")
    for file in cloned.files:
        assert (tmp_path / "project" / file).read_bytes() == (cloned.directory / file).read_bytes(), file
    made = [p.relative_to(tmp_path / "project").as_posix() for p in (tmp_path / "project").rglob("*") if p.is_file()]
    assert sorted(made) == list(cloned.files)


def test_templates_are_small(environment: Path) -> None:
    (site,) = (environment / "lib").glob("python*/site-packages")
    files = [p for p in (site / "trueline" / "templates").rglob("*") if p.is_file()]
    assert files
    assert sum(p.stat().st_size for p in files) <= 1_500_000


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_project_runs_and_passes_its_tests_with_what_it_asks_for(
    local_environment: Path, tmp_path: Path, template: str
) -> None:
    made = in_environment(local_environment, tmp_path, "trueline", "init", "project", "--template", template, "--json")
    assert json.loads(made.stdout)["next"] == ["cd project", "trueline run pipeline.py", "python -m pytest"]
    ran = in_environment(local_environment, tmp_path / "project", "trueline", "run", "pipeline.py")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "pushed yes" in ran.stdout
    tested = in_environment(local_environment, tmp_path / "project", "python", "-m", "pytest", "-q")
    assert tested.returncode == 0, tested.stdout

"""The core install: at most 22 packages and 400 MiB of site-packages, and it is of use without any extra."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow
TOOLS = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with trueline and nothing else."""
    home = tmp_path_factory.mktemp("core") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, timeout=120)
    pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    constraints = ["-c", str(ROOT / "constraints.txt")]
    done = subprocess.run([*pip, *constraints, str(ROOT)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return home


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


def test_the_template_travels_with_the_package(environment: Path, tmp_path: Path) -> None:
    command = [str(environment / "bin" / "trueline"), "init", str(tmp_path / "project")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = {p.relative_to(tmp_path / "project").as_posix() for p in (tmp_path / "project").rglob("*") if p.is_file()}
    assert {"pipeline.py", "model.py", "README.md", "data/taxi.csv", "tests/test_line.py"} <= made

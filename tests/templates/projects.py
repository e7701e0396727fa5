"""Projects made from the templates as a user makes them, and what their READMEs tell a user to do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def packed() -> dict[str, Path]:
    """The files that the build puts into the wheel's ``trueline/templates/projects``, by their path there."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    found = {}
    for source, target in build["targets"]["wheel"]["force-include"].items():
        place, inner = ROOT / source, Path(target).relative_to("trueline/templates/projects")
        paths = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
        for path in paths:
            if "__pycache__" not in path.parts:
                found[(inner / path.relative_to(place)).as_posix()] = path
    return found


def fenced(readme: Path, info: str) -> list[str]:
    """The lines of a README's blocks of a kind."""
    blocks = [text for kind, text in _FENCE.findall(readme.read_text()) if kind == info]
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def in_project(project: Path, command: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """A shell's command in the project, with this environment's trueline and python first on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        ["sh", "-ec", command],
        cwd=project,
        env={**os.environ, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
    )

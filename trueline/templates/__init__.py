"""The templates room: project folders to start from, kept as package data under ``projects/``.

It imports only `trueline._core`; the command line copies from it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from trueline._core.errors import ConfigError, did_you_mean

__all__ = ["TEMPLATES", "copy_template", "template_files"]

TEMPLATES: Mapping[str, str] = {
    "taxi": "a binary classifier on a CSV file: statistics to served model, with 2,000 rows of data and a test",
}

_PROJECTS = Path(__file__).resolve().parent / "projects"


def template_files(name: str) -> list[str]:
    """Paths of a template's files, relative, sorted.

    Raises:
        ConfigError: when there is no such template.
    """
    if name not in TEMPLATES:
        raise ConfigError(f"there is no template {name!r}", hint=did_you_mean(name, TEMPLATES))
    root = _PROJECTS / name
    files = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in files if "__pycache__" not in path.parts and path.parts[0] != "out")


def copy_template(name: str, directory: str | Path) -> list[str]:
    """Copies a template's files into a new or empty folder; returns their relative paths.

    Raises:
        ConfigError: no such template, or something stands in the folder already; nothing is copied then.
    """
    files = template_files(name)
    target = Path(directory)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(
            "something is there already", where=str(directory), hint="give a folder that is new or empty."
        )
    for file in files:
        place = target / file
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_PROJECTS / name / file, place)
    return files

"""The templates room: project folders to start from. They are made of the examples, so that nothing is kept twice.

In an installed package they lie under ``projects/``, where the build puts them; in a clone they are read from
``examples/``. It imports only `trueline._core`; the command line copies from it.
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

_PACKAGED = Path(__file__).resolve().parent / "projects"
_EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# The same files as [tool.hatch.build.targets.wheel.force-include] in pyproject.toml: the folder that is the template's
# own, and what it takes from the example.
_SHARED = ("pipeline.py", "model.py")


def _sources(name: str) -> dict[str, Path]:
    """Every file of a template by its path in the project."""
    packaged = _PACKAGED / name
    own = packaged if packaged.is_dir() else _EXAMPLES / "templates" / name
    found = {path.relative_to(own).as_posix(): path for path in own.rglob("*") if path.is_file()}
    if own != packaged:
        found.update({file: _EXAMPLES / name / file for file in _SHARED})
    kept = {k: v for k, v in found.items() if "__pycache__" not in v.parts and not k.startswith("out/")}
    return dict(sorted(kept.items()))


def template_files(name: str) -> list[str]:
    """Paths of a template's files, relative, sorted.

    Raises:
        ConfigError: when there is no such template.
    """
    if name not in TEMPLATES:
        raise ConfigError(f"there is no template {name!r}", hint=did_you_mean(name, TEMPLATES))
    return list(_sources(name))


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
    for file, source in _sources(name).items():
        place = target / file
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)
    return files

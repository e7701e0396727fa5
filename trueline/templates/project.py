"""A new project on disk: all of it or nothing, and never on top of anything."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trueline._core.errors import ConfigError
from trueline._core.version import __version__
from trueline.templates.naming import name_of, project_name
from trueline.templates.sources import sources

__all__ = ["Project", "make_project"]

_LINE_OF_NAME = re.compile(r'^NAME = "[a-z]+"$', re.MULTILINE)
_NAME_MARK, _BOUNDS_MARK = "__NAME__", "__BOUNDS__"
# Data are copied as they are; in texts the marks are replaced.
_TEXTS = frozenset({".py", ".md", ".txt", ".toml", ".yml", "", ".pbtxt"})


@dataclass(frozen=True)
class Project:
    """What was made.

    Attributes:
        directory: the folder.
        template: its template's name.
        name: of the project: its pipeline's, its model's.
        files: paths below the folder, with ``/``, sorted.
    """

    directory: Path
    template: str
    name: str
    files: tuple[str, ...]


def make_project(template: str, directory: str | Path, *, name: str | None = None) -> Project:
    """Copies a template into a new or empty folder, under a name of its own.

    A new folder appears at once, whole: it is made beside its place and renamed. In an empty folder that is there
    already the entries are renamed into place, pipeline.py last, and taken back if that fails.

    Args:
        template: a name in `trueline.templates.TEMPLATES`.
        directory: where to; folders above it are made.
        name: of the project; of the folder by default, see `name_of`.

    Raises:
        ConfigError: no such template, something stands in the folder, or no such name is possible: all at once.
        OSError: the disk is full, or the place cannot be written; nothing is left behind.
    """
    target = Path(directory)
    files, name = _checked(template, target, name)
    parent, inside = target.absolute().parent, target.is_dir()
    new_parents = [place for place in (parent, *parent.parents) if not place.exists()]
    staging = (target if inside else parent) / f".trueline-init-{uuid.uuid4().hex}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _write(files, staging, name)
        if inside:
            _move_entries(staging, target)
        else:
            _rename(staging, target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        for folder in new_parents:
            with contextlib.suppress(OSError):  # never made, or somebody else's by now
                folder.rmdir()
        raise
    return Project(target, template, name, tuple(files))


def _checked(template: str, target: Path, name: str | None) -> tuple[dict[str, Path], str]:
    """The template's files and the project's name; everything that is wrong is told together."""
    wrong: list[ConfigError] = []
    files: dict[str, Path] = {}
    try:
        files = sources(template)
    except ConfigError as error:
        wrong.append(error)
    try:
        name = name_of(target) if name is None else project_name(name)
    except ConfigError as error:
        wrong.append(error)
    if os.path.lexists(target) and (not target.is_dir() or any(target.iterdir())):
        wrong.append(_occupied(target))
    if len(wrong) == 1:
        raise wrong[0]
    if wrong or name is None:
        problems = [f"{error.message}. {error.hint}" for error in wrong]
        raise ConfigError("no project can be made", where=str(target), problems=problems)
    return files, name


def _occupied(target: Path) -> ConfigError:
    return ConfigError("something is there already", where=str(target), hint="give a folder that is new or empty.")


def _write(files: Mapping[str, Path], folder: Path, name: str) -> None:
    major, minor = __version__.split(".")[:2]
    bounds = f">={major}.{minor},<{major}.{int(minor) + 1}" if major == "0" else f">={major}.{minor},<{int(major) + 1}"
    folder.mkdir()
    for inner, source in files.items():
        place = folder / inner
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix not in _TEXTS:
            shutil.copyfile(source, place)
            continue
        text = source.read_text(encoding="utf-8").replace(_NAME_MARK, name).replace(_BOUNDS_MARK, bounds)
        if inner == "pipeline.py":
            text = _LINE_OF_NAME.sub(f'NAME = "{name}"', text, count=1)
        place.write_text(text, encoding="utf-8", newline="\n")


def _rename(staging: Path, target: Path) -> None:
    try:
        staging.rename(target)
    except OSError as error:
        if target.exists():  # somebody was faster
            raise _occupied(target) from error
        raise


def _move_entries(staging: Path, target: Path) -> None:
    """Renames what lies in `staging` into the folder above it; takes all back if one cannot be."""
    moved: list[Path] = []
    try:
        for entry in sorted(staging.iterdir(), key=lambda path: (path.name == "pipeline.py", path.name)):
            place = target / entry.name
            if os.path.lexists(place):
                raise _occupied(target)
            entry.rename(place)
            moved.append(place)
        staging.rmdir()
    except BaseException:
        for place in moved:
            place.rename(staging / place.name)
        raise

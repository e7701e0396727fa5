"""Which templates there are, and the files that each is made of."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trueline._core.errors import ConfigError, did_you_mean
from trueline._core.extras import EXTRA_OF

__all__ = ["EXTRAS", "TEMPLATES", "Template", "missing_modules", "sources", "template_files"]

EXTRAS = "all-local"
"""The extra that every template's requirements.txt asks for."""
_EXTRAS_OF_ALL_LOCAL = ("serving", "sklearn")
_NOT_ON_WINDOWS = "uvloop"

COMMON = "common"
"""The folder of files that every project has; a template's own file of the same path takes its place."""


@dataclass(frozen=True)
class Template:
    """A project to start from.

    Attributes:
        name: of the template; its pipeline.py says ``NAME = "<name>"``, which a new project replaces by its own.
        about: one line for ``trueline init --list``.
        shared: files that the template takes from the examples, by their path in the project: where they lie below
            ``examples/``. In an installed package the build has put them into the template's folder.
    """

    name: str
    about: str
    shared: Mapping[str, str] = field(default_factory=dict)


TEMPLATES: Mapping[str, Template] = {
    template.name: template
    for template in (
        Template(
            "taxi",
            "two classes from a CSV file: will the passenger tip? Gates by hour and against the model in use",
            {"pipeline.py": "taxi/pipeline.py", "model.py": "taxi/model.py"},
        ),
        Template(
            "penguin",
            "three classes from a Parquet file with gaps; the schema is kept in the project and reviewed",
            {"data/penguins.parquet": "penguin/data/penguins.parquet"},
        ),
        Template("complaints", "six classes from short texts: which desk answers a consumer's complaint?"),
        Template("minimal", "the smallest honest line for a CSV file of your own: three lines to change"),
    )
}

_PACKAGED = Path(__file__).resolve().parent / "projects"
_EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# What running a template where it lies leaves behind.
_LEFTOVERS = frozenset({"__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".venv", "out"})


def sources(name: str) -> dict[str, Path]:
    """Every file of a template by its path in the project, sorted.

    Raises:
        ConfigError: no such template, or the installed package lacks its files.
    """
    if name not in TEMPLATES:
        raise ConfigError(f"there is no template {name!r}", hint=did_you_mean(name, TEMPLATES))
    packaged = _PACKAGED.is_dir()
    home = _PACKAGED if packaged else _EXAMPLES / "templates"
    found = {**_files(home / COMMON), **_files(home / name)}
    if not packaged:
        found.update({path: _EXAMPLES / source for path, source in TEMPLATES[name].shared.items()})
    if "pipeline.py" not in found:
        raise ConfigError(
            f"the files of template {name!r} are not there",
            where=str(home),
            hint="this installation is not whole: install trueline again.",
        )
    return dict(sorted(found.items()))


def template_files(name: str) -> list[str]:
    """Paths of a template's files, relative, with ``/``, sorted.

    Raises:
        ConfigError: when there is no such template.
    """
    return list(sources(name))


def missing_modules() -> list[str]:
    """Modules that the projects use and that are not installed: what the extra `EXTRAS` would bring."""
    wanted = [module for module, extra in EXTRA_OF.items() if extra in _EXTRAS_OF_ALL_LOCAL]
    if sys.platform == "win32":
        wanted.remove(_NOT_ON_WINDOWS)
    return [module for module in wanted if importlib.util.find_spec(module) is None]


def _files(folder: Path) -> dict[str, Path]:
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {inner.as_posix(): path for inner, path in found.items() if not _LEFTOVERS.intersection(inner.parts)}

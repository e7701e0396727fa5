"""The versions of the packages that code imports, as a cache key holds them.

Python's own library goes by the version of Python (major.minor). A module of an installed distribution goes by that
distribution's version, whatever the module is called (``sklearn`` is of scikit-learn). Editable installs and own files
are code, which `trueline.pipeline.source_hash` hashes. A module that lies in no distribution goes by the hash of its
file. What cannot be found is named: code may import it only where it is there.

numpy, pyarrow, onnx and onnxruntime are in every key: trueline's own components compute with them.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from trueline.pipeline.source_files import file_digest

__all__ = ["ENGINE_PACKAGES", "Packages", "packages_of", "python_version", "replaced_since_loading"]

ENGINE_PACKAGES = ("numpy", "onnx", "onnxruntime", "pyarrow")
_OWN = "trueline"
_State = tuple[tuple[str, int], ...]
_seen: dict[str, dict[str, str]] = {}
_holding: dict[str, tuple[int, bool]] = {}
_FIRST_PARTS = re.compile(r"\n([^/,\n]+)")


@dataclass(frozen=True)
class Packages:
    """What imported modules belong to.

    Attributes:
        versions: by the distribution's name, or by the module's where it belongs to none: then the hash of its file.
        missing: top-level names of modules that are not there, sorted.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def python_version() -> str:
    """``3.11``."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def packages_of(modules: Iterable[str], *, engine: bool = True) -> Packages:
    """The packages of imported modules.

    Args:
        modules: dotted names, such as ``sklearn.linear_model``; names of attributes after a module's do no harm.
        engine: whether `ENGINE_PACKAGES` are among them in any case.
    """
    state = _state()
    versions: dict[str, str] = {}
    missing: set[str] = set()
    wanted: dict[str, set[str]] = {name: set() for name in ENGINE_PACKAGES} if engine else {}
    for module in modules:
        top = module.partition(".")[0]
        if top != _OWN and top not in sys.stdlib_module_names:
            wanted.setdefault(top, set()).add(module)
    for top, names in sorted(wanted.items()):
        found = _versions(state, top, tuple(sorted(names))) or _by_file(top)
        versions.update(found)
        if top in sys.modules:
            _seen.setdefault(top, found)
        if not found:
            missing.add(top)
    return Packages(dict(sorted(versions.items())), tuple(sorted(missing)))


def replaced_since_loading() -> list[Path]:
    """Files of loaded packages that have another version on disk than when they were first looked at: what runs here
    is the old one."""
    state = _state()
    found = []
    for top, before in list(_seen.items()):
        file = getattr(sys.modules.get(top), "__file__", None)
        now = _versions(state, top, (top,)) or _by_file(top)
        if isinstance(file, str) and any(now.get(name) not in (None, version) for name, version in before.items()):
            found.append(Path(file))
    return sorted(found)


def _state() -> _State:
    """What tells that packages came or went: the folders that hold distributions, with their last changes.

    A project's own folder is on the path too, and changes with every file that a run writes there.
    """
    found = []
    for place in sys.path:
        try:
            changed = os.stat(place or ".").st_mtime_ns
            if _holding.get(place, (0, False))[0] != changed:
                names = os.listdir(place or ".")
                _holding[place] = (changed, any(name.endswith((".dist-info", ".egg-info")) for name in names))
        except OSError:
            continue
        if _holding[place][1]:
            found.append((place, changed))
    return tuple(found)


@lru_cache(maxsize=512)
def _versions(state: _State, top: str, modules: tuple[str, ...]) -> dict[str, str]:
    """By distribution; of a top-level package that several share (``google``), those that hold one of the modules."""
    providers = _providers(state, top)
    if len(providers) > 1:
        records = {name: _record(state, name) for name in providers}
        holding = {name for module in modules for name in _holders(records, module)}
        providers = tuple(sorted(holding)) or providers
    return {_canonical(name): importlib.metadata.version(name) for name in providers}


def _holders(records: Mapping[str, str], module: str) -> list[str]:
    """Those that hold a module; where none does, as for ``google.auth.NAME``, those that hold what it is in."""
    parts = module.split(".")
    for depth in range(len(parts), 1, -1):
        holding = [name for name, record in records.items() if _holds(record, ".".join(parts[:depth]))]
        if holding:
            return holding
    return []


def _canonical(name: str) -> str:
    """A distribution's name in the one way that all its spellings share; see the packaging specifications, names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _by_file(top: str) -> dict[str, str]:
    """A module without a distribution, such as a compiled one on the path."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return {}
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return {}
    return {top: f"file {file_digest(Path(spec.origin))[:16]}"}


def _providers(state: _State, top: str) -> tuple[str, ...]:
    """The names of the distributions that have the top-level module `top`.

    The one of that name is looked at first, and taken if the package is whole there. Only else are the lists of all
    their files read, once: `importlib.metadata.packages_distributions` takes several times as long for it.
    """
    if _has_package(_record(state, top), top):
        return (importlib.metadata.distribution(top).name,)
    return tuple(sorted({distribution.name for distribution in _index(state).get(top, ())}))


@lru_cache(maxsize=2)
def _index(state: _State) -> Mapping[str, list[importlib.metadata.Distribution]]:
    """The distributions of each top-level name, from the first parts of the paths of all their files."""
    found: dict[str, list[importlib.metadata.Distribution]] = {}
    for distribution in importlib.metadata.distributions():
        for top in {name.partition(".")[0] for name in set(_FIRST_PARTS.findall(_files_of(distribution)))}:
            found.setdefault(top, []).append(distribution)
    return found


@lru_cache(maxsize=8)
def _record(state: _State, name: str) -> str:
    try:
        return _files_of(importlib.metadata.distribution(name))
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return ""


def _files_of(distribution: importlib.metadata.Distribution) -> str:
    """A distribution's files, one a line; where it keeps no such list, its top-level modules as folders."""
    record = distribution.read_text("RECORD")
    if record:
        return "\n" + record
    tops = (distribution.read_text("top_level.txt") or "").split()
    return "".join(f"\n{top}/__init__.py\n" for top in tops)


def _has_package(record: str, top: str) -> bool:
    return f"\n{top}/__init__.py" in record or _is_module(record, top)


def _holds(record: str, module: str) -> bool:
    inner = module.replace(".", "/")
    return f"\n{inner}/" in record or _is_module(record, inner)


def _is_module(record: str, inner: str) -> bool:
    """A module of one file: ``six.py``, ``_yaml.cpython-311-x86_64-linux-gnu.so``."""
    return (
        f"\n{inner}." in record and re.search(rf"\n{re.escape(inner)}(\.[\w-]+)*\.(py|so|pyd)[,\n]", record) is not None
    )

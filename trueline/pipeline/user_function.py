"""A user's function by reference: where it lives, how it is found again in another process, what its code hashes to.

A function of an installed package is carried by its importable name. A function of the user's own files (also of
a pipeline.py that runs as a script) is carried by its file and name.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline.pipeline.loaded import ALONE, remember_loaded
from trueline.pipeline.source_hash import FunctionCode, function_code, is_installed

__all__ = ["SourceOnlyLoader", "UserFunction"]


@dataclass(frozen=True)
class UserFunction:
    """A reference to a top-level function.

    Attributes:
        name: the function's name in its module.
        module: the importable module name, or None for a file that is only known by its path.
        file: the absolute path of the user's own file, or None for an installed module.
    """

    name: str
    module: str | None = None
    file: str | None = None

    @classmethod
    def of(cls, target: str | Callable[..., Any] | UserFunction) -> UserFunction:
        """The reference to a function, to ``"path/file.py:name"`` or to ``"package.module:name"``.

        Raises:
            ConfigError: for a lambda, a nested function or one typed into a notebook, and for a text that leads
                nowhere: a node in another process could not find it.
        """
        if isinstance(target, UserFunction):
            return target
        if isinstance(target, str):
            return _of_text(target)
        remember_loaded()
        target = getattr(target, "__trueline_function__", target)
        function = inspect.unwrap(target)
        name = getattr(function, "__qualname__", None)
        if name is None or not callable(target):
            raise ConfigError(f"{target!r} is no function", hint="give a function that stands at a file's top level.")
        if "<" in name or "." in name:
            raise ConfigError(
                f"function {name!r} does not stand at the top level of a file",
                where=_where(function),
                hint="lambdas, methods and inner functions cannot be found by another process: move it out.",
            )
        file = inspect.getsourcefile(function)
        if file is None or not Path(file).is_file():
            raise ConfigError(
                f"function {name!r} lives in no file ({file})",
                hint="write it to a file (in a notebook: %%writefile model.py) and pass 'model.py:" + name + "'.",
            )
        return _of_file(Path(file).resolve(), function.__module__, name)

    def load(self) -> Callable[..., Any]:
        """The function itself.

        Raises:
            ConfigError: when the file or module is gone, fails to import, or has no such function.
        """
        module = self._module()
        found = getattr(module, self.name, None)
        found = getattr(found, "__trueline_function__", found)
        if not callable(found):
            raise ConfigError(
                f"there is no function {self.name!r}",
                where=self.file or self.module,
                hint=did_you_mean(self.name, [n for n in dir(module) if not n.startswith("_")]),
            )
        loaded: Callable[..., Any] = found
        return loaded

    def fingerprint(self) -> str:
        """The hash of the code that the function depends on, see `trueline.pipeline.source_hash`.

        Raises:
            ConfigError: when the source cannot be read.
        """
        return self.code().digest

    def code(self) -> FunctionCode:
        """The code that the function depends on, the modules that it imports and the files that it reads.

        A function of an installed package depends on its package's version too.

        Raises:
            ConfigError: when the source cannot be read.
        """
        try:
            found = function_code(self.source_file(), self.name)
        except (OSError, SyntaxError, LookupError) as error:
            raise ConfigError(f"the source of {self} cannot be read: {error}") from error
        if self.file is None and self.module is not None:
            return replace(found, modules=found.modules | {self.module})
        return found

    def source_file(self) -> Path:
        """The file that holds the function.

        Raises:
            ConfigError: when the module cannot be found.
        """
        if self.file is not None:
            return Path(self.file)
        spec = _find_spec(str(self.module))
        if spec is None or spec.origin is None:
            raise ConfigError(f"module {self.module!r} cannot be found", hint="install its package, or give a file.")
        return Path(spec.origin)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` is its inverse."""
        return {"name": self.name, "module": self.module, "file": self.file}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> UserFunction:
        """The reference that `to_json` described."""
        return cls(str(data["name"]), data.get("module"), data.get("file"))

    def __str__(self) -> str:
        return f"{self.file or self.module}:{self.name}"

    def _module(self) -> ModuleType:
        try:
            if self.file is None:
                return importlib.import_module(str(self.module))
            return _load_file(Path(self.file), self.module)
        except ConfigError:
            raise
        except Exception as error:
            raise ConfigError(
                f"importing it failed: {type(error).__name__}: {error}", where=self.file or self.module
            ) from error


def _where(function: Any) -> str | None:
    code = getattr(function, "__code__", None)
    return None if code is None else f"{code.co_filename}:{code.co_firstlineno}"


def _of_text(text: str) -> UserFunction:
    place, colon, name = text.rpartition(":")
    if not colon or not name.isidentifier() or not place:
        raise ConfigError(f"{text!r} names no function", hint="write 'file.py:name' or 'package.module:name'.")
    if place.endswith(".py"):
        path = Path(place).expanduser().resolve()
        if not path.is_file():
            raise ConfigError(f"there is no file {path}", where=repr(text))
        return _of_file(path, None, name)
    spec = _find_spec(place)
    if spec is None or spec.origin is None:
        raise ConfigError(f"there is no module {place!r}", where=repr(text), hint="is its package installed?")
    return _of_file(Path(spec.origin).resolve(), place, name)


def _find_spec(module: str) -> Any:
    loaded = sys.modules.get(module)
    if loaded is not None and getattr(loaded, "__spec__", None) is not None:
        return loaded.__spec__
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None


def _of_file(path: Path, module: str | None, name: str) -> UserFunction:
    if module is not None and module != "__main__" and is_installed(path):
        return UserFunction(name, module, None)
    return UserFunction(name, _importable(path, module), str(path))


def _importable(path: Path, module: str | None) -> str | None:
    """The module name where it fits the path (``a.b`` lives in ``a/b.py``), else None: then the path alone counts."""
    if module is None or module == "__main__":
        return None
    parts = module.split(".")
    inner = path.parent if path.name == "__init__.py" else path.with_suffix("")
    return module if list(inner.parts[-len(parts) :]) == parts else None


def _load_file(path: Path, module: str | None) -> ModuleType:
    if not path.is_file():
        raise ConfigError(f"there is no file {path} any more")
    main = sys.modules.get("__main__")
    for loaded in (main, sys.modules.get(module) if module else None):
        origin = getattr(loaded, "__file__", None)
        if loaded is not None and origin is not None and Path(origin).resolve() == path:
            return loaded
    root = path.parent
    if module is not None:
        depth = len(module.split(".")) - (0 if path.name == "__init__.py" else 1)
        for _ in range(depth):
            root = root.parent
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    if module is not None and module not in sys.modules:
        found = importlib.import_module(module)
        if Path(str(found.__file__)).resolve() == path:
            return found
    return _load_alone(path)


class SourceOnlyLoader(SourceFileLoader):
    """Compiles the source each time: a bytecode file knows its source by second and size alone, and an edit can keep
    both."""

    def path_stats(self, path: Any) -> Any:
        raise OSError("no bytecode file is read or written")


def _load_alone(path: Path) -> ModuleType:
    """The file as a module under a name of its own, for scripts and for names that another file has taken."""
    content = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    alias = f"{ALONE}{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}_{content}"
    if alias in sys.modules:
        return sys.modules[alias]
    spec = importlib.util.spec_from_file_location(alias, path, loader=SourceOnlyLoader(alias, str(path)))
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is no Python file")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[alias] = loaded
    try:
        spec.loader.exec_module(loaded)
    except BaseException:
        del sys.modules[alias]
        raise
    return loaded

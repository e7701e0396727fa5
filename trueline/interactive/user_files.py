"""The user's own code files that an exported pipeline needs, and how they come to lie beside it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

from trueline._core.errors import ConfigError
from trueline.pipeline.source_files import files_read
from trueline.pipeline.source_imports import imports_of, is_installed

__all__ = ["UserFiles"]


class UserFiles:
    """Files of user code by where they will lie below the exported file's folder.

    Args:
        folder: where the exported file goes.
        problems: notes, added to.
    """

    def __init__(self, folder: Path, problems: list[str]) -> None:
        self._folder, self._problems = folder, problems
        self.places: dict[Path, Path] = {}

    def place(self, path: Path) -> str:
        """Adds a file that stands by its path; its source, from ``HERE`` on."""
        self._add(path, path.parent)
        return f"HERE / {json.dumps(self.places[path].as_posix())}"

    def add_module(self, module: str, path: Path) -> None:
        """Adds a file that is imported under a dotted name, at the place which that name demands."""
        root = path.parent
        for _ in range(len(module.split(".")) - (0 if path.name == "__init__.py" else 1)):
            root = root.parent
        self._add(path, root)

    def _add(self, path: Path, root: Path) -> None:
        """The file, the user's files that it imports, and the data files that its code names."""
        if path in self.places:
            return
        if not path.is_relative_to(root):
            self._problems.append(f"{path} does not lie below {root}, from where it is imported: it cannot be copied")
            self.places[path] = Path(path.name)
            return
        self.places[path] = path.relative_to(root)
        if path.suffix != ".py":
            return
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        for imported in imports_of(tree, path)[0]:
            if not is_installed(imported):
                self._add(imported.resolve(), root)
        for data in files_read(path, tree, tree.body):
            if data.is_file():
                self._add(data.resolve(), root)

    def copies(self) -> dict[Path, Path]:
        """From file to place, of files that do not lie there already."""
        wanted = {source: self._folder / place for source, place in self.places.items()}
        by_target: dict[Path, Path] = {}
        for source, target in wanted.items():
            if by_target.setdefault(target, source) != source:
                self._problems.append(f"{by_target[target]} and {source} would both become {target}")
        return {source: target for source, target in wanted.items() if source != target}

    def check(self, overwrite: bool) -> None:
        """Notes files in the way that hold something else."""
        for source, target in self.copies().items():
            if target.exists() and not overwrite and target.read_bytes() != source.read_bytes():
                self._problems.append(f"{target} is there and differs from {source}")

    def copy(self) -> None:
        """Copies what does not lie there already.

        Raises:
            ConfigError: a file cannot be written.
        """
        for source, target in self.copies().items():
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())
            except OSError as error:
                raise ConfigError(f"{target} cannot be written: {error}") from error

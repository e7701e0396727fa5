"""Files beside the user's code that it reads: their contents are part of a cache key.

No parser can know every file that code opens. Two ways lead into the key:

* A module says so: ``TRUELINE_FILES = ["words.txt", "tables"]`` at the top level of a file of the user names files and
  folders, from that file's folder on. An empty list says that it reads none.
* Where a file of the user does not say so, texts in its code that name a file below its folder are taken for files
  that it reads: ``open(HERE / "data" / "words.txt")``, ``os.path.join(HERE, "words.txt")``, ``"words.txt"``. One that
  it only writes is then taken for one too, and the node runs again more often than it must, never less; the reason
  names the file, and ``TRUELINE_FILES`` puts it right.
"""

from __future__ import annotations

import ast
import hashlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from trueline._core.errors import ConfigError

__all__ = ["DECLARATION", "declared_files", "file_digest", "file_texts", "files_named", "files_read"]

DECLARATION = "TRUELINE_FILES"
_CODE = frozenset({".py", ".pyc", ".pyi", ".pyd", ".so"})
_HASHED_BYTES = 256 << 20
_SETTLED_SECONDS = 2.0
_digests: dict[tuple[str, int, int, int, int], str] = {}


def files_read(path: Path, tree: ast.Module, reached: Iterable[ast.stmt]) -> dict[Path, str]:
    """The files that the code of a file reads, with the hashes of their contents; ``missing`` for those declared and
    not there.

    Args:
        path: the file of the user.
        tree: all of it.
        reached: the statements that count.

    Raises:
        ConfigError: a declaration that is no list of texts.
    """
    declared = declared_files(path, tree)
    named = () if declared is not None else {text for statement in reached for text in file_texts(statement)}
    return files_named(path, declared, named)


def files_named(path: Path, declared: Iterable[str] | None, texts: Iterable[str]) -> dict[Path, str]:
    """`files_read` where the file's declaration and the texts in its code are known.

    Args:
        path: the file of the user.
        declared: what `declared_files` says of it.
        texts: what `file_texts` finds in it; with a declaration they do not count.
    """
    folder = path.resolve().parent
    if declared is None:
        found = {file for text in texts if (file := _beside(folder, text)) is not None}
        return {file: file_digest(file) for file in sorted(found)}
    files: dict[Path, str] = {}
    for text in declared:
        place = folder / text
        inside = sorted(p for p in place.rglob("*") if p.is_file()) if place.is_dir() else [place]
        files.update({file: file_digest(file) if file.is_file() else "missing" for file in inside})
    return files


def declared_files(path: Path, tree: ast.Module) -> tuple[str, ...] | None:
    """What a file's own declaration names; None where it has none.

    Raises:
        ConfigError: a declaration that is no list of texts.
    """
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if not any(isinstance(target, ast.Name) and target.id == DECLARATION for target in targets):
            continue
        value = getattr(statement, "value", None)
        items = value.elts if isinstance(value, ast.List | ast.Tuple) else [None]
        texts = [item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)]
        if len(texts) != len(items):
            raise ConfigError(
                f"{DECLARATION} is no list of texts",
                where=f"{path}:{statement.lineno}",
                hint=f'write the names themselves, as in {DECLARATION} = ["words.txt"]: it is read, not run.',
            )
        return tuple(texts)
    return None


def file_texts(statement: ast.AST) -> Iterator[str]:
    """Texts in code that may name a file, the parts of a path put together."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            yield "/".join(_last_texts(_operands(node)))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and "join" in node.func.attr:
            yield "/".join(_last_texts(node.args))


def _operands(node: ast.expr) -> list[ast.expr]:
    """``a / b / c`` as a list."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return [*_operands(node.left), node.right]
    return [node]


def _last_texts(items: list[ast.expr]) -> list[str]:
    texts: list[str] = []
    for item in reversed(items):
        if not (isinstance(item, ast.Constant) and isinstance(item.value, str)):
            break
        texts.insert(0, item.value)
    return texts


def _beside(folder: Path, text: str) -> Path | None:
    """The file below the folder that a text names."""
    name = text.rpartition("/")[2]
    if not 2 < len(text) < 256 or "." not in name[1:-1] or text[0] in "/~" or not text.isprintable():
        return None
    place = folder / text
    try:
        if place.suffix in _CODE or not place.is_file() or not place.resolve().is_relative_to(folder):
            return None
    except (OSError, ValueError):
        return None
    return place.resolve()


def file_digest(path: Path) -> str:
    """The hash of a file's contents; above 256 MB of its size and its last change instead.

    Contents are read once in a process: a file whose size, times, number and device are as they were is taken for the
    same. Not so within two seconds of its last change, when an edit may leave all of them as they are.
    """
    try:
        stat = path.stat()
        if stat.st_size > _HASHED_BYTES:
            return f"{stat.st_size} bytes, changed {stat.st_mtime_ns}"
        key = (f"{stat.st_dev}:{path}", stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        found = _digests.get(key)
        if found is None:
            with path.open("rb") as handle:
                found = hashlib.file_digest(handle, "sha256").hexdigest()
            if time.time() - max(stat.st_mtime, stat.st_ctime) > _SETTLED_SECONDS:
                _digests[key] = found
        return found
    except OSError as error:
        return f"unreadable: {error.strerror}"

"""Which revision of the data, or of the code, a run saw: git, DVC or lakeFS; None where nothing says.

    revision_of("data/taxi")   # {"kind": "git", "commit": "1a2b...", "dirty": False, "path": "data/taxi", ...}
    revision_text(...)         # "git:1a2b...#data/taxi", the custom property `data_revision` of Examples

Nothing here fails a run, talks to a network or runs what a repository brings with it: git is asked with its hooks,
file monitors, filters and fetching off and with a time limit, and what it says of changed files is checked by reading
them. Addresses of remotes lose user names, passwords and queries.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from trueline._core import store
from trueline.pipeline.revisions_dvc import dvc_output

__all__ = ["DATA_REVISION", "code_revision", "revision_of", "revision_text"]

DATA_REVISION = "data_revision"
_LOG = logging.getLogger(__name__)
_SECONDS = 5.0
_HASHED_BYTES = 256 << 20
_OFF = ("core.fsmonitor=false", f"core.hooksPath={os.devnull}", "protocol.allow=never", "submodule.recurse=false")
_ENTRY = re.compile(r":\d+ (\d+) ([0-9a-f]+) [0-9a-f]+ ([A-Z])\d*\t(.*)", re.DOTALL)
_COMMIT = re.compile(r"[0-9a-f]{64}")


def revision_of(uri: str) -> dict[str, Any] | None:
    """The revision of an input file or folder.

    Returns:
        By ``kind``: ``git``: commit, dirty, path, and branch and remote where there are; ``dvc``: the hash that DVC
        noted (``md5`` or another), path, dirty (None: not compared), and under ``git`` the revision of DVC's note;
        ``lakefs``: repository, ref, path, and commit where the ref is one. ``dirty`` says that the files are not those
        of the revision; None: nobody knows. None for an input that no such tool keeps.
    """
    try:
        if not store.is_local(uri):
            return _lakefs(uri)
        path = Path(os.path.abspath(store.local_path(uri)))
        if not path.exists():
            return None
        return _dvc(path) or _git(path, data=True) or (_git(path.resolve(), data=True) if path.is_symlink() else None)
    except Exception as error:  # nothing of this is worth a failed run
        _LOG.warning("the revision of an input is unknown: %s", type(error).__name__)
        return None


def code_revision(file: str | Path) -> dict[str, Any] | None:
    """The git revision of the repository around a file of code, as `revision_of` tells it; `dirty` says that a tracked
    file of it was changed, or that this file is not tracked."""
    try:
        path = Path(os.path.abspath(file))
        return _git(path, data=False) if path.exists() else None
    except Exception as error:
        _LOG.warning("the revision of %s is unknown: %s", Path(file).name, type(error).__name__)
        return None


def revision_text(revision: Mapping[str, Any]) -> str:
    """One line that filters can look for: ``git:<commit>[+dirty]#<path>``, ``dvc:md5:<hash>[+dirty]#<path>``,
    ``lakefs:<repository>@<ref>#<path>``."""
    kind = revision["kind"]
    if kind == "lakefs":
        return f"lakefs:{revision['repository']}@{revision['ref']}#{revision['path']}"
    what = revision["commit"] if kind == "git" else f"{revision['hash_name']}:{revision['hash']}"
    return f"{kind}:{what}{'+dirty' if revision.get('dirty') else ''}#{revision['path']}"


# -- git ---------------------------------------------------------------------------------------------------------------


def _git(path: Path, *, data: bool) -> dict[str, Any] | None:
    path = path.parent.resolve() / path.name  # git speaks of a link itself, but of the folders around it as they are
    folder = path if path.is_dir() and not path.is_symlink() else path.parent
    found = _ask(folder, "rev-parse", "--show-toplevel", "--verify", "HEAD^{commit}")
    if found is None:
        return None
    top, _, commit = found.strip().rpartition("\n")
    inside = Path(os.path.relpath(path, os.path.realpath(top))).as_posix()
    tracked = _ask(folder, "ls-files", "-z", "--", str(path))
    if not tracked and data:
        return None  # the commit says nothing of files that it does not hold
    dirty = _dirty(Path(top), path if data else Path(top), others=data)
    if not tracked and not data:
        dirty = True
    revision: dict[str, Any] = {"kind": "git", "commit": commit, "dirty": dirty, "path": inside}
    branch = _ask(folder, "symbolic-ref", "--quiet", "--short", "HEAD")
    remote = _public(_ask(folder, "config", "--get", "remote.origin.url") or "")
    if branch:
        revision["branch"] = branch.strip()
    return {**revision, "remote": remote} if remote else revision


def _dirty(top: Path, path: Path, *, others: bool) -> bool | None:
    """Whether files differ from the commit's; with `others`, also whether there are some that it does not hold."""
    settings = _no_filters(top)
    words = ("diff-index", "--raw", "-z", "--no-renames", "--ignore-submodules=all", "HEAD", "--", str(path))
    changed = None if settings is None else _ask(top, *words, settings=settings)
    left = _ask(top, "ls-files", "-z", "--others", "--exclude-standard", "--", str(path)) if others else ""
    if changed is None or left is None:
        return None
    if left:
        return True
    parts = changed.split("\0")
    for head, name in zip(parts[0::2], parts[1::2], strict=False):
        entry = _ENTRY.match(f"{head}\t{name}")
        if entry is None or entry[3] != "M" or not _same_blob(top / entry[4], entry[2]):
            return True
    return False


def _no_filters(top: Path) -> tuple[str, ...] | None:
    """Settings that switch off the programs through which the repository would have git read files."""
    names = _ask(top, "config", "-z", "--name-only", "--get-regexp", r"^filter\.")
    found = sorted({name.rpartition(".")[0] for name in (names or "").split("\0") if name})
    if any("=" in name for name in found):
        return None
    return tuple(f"{name}.{key}" for name in found for key in ("clean=", "smudge=", "process=", "required=false"))


def _same_blob(file: Path, blob: str) -> bool:
    """Whether a file that git would have to read again holds what the commit holds; git's own reading of it may run
    filters of the repository."""
    digest = hashlib.sha1(usedforsecurity=False) if len(blob) == 40 else hashlib.sha256()
    try:
        if file.is_symlink() or not file.is_file() or (size := file.stat().st_size) > _HASHED_BYTES:
            return False
        digest.update(b"blob %d\0" % size)
        with file.open("rb") as handle:
            while piece := handle.read(1 << 20):
                digest.update(piece)
    except OSError:
        return False
    return digest.hexdigest() == blob


def _ask(folder: Path, *words: str, settings: Sequence[str] = ()) -> str | None:
    """What git says in a folder; None where there is no git, no repository, no answer in time, or a refusal."""
    program = shutil.which("git")
    if program is None:
        return None
    given = [word for setting in (*_OFF, *settings) for word in ("-c", setting)]
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            [program, "--no-pager", "--literal-pathspecs", *given, "-C", str(folder), *words],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_SECONDS,
            env={**kept, **quiet},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else None


def _public(remote: str) -> str | None:
    """A remote's address without user, password, query and fragment; None for one on this machine."""
    text = remote.strip()
    if "://" not in text:
        host, colon, path = text.rpartition("@")[2].partition(":")
        return f"{host}:{path}" if colon and "/" not in host and host and "\\" not in path else None
    try:
        parts = urlsplit(text)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    if parts.scheme == "file" or not parts.hostname:
        return None
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


# -- DVC and lakeFS ----------------------------------------------------------------------------------------------------


def _dvc(path: Path) -> dict[str, Any] | None:
    found = dvc_output(path)
    if found is None:
        return None
    note, output, inside = found
    revision: dict[str, Any] = {
        "kind": "dvc",
        "hash_name": output.hash_name,
        "hash": output.hash,
        "path": inside,
        "dirty": output.differs(),
    }
    noted = _git(note, data=True)
    return {**revision, "git": noted} if noted is not None else revision


def _lakefs(uri: str) -> dict[str, Any] | None:
    """``lakefs://repository/ref/path``, and ``s3://repository/ref/path`` where the environment says that the S3
    endpoint is the lakeFS server (``LAKECTL_SERVER_ENDPOINT_URL``, as lakeFS's own tool reads it)."""
    parts = urlsplit(uri)
    if parts.scheme not in ("lakefs", "s3", "s3a") or (parts.scheme != "lakefs" and not _s3_is_lakefs()):
        return None
    ref, _, path = parts.path.lstrip("/").partition("/")
    repository = parts.netloc.rpartition("@")[2]
    if not repository or not ref:
        return None
    revision = {"kind": "lakefs", "repository": repository, "ref": ref, "path": path.rstrip("/")}
    return {**revision, "commit": ref} if _COMMIT.fullmatch(ref) else revision


def _s3_is_lakefs() -> bool:
    server = urlsplit(os.environ.get("LAKECTL_SERVER_ENDPOINT_URL", "")).netloc
    asked = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    return bool(server) and urlsplit(asked).netloc == server

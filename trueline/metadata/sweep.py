"""Beside artifacts: logs of runs that are not kept, and temporary files of runs that have ended.

Only folders of runs that this database knows are touched: another database may share the root.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from trueline._core import store as files
from trueline.metadata.node_rows import now_ms
from trueline.metadata.own_tables import process, run
from trueline.metadata.retention import GcPlan
from trueline.metadata.retention_graph import roots_of_runs
from trueline.metadata.store import MetadataStore

__all__ = ["Leftover", "leftovers", "sweep", "work_dir_of", "work_dirs"]

_DAY = 24 * 3600 * 1000


@dataclass(frozen=True)
class Leftover:
    """A folder of an ended run that nobody needs."""

    path: str
    run_id: str
    kind: Literal["log", "temporary files"]
    bytes: int


def work_dir_of(root: str, pipeline: str) -> Path:
    """The local folder in which runs below a root keep logs and temporary files."""
    if files.is_local(root):
        return files.local_path(root) / ".trueline"
    return Path(tempfile.gettempdir()) / "trueline" / pipeline


def leftovers(store: MetadataStore, plan: GcPlan) -> list[Leftover]:
    """What a sweep after this plan would remove: logs of ended runs that the plan does not keep (and that are older
    than its days, where it has them), temporary files of every ended run."""
    policy = plan.policy
    since = now_ms() - policy.keep_days * _DAY if policy.keep_days is not None else None
    found = []
    for work_dir in work_dirs(store, policy.pipelines):
        logs, temporary = work_dir / "logs", work_dir / "tmp"
        ended = _ended(store, {*_folders(logs), *_folders(temporary)})
        for run_id, finished in sorted(ended.items()):
            if (temporary / run_id).is_dir():
                found.append(Leftover(str(temporary / run_id), run_id, "temporary files", _bytes(temporary / run_id)))
            old = since is None or finished < since
            if run_id not in plan.kept_runs and old and (logs / run_id).is_dir():
                found.append(Leftover(str(logs / run_id), run_id, "log", _bytes(logs / run_id)))
    return found


def sweep(store: MetadataStore, found: Collection[Leftover]) -> tuple[list[Leftover], list[str]]:
    """Removes leftovers of runs that are still ended; (what is gone, what failed, in sentences)."""
    gone, failed = [], []
    for item in found:
        if item.run_id not in _ended(store, {item.run_id}):
            continue
        try:
            files.remove_tree(item.path)
        except FileNotFoundError:
            continue
        except OSError as error:
            failed.append(f"{error.filename or item.path}: {(error.strerror or str(error)).lower()}")
        else:
            gone.append(item)
    return gone, failed


def work_dirs(store: MetadataStore, pipelines: Collection[str] | None) -> list[Path]:
    """The work folders of all roots that runs recorded, none of them behind a link."""
    newest = sa.select(run.c.pipeline, sa.func.max(run.c.run_id)).group_by(run.c.pipeline)
    with store.database.read() as connection:
        pairs = [(str(row[0]), str(row[1])) for row in connection.execute(newest)]
        roots = roots_of_runs(connection, [run_id for _, run_id in pairs])
    found = {
        work_dir_of(roots[run_id], pipeline)
        for pipeline, run_id in pairs
        if run_id in roots and (pipelines is None or pipeline in pipelines)
    }
    return sorted(path for path in found if path.is_dir() and not path.is_symlink())


def _folders(path: Path) -> list[str]:
    return [entry.name for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)] if path.is_dir() else []


def _ended(store: MetadataStore, run_ids: Collection[str]) -> dict[str, int]:
    """Run -> when it ended, of those runs that have ended and left nothing half-written."""
    found: dict[str, int] = {}
    wanted = sorted(run_ids)
    for start in range(0, len(wanted), 500):
        query = sa.select(run.c.run_id, run.c.finished, run.c.started).where(
            run.c.run_id.in_(wanted[start : start + 500]),
            run.c.status != "RUNNING",
            run.c.run_id.not_in(sa.select(process.c.run_id)),
        )
        with store.database.read() as connection:
            for run_id, finished, started in connection.execute(query):
                found[str(run_id)] = int(finished or started)
    return found


def _bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if not path.is_dir() else 0
        except OSError:
            continue
    return total

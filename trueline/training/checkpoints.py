"""Checkpoints of a training: each is there whole or not at all, and the newest whole one is found again.

A checkpoint is a folder ``step-<number>``: its files and, written last, ``checkpoint.json`` with their hashes. It is
made under another name, synced to the disk and renamed, so that neither a kill nor a power cut leaves half of one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trueline._core import store
from trueline._core.errors import ArtifactError, ConfigError, did_you_mean
from trueline.training.tracking import EARLIER_METRICS, METRICS_FILE

__all__ = ["Checkpoint", "Checkpoints"]

CHECKPOINT_FILE = "checkpoint.json"
CHECKPOINT_FORMAT = 1
_PREFIX, _UNDONE = "step-", ".undone-"
Writer = Callable[[str], object]


@dataclass(frozen=True)
class Checkpoint:
    """One whole checkpoint.

    Attributes:
        step: the number it was saved under.
        path: its folder.
        files: names of its files.
        metrics: what `save` was told of the model at that step.
        state: the JSON that `save` was given, such as ``loader.state()``.
    """

    step: int
    path: str
    files: tuple[str, ...]
    metrics: Mapping[str, float] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)

    def read(self, name: str) -> bytes:
        """A file's bytes.

        Raises:
            ArtifactError: there is no such file.
        """
        if name not in self.files:
            raise ArtifactError(f"no file {name!r}", where=self.path, hint=did_you_mean(name, self.files))
        return Path(self.path, name).read_bytes()

    def load_torch(self, **parts: Any) -> None:
        """Puts parts of a torch training, and the random generators, back to where `Checkpoints.save_torch` was.

        Raises:
            ModelError: the checkpoint has no such part.
        """
        from trueline.training.checkpoints_torch import load_torch

        load_torch(self, **parts)


class Checkpoints:
    """The checkpoints of one folder.

    Args:
        folder: a local folder; made with the first checkpoint.
        writes: False: `save` does nothing, as on all but one of the processes that train together.
        metrics_of: the folder of the run's ``metrics.jsonl``: a training that goes on from a checkpoint finds it as it
            was then.
    """

    def __init__(self, folder: str, *, writes: bool = True, metrics_of: str | None = None) -> None:
        self.folder = Path(store.local_path(folder))
        self.writes = writes
        self._metrics = Path(store.local_path(metrics_of)) if metrics_of is not None else None

    def save(
        self,
        step: int,
        files: Mapping[str, bytes] | Writer,
        *,
        metrics: Mapping[str, float] | None = None,
        state: Mapping[str, Any] | None = None,
        keep: int = 2,
    ) -> None:
        """Saves a checkpoint; one of the same step is replaced, the oldest go.

        Args:
            step: of the training; the largest is `latest`.
            files: bytes by name, or a function that writes files into the folder it is given, such as
                ``lambda folder: model.save_weights(f"{folder}/model.weights.h5")``.
            metrics: values to remember with it.
            state: JSON to remember with it, such as ``loader.state()``.
            keep: how many to keep.

        Raises:
            ConfigError: a step or a name that cannot be, nothing to save, or state that is no JSON.
        """
        if not self.writes:
            return
        about = self._about(step, metrics, state, keep)
        self.folder.mkdir(parents=True, exist_ok=True)
        undone = self.folder / f"{_UNDONE}{step}-{os.getpid()}"
        for left in self.folder.glob(f"{_UNDONE}*"):  # of a killed process: one process writes at a time
            shutil.rmtree(left, ignore_errors=True)
        undone.mkdir()
        try:
            _write(undone, files)
            about["files"] = {name: _hash(undone / name) for name in _names(undone)}
            if not about["files"]:
                raise ConfigError(f"the checkpoint of step {step} has no file", hint="give files, or a function.")
            _synced(undone / CHECKPOINT_FILE, json.dumps(about, sort_keys=True).encode())
            _sync_folder(undone)
            self._put(undone, self.folder / f"{_PREFIX}{step:012d}")
        finally:
            shutil.rmtree(undone, ignore_errors=True)
        for old in self._steps()[keep:]:
            shutil.rmtree(self.folder / f"{_PREFIX}{old:012d}", ignore_errors=True)

    def save_torch(
        self,
        step: int,
        *,
        metrics: Mapping[str, float] | None = None,
        state: Mapping[str, Any] | None = None,
        keep: int = 2,
        **parts: Any,
    ) -> None:
        """Saves a torch training: ``save_torch(step, model=net, optimizer=adam, state=loader.state())``.

        Args:
            step, metrics, state, keep: as for `save`.
            parts: whatever has ``state_dict`` and ``load_state_dict``; the states of all random generators go with
                them. No pickle is written.
        """
        if self.writes:
            from trueline.training.checkpoints_torch import torch_files

            self.save(step, torch_files(**parts), metrics=metrics, state=state, keep=keep)

    def latest(self) -> Checkpoint | None:
        """The whole checkpoint of the largest step; None when there is none: the training begins.

        The first time, what a killed run had logged until that step becomes the log of this one.
        """
        for step in self._steps():
            found = self._read(step)
            if found is not None:
                checkpoint, logged = found
                self._restore_metrics(logged)
                return checkpoint
        return None

    def _about(
        self, step: int, metrics: Mapping[str, float] | None, state: Mapping[str, Any] | None, keep: int
    ) -> dict[str, Any]:
        problems = []
        if isinstance(step, bool) or not isinstance(step, int) or step < 0:
            problems.append(f"step={step!r}: give a whole number of at least zero")
        if keep < 1:
            problems.append(f"keep={keep}: give at least one")
        about: dict[str, Any] = {
            "format": CHECKPOINT_FORMAT,
            "step": step,
            "metrics": {name: float(value) for name, value in (metrics or {}).items()},
            "state": dict(state or {}),
            "logged": self._logged(),
        }
        try:
            json.dumps(about["state"])
        except (TypeError, ValueError) as error:
            problems.append(f"state is no JSON: {error}")
        if problems:
            raise ConfigError("this checkpoint cannot be saved", problems=problems)
        return about

    def _logged(self) -> int:
        """How long the run's log is now."""
        path = None if self._metrics is None else self._metrics / METRICS_FILE
        return path.stat().st_size if path is not None and path.exists() else 0

    def _restore_metrics(self, logged: int) -> None:
        if self._metrics is None or not self.writes:
            return
        before, now = self._metrics / EARLIER_METRICS, self._metrics / METRICS_FILE
        if before.exists() and not now.exists() and logged:
            with before.open("rb") as handle:
                store.write_bytes(str(now), handle.read(logged))

    def _put(self, undone: Path, final: Path) -> None:
        """Renames; a folder cannot be replaced at once, so an old one of the same step is moved out of the way."""
        if final.exists():
            old = undone.with_name(f"{undone.name}-old")
            os.rename(final, old)
            os.rename(undone, final)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.rename(undone, final)
        _sync_folder(self.folder)

    def _steps(self) -> list[int]:
        """The steps that have a folder, the largest first."""
        if not self.folder.is_dir():
            return []
        names = [path.name.removeprefix(_PREFIX) for path in self.folder.iterdir() if path.name.startswith(_PREFIX)]
        return sorted((int(name) for name in names if name.isdigit()), reverse=True)

    def _read(self, step: int) -> tuple[Checkpoint, int] | None:
        """The checkpoint and the length of the log then; None where anything in the folder is not as it was saved."""
        folder = self.folder / f"{_PREFIX}{step:012d}"
        try:
            about = json.loads((folder / CHECKPOINT_FILE).read_bytes())
            inside = not any(name.startswith("/") or ".." in name.split("/") for name in about["files"])
            whole = (
                inside
                and about["format"] == CHECKPOINT_FORMAT
                and all(_hash(folder / name) == digest for name, digest in about["files"].items())
            )
            names = tuple(sorted(about["files"]))
            made = Checkpoint(int(about["step"]), str(folder), names, about["metrics"], about["state"])
            return (made, int(about["logged"])) if whole and made.step == step else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
            return None


def _write(folder: Path, files: Mapping[str, bytes] | Writer) -> None:
    if callable(files):
        files(str(folder))
        for name in _names(folder):
            _sync_file(folder / name)
        return
    folder = folder.resolve()  # a relative one, or one behind a link, is no parent of a resolved path
    for name, content in files.items():
        path = folder / name
        if not name or folder not in path.resolve().parents or name == CHECKPOINT_FILE:
            raise ConfigError(f"a checkpoint has no file {name!r}", hint="give plain names, folders with a slash.")
        path.parent.mkdir(parents=True, exist_ok=True)
        _synced(path, content)


def _names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _hash(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _synced(path: Path, content: bytes) -> None:
    with path.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


def _sync_file(path: Path) -> None:
    with path.open("rb") as handle:
        os.fsync(handle.fileno())


def _sync_folder(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)

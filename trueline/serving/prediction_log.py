"""The prediction log: a sample of requests with their answers, as Parquet files that the line reads as Examples.

The event loop only puts a record into a bounded list. One thread makes files of it, ``<folder>/<model>/<version>/``:
each is written under another name and then renamed, so a file that is there is whole. A disk that is full or gone
fails no request: the rows wait, as many as the bound allows, and the writing is tried again.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from weakref import WeakKeyDictionary

import numpy as np

from trueline._core.errors import ConfigError
from trueline._core.runtime import ModelRuntime
from trueline.serving.errors import RequestError
from trueline.serving.feedback_metrics import FeedbackMetrics
from trueline.serving.prediction_rows import Record, Shape, table_of
from trueline.serving.service import Answered, Call
from trueline.serving.surroundings import told
from trueline.serving.traffic import unit

__all__ = ["LogPlace", "PredictionLog"]

_LOG_IDS = itertools.count(1)
_LEFT_SECONDS = 3600.0
_RETRY_SECONDS = 1.0
_MAX_BYTES = 256 * 1024 * 1024
Key = tuple[str, str, int, int]


@dataclass(frozen=True)
class LogPlace:
    """Where a model's requests are logged, and which share of them.

    Attributes:
        folder: a local folder.
        rate: from 0 to 1; by the hash of the request id, so that every version and process takes the same requests.
    """

    folder: str
    rate: float


class PredictionLog:
    """An observer that logs.

    Args:
        places: by model.
        rows: so many rows make a file.
        seconds: and so does this time.
        queue_rows: rows that may be in memory; further ones are dropped and counted.
        metrics: where rows are counted.
        on_event: told ``prediction_log_failed`` and ``prediction_log_recovered``, from the writing thread.

    Raises:
        ConfigError: pyarrow is not installed.
    """

    def __init__(
        self,
        places: Mapping[str, LogPlace],
        rows: int,
        seconds: float,
        queue_rows: int,
        metrics: FeedbackMetrics,
        on_event: Callable[[str, Mapping[str, Any]], None],
    ) -> None:
        _check_pyarrow()
        self.places = places
        self._rows = min(rows, queue_rows)
        self._seconds = seconds
        self._queue_rows = queue_rows
        self._metrics = metrics
        self._on_event = on_event
        self._records: list[Record] = []
        self._held: dict[Key, list[Record]] = {}
        self._in_memory = 0
        self._bytes = 0
        self._fresh = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._error = ""
        self._swept: set[str] = set()
        self._shapes: WeakKeyDictionary[ModelRuntime, Shape] = WeakKeyDictionary()
        self._run_id = secrets.token_hex(4)
        self._thread = threading.Thread(target=self._work, name="trueline-prediction-log", daemon=True)

    # On the event loop

    def start(self) -> None:
        """Starts the writing thread."""
        self._thread.start()

    def answered(self, call: Call, answered: Answered, seconds: float) -> None:
        """A request that was answered: logged when it is one of the sample."""
        self.log(call, answered, "champion")

    def failed(self, call: Call, name: str, number: int, error: RequestError, seconds: float) -> None:
        """A request without an answer is not logged."""

    def log(self, call: Call, answered: Answered, role: str) -> None:
        """Logs what a version said, in one of the roles ``champion`` and ``challenger``."""
        place = self.places.get(answered.name)
        if place is None or call.api == "explain" or unit("", call.request_id) >= place.rate:
            return
        rows = answered.given.packed.rows
        if self._ending.is_set() or self._in_memory + rows > self._queue_rows:
            self._metrics.lost.labels(answered.name, "stopped" if self._ending.is_set() else "queue").inc(rows)
            return
        shape = self._shape(answered.live.runtime)
        if not shape.whole(answered.given.packed):
            self._metrics.lost.labels(answered.name, "host_columns").inc(rows)
            return
        record = Record(
            call.request_id,
            answered.name,
            answered.number,
            time.time_ns() // 1000,
            role,
            call.api,
            place.folder,
            shape,
            answered.given.packed,
            {name: np.array(values) for name, values in answered.outputs.items()},  # a copy: they are cuts of a batch
        )
        size = record.size
        if self._bytes + size > _MAX_BYTES:
            self._metrics.lost.labels(answered.name, "queue").inc(rows)
            return
        with self._lock:
            self._records.append(record)
            self._bytes += size
            self._in_memory += rows
            self._fresh += rows
        if self._fresh >= self._rows:
            self._wake.set()

    def close(self, seconds: float) -> None:
        """Writes all that was logged; call it off the event loop. What cannot be written by then is counted as lost."""
        self._ending.set()
        self._wake.set()
        self._thread.join(seconds)

    def _shape(self, runtime: ModelRuntime) -> Shape:
        shape = self._shapes.get(runtime)
        if shape is None:
            shape = self._shapes[runtime] = Shape(runtime.graph.feeds, runtime.inputs, runtime.outputs)
        return shape

    # In the thread

    def _work(self) -> None:
        while True:
            self._wake.wait(self._seconds if not self._held else min(self._seconds, _RETRY_SECONDS))
            ending = self._ending.is_set()
            self._wake.clear()
            self._write_all()
            if ending:
                break
            if self._held:  # a failing disk is asked once in a while, however much comes in
                self._ending.wait(min(self._seconds, _RETRY_SECONDS))
        for records in self._held.values():
            self._lose(records, "disk")

    def _take(self) -> None:
        with self._lock:
            records, self._records = self._records, []
            self._fresh = 0
        for record in records:
            key = (record.folder, record.model, record.version, id(record.shape))
            self._held.setdefault(key, []).append(record)

    def _write_all(self) -> None:
        self._take()
        for key, records in list(self._held.items()):
            try:
                self._write(records)
            except OSError as error:
                self._metrics.unwritable.labels(records[0].model).inc()
                self._tell(f"{error.strerror or error}", records[0].folder)
                continue
            except Exception as error:  # rows that do not fit their own signature: trying again would not help
                self._tell(told(error), records[0].folder)
                self._lose(records, "unwritable")
            else:
                self._written(records)
            del self._held[key]
        if self._error and not self._held:
            self._error = ""
            self._on_event("prediction_log_recovered", {})

    def _write(self, records: Sequence[Record]) -> None:
        import pyarrow.parquet as pq

        first = records[0]
        folder = Path(first.folder) / _file_name(first.model) / str(first.version)
        folder.mkdir(parents=True, exist_ok=True)
        self._sweep(folder)
        stamp = datetime.fromtimestamp(first.micros / 1e6, UTC).strftime("%Y%m%dT%H%M%S.%f")
        name = f"{stamp}-{self._run_id}-{next(_LOG_IDS):06d}.parquet"
        part = folder / f".{name}.part"
        try:
            with part.open("wb") as file:
                pq.write_table(table_of(records), file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            part.replace(folder / name)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink()
            raise

    def _sweep(self, folder: Path) -> None:
        """Removes what a process that was killed left behind."""
        if str(folder) in self._swept:
            return
        self._swept.add(str(folder))
        for part in folder.glob(".*.parquet.part"):
            with contextlib.suppress(OSError):
                if time.time() - part.stat().st_mtime > _LEFT_SECONDS:
                    part.unlink()

    def _written(self, records: Sequence[Record]) -> None:
        for record in records:
            self._metrics.logged.labels(record.model, record.role).inc(record.packed.rows)
        self._forget(records)

    def _lose(self, records: Sequence[Record], reason: str) -> None:
        self._metrics.lost.labels(records[0].model, reason).inc(sum(record.packed.rows for record in records))
        self._forget(records)

    def _forget(self, records: Sequence[Record]) -> None:
        with self._lock:
            self._in_memory -= sum(record.packed.rows for record in records)
            self._bytes -= sum(record.size for record in records)

    def _tell(self, error: str, folder: str) -> None:
        if error != self._error:
            self._error = error
            self._on_event("prediction_log_failed", {"folder": folder, "error": error[:500]})


def _file_name(model: str) -> str:
    """A model's name as that of one folder, whatever stands in it."""
    name = quote(model, safe=" ")
    return name if not name.startswith(".") else "%2E" + name[1:]


def _check_pyarrow() -> None:
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ConfigError(
            "the prediction log is written as Parquet, and pyarrow is not installed",
            hint="pip install pyarrow, or leave the prediction log out.",
        ) from error
    del pq

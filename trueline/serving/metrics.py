"""Prometheus metrics of one server, with the label children kept so that a request pays for no look-up.

Labels are model, version and status code; names that a client makes up are never labels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)
_CHILDREN = 4096


class Metrics:
    """Counters and histograms of one app, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "trueline_requests",
            "Requests to a known model by status code.",
            ("model", "version", "code"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "trueline_request_seconds",
            "Wall time from the whole request body to the encoded answer, of predictions that succeeded.",
            ("model", "version"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._rows = Counter("trueline_rows", "Rows predicted.", ("model", "version"), registry=self.registry)
        self._batch_rows = Histogram(
            "trueline_batch_rows",
            "Rows of one run of a model.",
            ("model", "version"),
            buckets=_ROWS,
            registry=self.registry,
        )
        self._available = Gauge(
            "trueline_model_available",
            "1 while the version answers, 0 after it was unloaded or failed to load.",
            ("model", "version"),
            registry=self.registry,
        )
        self.refused = Counter(
            "trueline_refused",
            "Requests that reached no model: unknown name, malformed, too large.",
            ("code",),
            registry=self.registry,
        )
        self.request = lru_cache(_CHILDREN)(self._requests.labels)
        self.seconds = lru_cache(_CHILDREN)(self._seconds.labels)
        self.rows = lru_cache(_CHILDREN)(self._rows.labels)

    def batch_observer(self, model: str, version: int) -> Callable[[int], None]:
        """What a batcher tells the rows of each run."""
        observe: Callable[[int], None] = self._batch_rows.labels(model, str(version)).observe
        return observe

    def set_available(self, model: str, version: int, available: bool) -> None:
        """Records whether a version answers."""
        self._available.labels(model, str(version)).set(int(available))

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

"""Prometheus metrics of one server, with the label children kept so that a request pays for no look-up.

Labels are model, version and status code; names that a client makes up are never labels. What every request adds to is
kept in plain numbers, touched on the event loop alone, and becomes Prometheus' samples when somebody reads them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

__all__ = ["CONTENT_TYPE", "Metrics", "Tally"]

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)
_CHILDREN = 4096


class Tally:
    """A histogram of one model version: how many values lie up to each bound, and their sum."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Counts a value in the first bucket whose bound is not below it."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        """Writes the cumulative counts."""
        names = [*(str(float(b)) for b in self._bounds), "+Inf"]
        family.add_metric(labels, list(zip(names, accumulate(self._counts), strict=True)), self._sum)


class _Tallies(Collector):
    """The histograms of every model version, and the rows predicted."""

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, str], Tally] = {}
        self.batch_rows: dict[tuple[str, str], Tally] = {}
        self.rows: dict[tuple[str, str], int] = {}

    def collect(self) -> Iterator[Metric]:
        labels = ("model", "version")
        rows = CounterMetricFamily("trueline_rows", "Rows predicted.", labels=labels)
        for key, count in self.rows.items():
            rows.add_metric(key, count)
        yield rows
        for name, text, tallies in (
            (
                "trueline_request_seconds",
                "Wall time from the whole request body to the encoded answer, of predictions that succeeded.",
                self.seconds,
            ),
            ("trueline_batch_rows", "Rows of one run of a model.", self.batch_rows),
        ):
            family = HistogramMetricFamily(name, text, labels=labels)
            for key, tally in tallies.items():
                tally.add_to(family, key)
            yield family


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
        self._tallies = _Tallies()
        self.registry.register(self._tallies)
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

    def succeeded(self, model: str, version: str, rows: int, seconds: float) -> None:
        """Records a prediction that was answered."""
        key = (model, version)
        tally = self._tallies.seconds.get(key)
        if tally is None:
            tally = self._tallies.seconds[key] = Tally(_SECONDS)
            self._tallies.rows[key] = 0
        tally.observe(seconds)
        self._tallies.rows[key] += rows

    def batch_observer(self, model: str, version: int) -> Callable[[int], None]:
        """What a batcher tells the rows of each run."""
        return self._tallies.batch_rows.setdefault((model, str(version)), Tally(_ROWS)).observe

    def set_available(self, model: str, version: int, available: bool) -> None:
        """Records whether a version answers."""
        self._available.labels(model, str(version)).set(int(available))

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

"""What one server counts, kept in plain numbers on the event loop, made into Prometheus' samples when somebody reads.

Labels are model, version, feature and status code; names that a client makes up are never labels. A request that was
answered costs two bisections and four additions. Batches tell the time of a run and hand over what `FeatureCounts`
looks at later. TensorFlow Serving's names for the same figures are made in `metrics_tfs`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from trueline._core.feed_blocks import Packed
from trueline._core.runtime import OnnxGraph
from trueline.serving.batching import BatchObserver
from trueline.serving.errors import Code, RequestError
from trueline.serving.metrics_features import FeatureCounts

__all__ = ["CONTENT_TYPE", "LATENCY_MICROS", "Key", "Metrics", "Runs", "Series", "Tally"]

CONTENT_TYPE = CONTENT_TYPE_LATEST
Key = tuple[str, int, str, str]
"""Model, version, what is asked (``predict``), and the entrypoint (``REST`` or ``GRPC``)."""

LATENCY_MICROS = tuple(10 * 1.8**i for i in range(33))
"""TensorFlow Serving's buckets of latencies."""
_OURS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SECONDS = tuple(sorted({*_OURS, *(m / 1e6 for m in LATENCY_MICROS)}))
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)
_VERSION = ("model", "version")
_EXAMPLES = tuple(float(2**i) for i in range(20))


class Tally:
    """A histogram: how many values lie up to each bound, and their sum.

    Attributes:
        bounds: ascending.
        counts: values of each bucket alone; one more than bounds.
        sum: of all values.
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Counts a value in the first bucket whose bound is not below it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def add(self, other: Tally) -> None:
        """Adds the counts of another tally with the same bounds."""
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum

    def cumulative(self, bounds: Sequence[float] | None = None) -> list[tuple[str, int]]:
        """Values up to each bound as Prometheus writes them; `bounds` may be some of the tally's own."""
        totals = list(accumulate(self.counts))
        wanted = self.bounds if bounds is None else tuple(bounds)
        return [(str(float(b)), totals[bisect_left(self.bounds, b)]) for b in wanted] + [("+Inf", totals[-1])]

    def add_to(
        self, family: HistogramMetricFamily, labels: Sequence[str], bounds: Sequence[float] | None = None
    ) -> None:
        """Writes the cumulative counts."""
        family.add_metric(labels, self.cumulative(bounds), self.sum)


class Series:
    """Requests of one kind that one model version answered.

    Attributes:
        seconds: wall times from the whole request to the encoded answer.
        rows: rows of each request.
    """

    __slots__ = ("rows", "seconds")

    def __init__(self) -> None:
        self.seconds = Tally(_SECONDS)
        self.rows = Tally(_EXAMPLES)


class Runs:
    """Runs of one model version: their rows, their seconds, and how long the first request of each one waited."""

    __slots__ = ("features", "rows", "seconds", "waited")

    def __init__(self) -> None:
        self.rows = Tally(_ROWS)
        self.seconds = Tally(_SECONDS)
        self.waited = Tally(_SECONDS)
        self.features = FeatureCounts()

    def observe(self, data: Sequence[Packed], rows: int, waited: float, ran: float) -> None:
        """One run, as a batcher tells of it."""
        for tally, value in ((self.rows, rows), (self.seconds, ran), (self.waited, waited)):
            tally.counts[bisect_left(tally.bounds, value)] += 1
            tally.sum += value
        self.features.observe(data, rows)


Loads = Mapping[tuple[str, int], tuple[int, int]]
"""By model and version: rows that wait, and requests in flight."""


class Metrics(Collector):
    """Everything that one app counts, in a registry of its own.

    Attributes:
        series: requests that were answered.
        failures: requests that a version could not answer, by model, version, code and HTTP status.
        runs: runs of each version.
        refused: requests that reached no model, by status.
        rejected: what was turned away to keep the server alive, by reason.
        loads: asked for what waits and what is in flight, when somebody reads.
        load_seconds: how long each version took to load.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.series: dict[Key, Series] = {}
        self.failures: dict[tuple[str, int, Code, int], int] = {}
        self.runs: dict[tuple[str, int], Runs] = {}
        self.load_seconds: dict[tuple[str, int], float] = {}
        self.loads: Callable[[], Loads] = dict
        labels = ("model", "version")
        text = "1 while the version answers, 0 after it was unloaded or failed to load."
        self._available = Gauge("trueline_model_available", text, labels, registry=self.registry)
        text = "Requests that reached no model: unknown name, malformed, too large."
        self.refused = Counter("trueline_refused", text, ("code",), registry=self.registry)
        text = "What was turned away for want of room or time, by reason."
        self.rejected = Counter("trueline_rejected", text, ("reason",), registry=self.registry)
        self.registry.register(self)

    def answered(self, model: str, version: int, api: str, entrypoint: str, rows: int, seconds: float) -> None:
        """Counts a request that was answered."""
        key = (model, version, api, entrypoint)
        series = self.series.get(key)
        if series is None:
            series = self.series[key] = Series()
        tally = series.seconds  # written out: this is the one place that every request comes by
        tally.counts[bisect_left(tally.bounds, seconds)] += 1
        tally.sum += seconds
        tally = series.rows
        tally.counts[0 if rows == 1 else bisect_left(tally.bounds, rows)] += 1
        tally.sum += rows

    def failed(self, model: str, version: int, error: RequestError) -> None:
        """Counts a request that a version could not answer."""
        key = (model, version, error.code, error.status)
        self.failures[key] = self.failures.get(key, 0) + 1
        if error.code is Code.RESOURCE_EXHAUSTED and error.status == 503:
            self.rejected.labels("queue").inc()
        elif error.code is Code.DEADLINE_EXCEEDED:
            self.rejected.labels("deadline").inc()

    def batch_observer(self, model: str, version: int) -> BatchObserver[Packed]:
        """What a batcher tells of its runs."""
        return self.runs.setdefault((model, version), Runs()).observe

    def set_available(self, model: str, version: int, available: bool) -> None:
        """Records whether a version answers."""
        self._available.labels(model, str(version)).set(int(available))

    def loaded(
        self,
        model: str,
        version: int,
        graph: OnnxGraph,
        seconds: float | None,
        vocabularies: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        """Records what a version reads, so that its features' counts have names, and how long it took to load.

        Args:
            model: the model.
            version: the version.
            graph: its graph.
            seconds: how long it took to load, or None.
            vocabularies: by text feature the values that it knows.
        """
        self.runs.setdefault((model, version), Runs()).features.read_by(graph, vocabularies)
        if seconds is not None:
            self.load_seconds[model, version] = seconds

    def by_version(self) -> dict[tuple[str, int], Series]:
        """The requests of each version, whatever was asked and by which protocol."""
        found: dict[tuple[str, int], Series] = {}
        for (model, version, _, _), series in self.series.items():
            total = found.setdefault((model, version), Series())
            total.seconds.add(series.seconds)
            total.rows.add(series.rows)
        return found

    def collect(self) -> Iterator[Metric]:
        """Prometheus' samples of what is kept in plain numbers."""
        yield from self._requests()
        yield from self._histograms()
        yield from self._features()
        yield from self._gauges()

    def text(self) -> bytes:
        """All metrics in Prometheus' text format, TensorFlow Serving's names at the end."""
        from trueline.serving.metrics_tfs import tensorflow_text

        return generate_latest(self.registry) + tensorflow_text(self)

    def _requests(self) -> Iterator[Metric]:
        counts: dict[tuple[str, int, int], int] = {}
        versions = self.by_version()
        for (model, version), series in versions.items():
            counts[model, version, 200] = sum(series.rows.counts)
        for (model, version, _, status), count in self.failures.items():
            counts[model, version, status] = counts.get((model, version, status), 0) + count
        labels = ("model", "version", "code")
        requests = CounterMetricFamily("trueline_requests", "Requests to a known model by status code.", labels=labels)
        for (model, version, status), count in counts.items():
            requests.add_metric((model, str(version), str(status)), count)
        yield requests
        rows = CounterMetricFamily("trueline_rows", "Rows predicted.", labels=_VERSION)
        for (model, version), series in versions.items():
            rows.add_metric((model, str(version)), series.rows.sum)
        yield rows

    def _histograms(self) -> Iterator[Metric]:
        name, text = "trueline_request_seconds", "Wall time from the whole request body to the encoded answer."
        family = HistogramMetricFamily(name, text, labels=_VERSION)
        for (model, version), series in self.by_version().items():
            series.seconds.add_to(family, (model, str(version)), _OURS)
        yield family
        for name, text, which, bounds in (
            ("trueline_batch_rows", "Rows of one run of a model.", "rows", _ROWS),
            ("trueline_run_seconds", "Wall time of one run of a model.", "seconds", _OURS),
            ("trueline_queue_seconds", "How long the first request of a run waited for it.", "waited", _OURS),
        ):
            family = HistogramMetricFamily(name, text, labels=_VERSION)
            for (model, version), runs in self.runs.items():
                tally: Tally = getattr(runs, which)
                tally.add_to(family, (model, str(version)), bounds)
            yield family

    def _features(self) -> Iterator[Metric]:
        labels = ("model", "version", "feature")
        missing = CounterMetricFamily("trueline_feature_missing", "Rows without a value.", labels=labels)
        text = "Values that the model's vocabulary of that feature does not hold."
        unknown = CounterMetricFamily("trueline_feature_out_of_vocabulary", text, labels=labels)
        text = "Values that were looked up in the vocabulary: all of the first runs, then a sample."
        looked_up = CounterMetricFamily("trueline_feature_looked_up", text, labels=labels)
        for (model, version), runs in self.runs.items():
            for name, count in runs.features.missing().items():
                missing.add_metric((model, str(version), name), count)
            for name, count in runs.features.unknown().items():
                unknown.add_metric((model, str(version), name), count)
                looked_up.add_metric((model, str(version), name), runs.features.looked_up()[name])
        yield missing
        yield unknown
        yield looked_up

    def _gauges(self) -> Iterator[Metric]:
        queue = GaugeMetricFamily("trueline_queue_rows", "Rows that wait for a run.", labels=_VERSION)
        flight = GaugeMetricFamily("trueline_in_flight", "Requests that hold a version now.", labels=_VERSION)
        for (model, version), (queued, held) in self.loads().items():
            queue.add_metric((model, str(version)), queued)
            flight.add_metric((model, str(version)), held)
        yield queue
        yield flight
        load = GaugeMetricFamily("trueline_load_seconds", "Time to check and load a version.", labels=_VERSION)
        for (model, version), seconds in self.load_seconds.items():
            load.add_metric((model, str(version)), seconds)
        yield load

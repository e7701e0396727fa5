"""What is counted of split and shadow traffic and of the prediction log; nothing of it where they are off."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from trueline.serving.compare import Difference

__all__ = ["FeedbackMetrics"]

_PAIR = ("model", "champion", "challenger")


class FeedbackMetrics:
    """Counters in an app's registry.

    Attributes:
        fallback: requests whose target of the split was not available.
        dropped: requests that were to be copied to a challenger and were not.
        failed: requests that a challenger could not answer.
        logged: rows that are in a file of the prediction log.
        lost: rows that were to be logged and are in no file.
        unwritable: writes of the prediction log that failed; they are tried again.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        self.fallback = counter(
            "trueline_traffic_fallback", "Requests whose target of the split was not available.", "model", "target"
        )
        self.dropped = counter(
            "trueline_shadow_dropped", "Requests that were not copied to the challenger.", "model", "reason"
        )
        self.failed = counter("trueline_shadow_failed", "Requests that the challenger could not answer.", *_PAIR)
        self._rows = counter("trueline_shadow_rows", "Rows that champion and challenger answered.", *_PAIR)
        self._disagreements = counter("trueline_shadow_label_disagreements", "Rows with different labels.", *_PAIR)
        self._equal = counter("trueline_shadow_equal_rows", "Rows with the same values.", *_PAIR, "output")
        text = "The largest difference of two numbers since the start."
        self._largest = Gauge("trueline_shadow_largest_difference", text, (*_PAIR, "output"), registry=registry)
        self._most: dict[tuple[str, ...], float] = {}
        self.logged = counter("trueline_prediction_log_rows", "Rows written to the prediction log.", "model", "role")
        self.lost = counter("trueline_prediction_log_dropped", "Rows that were not logged.", "model", "reason")
        self.unwritable = counter("trueline_prediction_log_errors", "Writes that failed.", "model")

    def compared(
        self,
        model: str,
        champion: int,
        challenger: int,
        rows: int,
        differences: Mapping[str, Difference],
        disagreements: int | None,
    ) -> None:
        """Counts one comparison."""
        pair = (model, str(champion), str(challenger))
        self._rows.labels(*pair).inc(rows)
        if disagreements is not None:
            self._disagreements.labels(*pair).inc(disagreements)
        for output, difference in differences.items():
            key = (*pair, output)
            self._equal.labels(*key).inc(difference.equal)
            if difference.largest is not None and difference.largest >= self._most.get(key, 0.0):
                self._most[key] = difference.largest
                self._largest.labels(*key).set(difference.largest)

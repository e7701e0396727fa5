"""`EvalResult`: what was measured and the verdict, as a table, on disk and in a notebook."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from trueline._core import store
from trueline._core.errors import ArtifactError, did_you_mean
from trueline.model_analysis.config import EvalConfig
from trueline.model_analysis.keys import MetricKey, SubKey
from trueline.model_analysis.measured import Change, Estimate, Measured, SliceMetrics
from trueline.model_analysis.result_table import measured_table, table_measured
from trueline.model_analysis.slices import SliceKey, key_text, parse_key, slice_name
from trueline.model_analysis.tfma_shape import MetricsByOutput, TfmaValue, by_output
from trueline.model_analysis.validation import ValidationResult

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RESULT_FORMAT", "EvalResult"]

RESULT_FORMAT = 2
METRICS_FILE, CONFIG_FILE, VALIDATION_FILE = "metrics.parquet", "eval_config.json", "validation.json"
PAGE_FILE = "evaluation.html"
_META = b"trueline.evaluation"
MetricValues: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class EvalResult:
    """An evaluation.

    Attributes:
        config: the configuration that was run.
        measured: every value, standard error and change, slice by slice.
        validation_result: the verdict of the gates.
        task: ``binary``, ``regression`` or ``multiclass``.
        models: what was measured, by ``candidate`` and ``baseline``: the fingerprint, or the column.
        classes: the label's values by class number, where they are known.
    """

    config: EvalConfig
    measured: Measured
    validation_result: ValidationResult
    task: str
    models: Mapping[str, Any] = field(default_factory=dict)
    classes: tuple[Any, ...] = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes as texts."""
        return tuple(str(c).lower() if isinstance(c, bool) else str(c) for c in self.classes)

    @property
    def threshold(self) -> float:
        """Above which the candidate's binary rows are taken for positive: its own, else 0.5."""
        return float((self.models.get("candidate") or {}).get("decision_threshold", 0.5))

    @cached_property
    def slicing_metrics(self) -> list[tuple[Any, MetricsByOutput]]:
        """TFMA's shape: (slice key, {output: {sub key: {metric: value}}}) of the candidate, the overall slice first.

        A value is ``{"doubleValue": 0.8}``, with an interval ``{"boundedValue": {"value", "lowerBound", "upperBound",
        "methodology"}}``, for structured metrics ``{"data": ...}``, and undefined ``{"doubleValue": "NaN",
        "undefined": reason}``. Differences between slices follow the slices, under (baseline key, compared key).
        """
        return [(s.key, by_output(s.metrics, self._method)) for s in self._all]

    @cached_property
    def baseline_slicing_metrics(self) -> list[tuple[Any, MetricsByOutput]]:
        """The same of the baseline; empty dictionaries without one."""
        return [(s.key, by_output(s.baseline, self._method)) for s in self._all]

    @property
    def _all(self) -> tuple[Any, ...]:
        return (*self.measured.slices, *self.measured.cross)

    @property
    def _method(self) -> str:
        return self.config.options.confidence_intervals.method

    def get_metrics_for_slice(
        self,
        slice_name: Any = (),
        output_name: str = "",
        class_id: int | None = None,
        k: int | None = None,
        top_k: int | None = None,
    ) -> dict[str, TfmaValue]:
        """TFMA's values of the candidate on one slice, by metric name.

        Raises:
            KeyError: there is no such slice, naming those that there are.
        """
        self._slice(slice_name)
        found: MetricsByOutput = dict(self.slicing_metrics)[slice_name]
        return found.get(output_name, {}).get(SubKey(class_id, k, top_k).tfma, {})

    def metric(
        self,
        name: str,
        slice: Any = (),
        *,
        output: str = "",
        class_id: int | None = None,
        k: int | None = None,
        top_k: int | None = None,
        baseline: bool = False,
    ) -> Estimate:
        """One metric with its interval, or the reason why it is undefined.

        Args:
            name: the metric's name, or the whole text of its key (``"auc[micro_average]"``).
            slice: the slice's key; a pair of keys for a difference between slices.
            output, class_id, k, top_k: the rest of the key.
            baseline: of the baseline, not of the candidate.

        Raises:
            KeyError: no such slice or metric, naming what there is.
        """
        found = self._slice(slice)
        metrics = found.baseline if baseline else found.metrics
        text = name if name in metrics else MetricKey(name, output, SubKey(class_id, k, top_k)).text
        if text not in metrics:
            raise KeyError(f"no metric {text!r} on {found.name}. {did_you_mean(text, metrics)}")
        return metrics[text]

    def change(self, name: str, slice: Any = ()) -> Change:
        """Candidate minus baseline of one metric, with its interval and p-value.

        Args:
            name: the text of the metric's key, for most metrics their name.
            slice: the slice's key; a pair of keys for a difference between slices.

        Raises:
            KeyError: no such slice, or no change of such a metric, naming what there is.
        """
        found = self._slice(slice)
        if name not in found.changes:
            raise KeyError(f"no change of {name!r} on {found.name}. {did_you_mean(name, found.changes)}")
        change: Change = found.changes[name]
        return change

    def plain_metrics(self, key: Any = ()) -> MetricValues:
        """The candidate's metrics on one slice as plain values: numbers, structured data, ``{"undefined": reason}``.

        Raises:
            KeyError: there is no such slice, naming those that there are.
        """
        return _plain(self._slice(key).metrics)

    @cached_property
    def plain_slicing_metrics(self) -> list[tuple[SliceKey, MetricValues]]:
        """(slice key, `plain_metrics`) of all slices, the overall one first."""
        return [(s.key, _plain(s.metrics)) for s in self.measured.slices]

    def _slice(self, key: Any) -> SliceMetrics | Any:
        for found in self._all:
            if found.key == key:
                return found
        raise KeyError(f"no slice {slice_name(key)!r}; there is {', '.join(s.name for s in self._all)}")

    def confidence_interval(self, metric: str, key: SliceKey = ()) -> tuple[float, float] | None:
        """The candidate's interval, two-sided at `EvalOptions.confidence`.

        None where the value is undefined or its noise was not measured (`EvalOptions.compute_confidence_intervals`).
        """
        found = next((s for s in self.measured.slices if s.key == key), None)
        estimate = found.metrics.get(metric) if found else None
        if estimate is None or estimate.low is None or estimate.high is None:
            return None
        return estimate.low, estimate.high

    def describe_failures(self) -> list[str]:
        """One sentence for each reason why a gate is closed."""
        return [failure.sentence for failure in self.validation_result.failures]

    @cached_property
    def plots(self) -> list[tuple[SliceKey, dict[str, dict[str, dict[str, Any]]]]]:
        """TFMA's shape: (slice key, {output: {sub key: {kind of plot: data}}}) of the candidate's plot metrics."""
        from trueline.model_analysis.plots.store import plots_of

        return plots_of(self.measured)

    def to_html(self, path: str | None = None, title: str = "Evaluation") -> str:
        """The whole evaluation as one page that needs nothing else: verdict, slices, changes, plots, configuration.

        Args:
            path: where it is written too.
            title: its heading.
        """
        from trueline.model_analysis.page import page_html

        return page_html(self, path, title)

    def to_table(self) -> pa.Table:
        """One row per slice and metric, with baseline, change, intervals and noise beside the value."""
        meta = {
            "format": RESULT_FORMAT,
            "task": self.task,
            "classes": list(self.classes),
            "models": dict(self.models),
            "rows": self.measured.rows,
            "missing_labels": self.measured.missing_labels,
            "too_small": [[key_text(key), count] for key, count in self.measured.too_small],
        }
        encoded = json.dumps(meta, sort_keys=True, ensure_ascii=False).encode()
        return measured_table(self.measured).replace_schema_metadata({_META: encoded})

    def save(self, uri: str) -> None:
        """Writes ``metrics.parquet``, ``eval_config.json``, ``validation.json`` and the page ``evaluation.html`` into a
        folder, and ``plots.parquet`` where there are plots."""
        import io

        import pyarrow.parquet as pq

        from trueline.model_analysis.plots.store import save_plots

        buffer = io.BytesIO()
        pq.write_table(self.to_table(), buffer)
        store.makedirs(uri)
        store.write_bytes(store.join(uri, METRICS_FILE), buffer.getvalue())
        save_plots(self.measured, uri)
        store.write_text(store.join(uri, PAGE_FILE), self.to_html())
        store.write_text(store.join(uri, CONFIG_FILE), self.config.to_json())
        store.write_text(store.join(uri, VALIDATION_FILE), self.validation_result.to_json())

    @classmethod
    def load(cls, uri: str) -> EvalResult:
        """What `save` wrote.

        Raises:
            ArtifactError: a file is missing, damaged or of another format.
            ConfigError: the configuration or the verdict do not read.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = store.join(uri, METRICS_FILE)
        try:
            # An Arrow buffer, no Python file: Arrow's threads may let go of a Python file while the interpreter ends,
            # and that aborts the process.
            table = pq.read_table(pa.BufferReader(store.read_bytes(path)))
            meta = json.loads(table.schema.metadata[_META])
        except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"this is no metrics file: {error}", where=path) from error
        if meta.get("format") not in range(1, RESULT_FORMAT + 1):
            raise ArtifactError(f"it has format {meta.get('format')}, this release reads {RESULT_FORMAT}", where=path)
        small = tuple((parse_key(text), int(count)) for text, count in meta["too_small"])
        measured = table_measured(table, small, meta["rows"], meta["missing_labels"])
        return cls(
            EvalConfig.from_json(store.read_text(store.join(uri, CONFIG_FILE))),
            measured,
            ValidationResult.from_json(store.read_text(store.join(uri, VALIDATION_FILE))),
            meta["task"],
            meta["models"],
            tuple(meta.get("classes", ())),
        )

    def __repr__(self) -> str:
        """One line: what was measured, and whether the gate is open."""
        verdict, measured = self.validation_result, self.measured
        metrics = len({key for s in measured.slices for key in s.metrics})
        failed = len(verdict.failures)
        gate = (
            "not judged"
            if verdict.missing_thresholds
            else "gate open"
            if verdict.ok
            else f"gate closed: {failed} failed"
        )
        counts = f"{measured.rows:,} rows, {len(measured.slices):,} slices, {metrics:,} metrics"
        return f"EvalResult({self.task}, {counts}, {gate})"

    def _repr_html_(self) -> str:
        from trueline.model_analysis.html import result_html

        return result_html(self)


def _plain(metrics: Mapping[str, Estimate]) -> MetricValues:
    def value(e: Estimate) -> Any:
        if e.data is not None:
            return e.data
        return e.value if e.value is not None else {"undefined": e.undefined or "unknown"}

    return {name: value(estimate) for name, estimate in metrics.items()}

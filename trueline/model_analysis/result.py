"""`EvalResult`: what was measured and the verdict, as a table, on disk and in a notebook."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from trueline._core import store
from trueline._core.errors import ArtifactError
from trueline.model_analysis.config import EvalConfig
from trueline.model_analysis.measured import Change, Estimate, Measured, SliceMetrics
from trueline.model_analysis.noise import t_quantile
from trueline.model_analysis.slices import SliceKey, key_text, parse_key, slice_name
from trueline.model_analysis.validation import ValidationResult

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RESULT_FORMAT", "EvalResult"]

RESULT_FORMAT = 1
METRICS_FILE, CONFIG_FILE, VALIDATION_FILE = "metrics.parquet", "eval_config.json", "validation.json"
_META = b"trueline.evaluation"
MetricValues: TypeAlias = dict[str, float | dict[str, str]]


@dataclass(frozen=True)
class EvalResult:
    """An evaluation.

    Attributes:
        config: the configuration that was run.
        measured: every value, standard error and change, slice by slice.
        validation_result: the verdict of the gates.
        task: ``binary``, ``regression`` or ``multiclass``.
        models: what was measured, by ``candidate`` and ``baseline``: the fingerprint, or the column.
    """

    config: EvalConfig
    measured: Measured
    validation_result: ValidationResult
    task: str
    models: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def slicing_metrics(self) -> list[tuple[SliceKey, MetricValues]]:
        """(slice key, metric -> value, or ``{"undefined": reason}``) of the candidate, the overall slice first."""
        return [(s.key, _plain(s.metrics)) for s in self.measured.slices]

    @cached_property
    def baseline_slicing_metrics(self) -> list[tuple[SliceKey, MetricValues]]:
        """The same of the baseline; empty dictionaries without one."""
        return [(s.key, _plain(s.baseline)) for s in self.measured.slices]

    def get_metrics_for_slice(self, key: SliceKey = ()) -> MetricValues:
        """The candidate's metrics on one slice.

        Raises:
            KeyError: there is no such slice, naming those that there are.
        """
        found = dict(self.slicing_metrics)
        if key not in found:
            raise KeyError(f"no slice {slice_name(key)!r}; there is {', '.join(map(slice_name, found))}")
        return found[key]

    def confidence_interval(self, metric: str, key: SliceKey = ()) -> tuple[float, float] | None:
        """The candidate's value plus and minus t standard errors, two-sided at `EvalOptions.confidence`.

        Centred on the reported value; t has one degree of freedom less than groups that hold rows. None where the value
        is undefined or its noise was not measured (`EvalOptions.compute_confidence_intervals`).
        """
        found = next((s for s in self.measured.slices if s.key == key), None)
        estimate = found.metrics.get(metric) if found else None
        if found is None or estimate is None or estimate.value is None or estimate.standard_error is None:
            return None
        reach = t_quantile((1 + self.config.options.confidence) / 2, max(found.groups - 1, 1)) * estimate.standard_error
        return estimate.value - reach, estimate.value + reach

    def describe_failures(self) -> list[str]:
        """One sentence for each reason why a gate is closed."""
        return [failure.sentence for failure in self.validation_result.failures]

    def to_table(self) -> pa.Table:
        """One row per slice and metric, with baseline, change and noise beside the value."""
        import pyarrow as pa

        rows = [_row(s, name) for s in self.measured.slices for name in s.metrics]
        meta = {
            "format": RESULT_FORMAT,
            "task": self.task,
            "models": dict(self.models),
            "rows": self.measured.rows,
            "missing_labels": self.measured.missing_labels,
            "too_small": [[key_text(key), count] for key, count in self.measured.too_small],
        }
        text, real, whole = pa.string(), pa.float64(), pa.int64()
        fields = (
            ("slice", text), ("slice_key", text), ("rows", whole), ("missing_labels", whole), ("noise_groups", whole),
            ("metric", text), ("value", real), ("undefined", text), ("standard_error", real), ("error_bound", real),
            ("baseline", real), ("baseline_undefined", text), ("baseline_standard_error", real),
            ("baseline_error_bound", real), ("change", real), ("change_standard_error", real),
        )  # fmt: skip
        encoded = json.dumps(meta, sort_keys=True, ensure_ascii=False).encode()
        return pa.Table.from_pylist(rows, schema=pa.schema(fields, metadata={_META: encoded}))

    def save(self, uri: str) -> None:
        """Writes ``metrics.parquet``, ``eval_config.json`` and ``validation.json`` into a folder."""
        import io

        import pyarrow.parquet as pq

        buffer = io.BytesIO()
        pq.write_table(self.to_table(), buffer)
        store.makedirs(uri)
        store.write_bytes(store.join(uri, METRICS_FILE), buffer.getvalue())
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
        if meta.get("format") != RESULT_FORMAT:
            raise ArtifactError(f"it has format {meta.get('format')}, this release reads {RESULT_FORMAT}", where=path)
        small = tuple((parse_key(text), int(count)) for text, count in meta["too_small"])
        measured = Measured(_slices(table.to_pylist()), small, meta["rows"], meta["missing_labels"])
        return cls(
            EvalConfig.from_json(store.read_text(store.join(uri, CONFIG_FILE))),
            measured,
            ValidationResult.from_json(store.read_text(store.join(uri, VALIDATION_FILE))),
            meta["task"],
            meta["models"],
        )

    def _repr_html_(self) -> str:
        from trueline.model_analysis.html import result_html

        return result_html(self)


def _plain(metrics: Mapping[str, Estimate]) -> MetricValues:
    return {
        name: estimate.value if estimate.value is not None else {"undefined": estimate.undefined or "unknown"}
        for name, estimate in metrics.items()
    }


def _row(s: SliceMetrics, name: str) -> dict[str, Any]:
    mine, base, change = s.metrics[name], s.baseline.get(name), s.changes.get(name)
    return {
        "slice": s.name, "slice_key": key_text(s.key), "rows": s.rows, "missing_labels": s.missing_labels,
        "noise_groups": s.groups, "metric": name, "value": mine.value, "undefined": mine.undefined,
        "standard_error": mine.standard_error, "error_bound": mine.error_bound,
        "baseline": base.value if base else None, "baseline_undefined": base.undefined if base else None,
        "baseline_standard_error": base.standard_error if base else None,
        "baseline_error_bound": base.error_bound if base else None,
        "change": change.value if change else None, "change_standard_error": change.standard_error if change else None,
    }  # fmt: skip


def _slices(rows: list[dict[str, Any]]) -> tuple[SliceMetrics, ...]:
    by_slice: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_slice.setdefault(row["slice_key"], []).append(row)
    result = []
    for text, group in by_slice.items():
        first = group[0]
        metrics = {
            r["metric"]: Estimate(r["value"], r["undefined"], r["standard_error"], r["error_bound"]) for r in group
        }
        baseline = {
            r["metric"]: Estimate(
                r["baseline"], r["baseline_undefined"], r["baseline_standard_error"], r["baseline_error_bound"]
            )
            for r in group
            if r["baseline"] is not None or r["baseline_undefined"] is not None
        }
        changes = {r["metric"]: Change(r["change"], r["change_standard_error"]) for r in group if baseline}
        result.append(
            SliceMetrics(
                parse_key(text), first["rows"], first["missing_labels"], first["noise_groups"], metrics, baseline,
                changes,
            )
        )  # fmt: skip
    return tuple(result)

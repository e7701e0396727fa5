"""From a configuration to what has to be judged: which threshold holds for which keys on which slices.

A threshold stands at a metric, or names one in its metrics spec; which keys it holds for, `gates_keys` finds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from trueline._core.errors import ConfigError
from trueline.model_analysis.config import (
    CrossSlicingSpec,
    EvalConfig,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    SlicingSpec,
)
from trueline.model_analysis.keys import MetricKey
from trueline.model_analysis.measured import Change, Estimate, Measured
from trueline.model_analysis.metrics import Metric, find_metric
from trueline.model_analysis.rules import metric_key, part_name
from trueline.model_analysis.slices import CrossKey, SliceKey, key_text, spec_matches

__all__ = ["GateRule", "Target", "cross_matches", "gate_rules", "targets_of"]


@dataclass(frozen=True)
class GateRule:
    """One threshold in force.

    Attributes:
        name: the metric's name, or the whole text of one key.
        threshold: what must hold.
        spec: the metrics spec that it stands in.
        metric: the metric's record, None for one that is not known here.
        slicing_specs: the slices it is for; None means every slice.
        cross_specs: the pairs of slices it is for, instead of slices.
        weighted: whether its keys are weighted, where the configuration says so.
        entry: the metric that it stands at, None for one that is given by name.
    """

    name: str
    threshold: MetricThreshold
    spec: MetricsSpec
    metric: Metric | None = None
    slicing_specs: tuple[SlicingSpec, ...] | None = None
    cross_specs: tuple[CrossSlicingSpec, ...] | None = None
    weighted: bool | None = None
    entry: MetricConfig | None = None

    @property
    def native(self) -> bool:
        """Whether the metric is a difference by nature: it compares a candidate with a baseline."""
        return self.metric is not None and self.metric.needs_baseline

    @property
    def applies_without_baseline(self) -> bool:
        """Whether anything of it can be judged without a baseline."""
        return self.threshold.value_threshold is not None and not self.native

    def applies(self, target: Target) -> bool:
        """Whether it holds on a slice or pair."""
        if target.compared_key is not None:
            return any(cross_matches(spec, (target.key, target.compared_key)) for spec in self.cross_specs or ())
        if self.cross_specs is not None:
            return False
        return self.slicing_specs is None or any(spec_matches(spec, target.key) for spec in self.slicing_specs)


@dataclass(frozen=True)
class Target:
    """Where thresholds are judged: a slice, or a pair of slices with their differences.

    Attributes:
        key: the slice; of a pair the baseline slice.
        name: how it is called.
        metrics: the candidate's values, or differences.
        baseline: the baseline's.
        changes: candidate minus baseline.
        rows: labelled rows; of a pair those of the smaller slice, where known.
        groups: noise groups that hold rows; degrees of freedom of the noise + 1.
        compared_key: the other slice of a pair.
    """

    key: SliceKey
    name: str
    metrics: Mapping[str, Estimate]
    baseline: Mapping[str, Estimate]
    changes: Mapping[str, Change]
    rows: int | None
    groups: int
    compared_key: SliceKey | None = None

    @cached_property
    def texts(self) -> tuple[str, str | None]:
        """Its keys as texts."""
        return key_text(self.key), None if self.compared_key is None else key_text(self.compared_key)


def targets_of(measured: Measured) -> tuple[Target, ...]:
    """All slices, then all pairs of slices."""
    single = {s.key: Target(s.key, s.name, s.metrics, s.baseline, s.changes, s.rows, s.groups) for s in measured.slices}
    pairs = []
    for pair in measured.cross:
        sides = [single[key] for key in pair.key if key in single]
        rows = min((s.rows for s in sides if s.rows is not None), default=None)
        groups = min((s.groups for s in sides), default=2)  # both sides unknown: one degree of freedom, the least
        pairs.append(
            Target(pair.key[0], pair.name, pair.metrics, pair.baseline, pair.changes, rows, groups, pair.key[1])
        )
    return (*single.values(), *pairs)


def gate_rules(config: EvalConfig, model: str | None = None) -> tuple[GateRule, ...]:
    """All thresholds of a configuration, in its order.

    Args:
        config: the configuration.
        model: the candidate's name: specs for other models alone are left out. None takes all.
    """
    specs = [s for s in config.metrics_specs if model is None or not s.model_names or model in s.model_names]
    return tuple(rule for spec in specs for rule in (*_of_metrics(config, spec), *_by_name(config, spec)))


def _of_metrics(config: EvalConfig, spec: MetricsSpec) -> Iterator[GateRule]:
    for entry in spec.metrics:
        weighted = _weighted(config, spec)
        for name, metric in _names(entry):
            if entry.threshold is not None:
                yield GateRule(name, entry.threshold, spec, metric, None, None, weighted, entry)
            for per in entry.per_slice_thresholds:
                yield GateRule(name, per.threshold, spec, metric, per.slicing_specs, None, weighted, entry)
            for cross in entry.cross_slice_thresholds:
                yield GateRule(name, cross.threshold, spec, metric, None, cross.cross_slicing_specs, weighted, entry)


def _names(entry: MetricConfig) -> list[tuple[str, Metric | None]]:
    """The names that a metric's class gives: its own, or those of its parts."""
    record = _record(entry)
    if record is None or not record.parts:
        return [(metric_key(entry), record)]
    return [(part_name(entry, record, part), part) for part in record.parts]


def _record(entry: MetricConfig) -> Metric | None:
    """The metric's record; None where a module of its own has none, which the check of a configuration tells."""
    try:
        return find_metric(entry.class_name, None, entry.module)
    except ConfigError:
        return None


def _by_name(config: EvalConfig, spec: MetricsSpec) -> Iterator[GateRule]:
    records = {
        name: record
        for entry in (e for s in (*config.metrics_specs, spec) for e in s.metrics)
        for name, record in _names(entry)
    }

    def record(key: str) -> Metric | None:
        name = MetricKey.parse(key).name
        return records.get(key) or records.get(name) or records.get(name.rpartition("@")[0])

    for key, threshold in spec.thresholds.items():
        yield GateRule(key, threshold, spec, record(key))
    for key, entries in spec.per_slice_thresholds.items():
        for per in entries:
            yield GateRule(key, per.threshold, spec, record(key), per.slicing_specs)
    for key, crosses in spec.cross_slice_thresholds.items():
        for cross in crosses:
            yield GateRule(key, cross.threshold, spec, record(key), None, cross.cross_slicing_specs)


def _weighted(config: EvalConfig, spec: MetricsSpec) -> bool | None:
    """Whether the spec's keys are weighted, None where only the data knows."""
    said = spec.example_weights
    if said is not None and said.weighted != said.unweighted:
        return said.weighted
    if said is not None and said.weighted:
        return True  # of both, the keys without the mark
    if not config.model_specs:
        return None
    return any(m.example_weight_key or m.example_weight_keys for m in config.model_specs)


def cross_matches(spec: CrossSlicingSpec, key: CrossKey) -> bool:
    """Whether a pair is one of those that the spec describes; no compared specs mean every other slice."""
    baseline, compared = key
    if not spec_matches(spec.baseline_spec, baseline):
        return False
    return any(spec_matches(s, compared) for s in spec.slicing_specs) if spec.slicing_specs else compared != baseline

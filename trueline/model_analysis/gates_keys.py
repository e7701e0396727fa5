"""Which keys a threshold holds for, and which of them are missing.

A threshold names a metric and holds for every key of that name which its metrics spec makes: each class of `binarize`,
the aggregate, each output, weighted and unweighted. A key that the spec makes and nobody computed is missing, and what
is missing closes the gate. (TFMA forms the same keys in ``metric_thresholds_from_metrics_specs``.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

from trueline.model_analysis.config import EvalConfig, MetricsSpec
from trueline.model_analysis.gates_rules import GateRule
from trueline.model_analysis.keys import MetricKey, SubKey
from trueline.model_analysis.planning import planned_metrics

__all__ = ["KeyFinder"]

Split: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
"""Keys that are there, and keys that are missing."""


@dataclass(frozen=True)
class KeyFinder:
    """Finds the keys of rules among those that were measured.

    Attributes:
        config: the configuration.
        task: the models' task. With it the keys are exactly those that the configuration plans; without, those that
            the spec's own fields name.
        classes: number of classes, 0 where there are none.
        outputs: names of the outputs.
    """

    config: EvalConfig
    task: str | None = None
    classes: int = 0
    outputs: Sequence[str] = ("",)

    def split(self, rule: GateRule, present: Iterable[str]) -> Split:
        """The keys that a rule holds for: (those that were measured, those that are missing)."""
        texts = tuple(present)
        if self.task is not None and (wanted := self._wanted(rule, self.task)):
            return tuple(t for t in wanted if t in texts), tuple(t for t in wanted if t not in texts)
        if rule.name in texts and MetricKey.parse(rule.name) != MetricKey(rule.name):
            return (rule.name,), ()
        expands = rule.metric is None or rule.metric.expand is not None
        return _keys_of(rule.name, _Wanted.of(rule.spec), expands, texts)

    def _wanted(self, rule: GateRule, task: str) -> tuple[str, ...]:
        """The keys that the rule's entry makes; of a rule by name, those that its spec makes, or else any."""
        spec = rule.spec if rule.entry is None else replace(rule.spec, metrics=(rule.entry,))
        found = self._matching(rule, replace(self.config, metrics_specs=(spec,)), task)
        return found if found or rule.entry is not None else self._matching(rule, self.config, task)

    def _matching(self, rule: GateRule, config: EvalConfig, task: str) -> tuple[str, ...]:
        planned = planned_metrics(config, task, self.classes, self.outputs)
        shown = [p for p in planned if not p.private]
        return tuple(p.key for p in shown if p.metric_key.name == rule.name or p.key == rule.name)


@dataclass(frozen=True)
class _Wanted:
    """What a metrics spec makes of each of its metrics."""

    outputs: tuple[str, ...]
    weighted_outputs: bool
    facets: tuple[tuple[SubKey, str], ...]
    marks: tuple[bool, ...]

    @classmethod
    def of(cls, spec: MetricsSpec) -> _Wanted:
        """That of a metrics spec."""
        said = spec.example_weights
        both = said is not None and said.weighted and said.unweighted
        marks = (False, True) if both else (False,)
        return cls(tuple(spec.output_names), bool(spec.output_weights), tuple(_facets(spec)), marks)

    def texts(self, name: str) -> list[MetricKey]:
        """The keys of one metric."""
        outputs = (*self.outputs, *([""] if self.weighted_outputs or not self.outputs else []))
        return [
            MetricKey(name, o, sub, kind, mark) for o in outputs for sub, kind in self.facets for mark in self.marks
        ]


def _facets(spec: MetricsSpec) -> Iterator[tuple[SubKey, str]]:
    binarize, aggregate = spec.binarize, spec.aggregate
    if binarize is None and aggregate is None:
        yield SubKey(), ""
    if binarize is not None:
        yield from ((SubKey(class_id=c), "") for c in binarize.class_ids)
        yield from ((SubKey(k=k), "") for k in binarize.k_list)
        yield from ((SubKey(top_k=k), "") for k in binarize.top_k_list)
    if aggregate is not None:
        kind = (
            "micro_average"
            if aggregate.micro_average
            else "weighted_macro_average"
            if aggregate.weighted_macro_average
            else "macro_average"
        )
        yield from ((sub, kind) for sub in [SubKey(top_k=k) for k in aggregate.top_k_list] or [SubKey()])


@lru_cache(maxsize=4096)
def _keys_of(
    name: str, wanted: _Wanted, expands: bool, present: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    of_name = {text: key for text in present if (key := MetricKey.parse(text)).name == name or text == name}
    found: dict[str, None] = {}
    missing: dict[str, None] = {}
    for key in wanted.texts(name):
        matching = [text for text in (key.text, name) if text in of_name and of_name[text] == key]
        if expands or not matching:
            matching = [text for text, other in of_name.items() if _same(key, other, wanted, expands)]
        found.update(dict.fromkeys(matching))
        if not matching:
            missing[key.text] = None
    return tuple(found), tuple(missing)


def _same(wanted: MetricKey, found: MetricKey, spec: _Wanted, expands: bool) -> bool:
    """Whether a measured key is one of those that were asked for.

    Without `output_names` any output will do. A metric that makes sub keys of its own (the cut-offs of a ranking
    metric) has none without, and all of them are meant.
    """
    free_output = not spec.outputs and not spec.weighted_outputs
    own_sub_key = expands and not wanted.sub_key and not wanted.aggregation
    return (
        (free_output or wanted.output_name == found.output_name)
        and (own_sub_key or wanted.sub_key == found.sub_key)
        and wanted.aggregation == found.aggregation
        and wanted.unweighted == found.unweighted
    )

"""Slices and pairs that thresholds ask for: those that are missing close the gate, those that are there are counted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from trueline.model_analysis.config import CrossSlicingSpec, EvalConfig, SlicingSpec
from trueline.model_analysis.config_json import encode
from trueline.model_analysis.gates_rules import GateRule, Target, cross_matches
from trueline.model_analysis.measured import Measured
from trueline.model_analysis.slices import spec_matches
from trueline.model_analysis.validation import GateFailure, SlicingDetail

__all__ = ["cross_name", "missing_slices", "slicing_details_of"]


def missing_slices(rules: Sequence[GateRule], measured: Measured, config: EvalConfig) -> list[GateFailure]:
    """What rules ask for and the data does not have, or not at the minimum size.

    A rule for every slice asks each configured spec for at least one slice. Slices of open feature keys may all be too
    small; one that is named outright (by values or an expression), or that a rule names, may not.
    """
    failures: list[GateFailure] = []
    for rule in rules:
        if rule.cross_specs is not None:
            failures += _missing_pairs(rule, measured, config)
            continue
        for spec in config.slices if rule.slicing_specs is None else rule.slicing_specs:
            if any(spec_matches(spec, s.key) for s in measured.slices):
                continue
            small = [rows for key, rows in measured.too_small if spec_matches(spec, key)]
            if small and (spec.feature_keys or spec.buckets) and rule.slicing_specs is None:
                continue
            why = _too_few(max(small), config) if small else "does not occur in the evaluation data"
            sentence = f"{rule.name} is gated on slice {spec}, which {why}."
            failures.append(GateFailure(rule.name, str(spec), "missing_slice", None, None, None, sentence))
    return failures


def _too_few(rows: int, config: EvalConfig) -> str:
    return f"has only {rows} labelled rows, fewer than the minimum of {config.options.min_slice_size}"


def _missing_pairs(rule: GateRule, measured: Measured, config: EvalConfig) -> Iterator[GateFailure]:
    """Pairs of a rule, each of its compared specs by itself."""
    for cross in rule.cross_specs or ():
        for one in _single(cross):
            if any(cross_matches(one, pair.key) for pair in measured.cross):
                continue
            name = cross_name(one)
            sentence = f"{rule.name} is gated on the difference {name}, {_why_not(one, measured, config)}."
            yield GateFailure(rule.name, name, "missing_cross_slice", None, None, None, sentence)


def _single(cross: CrossSlicingSpec) -> list[CrossSlicingSpec]:
    return [CrossSlicingSpec(cross.baseline_spec, (spec,)) for spec in cross.slicing_specs] or [cross]


def cross_name(cross: CrossSlicingSpec) -> str:
    """How the pairs of a spec are called in sentences."""
    compared = ", ".join(str(spec) for spec in cross.slicing_specs) or "every other slice"
    return f"{cross.baseline_spec} minus {compared}"


def _why_not(cross: CrossSlicingSpec, measured: Measured, config: EvalConfig) -> str:
    for spec in (cross.baseline_spec, *cross.slicing_specs):
        small = [rows for key, rows in measured.too_small if spec_matches(spec, key)]
        if small and not any(spec_matches(spec, s.key) for s in measured.slices):
            return f"of which {spec} {_too_few(max(small), config)}"
    return "which does not occur in the evaluation data"


def slicing_details_of(
    rules: Sequence[GateRule], judged: Iterable[tuple[GateRule, Target]]
) -> tuple[SlicingDetail, ...]:
    """Each spec that rules name, with the number of slices or pairs that were judged for it.

    As in TFMA, a threshold on every slice counts for the empty spec. Specs of which nothing was judged have 0.
    """
    specs: dict[str, SlicingSpec | CrossSlicingSpec] = {}
    found: dict[str, set[tuple[str, str | None]]] = {}
    for rule in rules:
        for spec in _specs(rule):
            specs.setdefault(_text(spec), spec)
            found.setdefault(_text(spec), set())
    for rule, target in judged:
        for spec in _specs(rule):
            text = _text(spec)
            if text in found and _covers(rule, spec, target):
                found[text].add(target.texts)
    return tuple(
        SlicingDetail(None, spec, len(found[text]))
        if isinstance(spec, CrossSlicingSpec)
        else SlicingDetail(spec, None, len(found[text]))
        for text, spec in specs.items()
    )


def _specs(rule: GateRule) -> tuple[SlicingSpec | CrossSlicingSpec, ...]:
    if rule.cross_specs is not None:
        return rule.cross_specs
    return (SlicingSpec(),) if rule.slicing_specs is None else rule.slicing_specs


def _covers(rule: GateRule, spec: SlicingSpec | CrossSlicingSpec, target: Target) -> bool:
    if isinstance(spec, CrossSlicingSpec):
        return target.compared_key is not None and cross_matches(spec, (target.key, target.compared_key))
    return rule.slicing_specs is None or spec_matches(spec, target.key)


def _text(spec: SlicingSpec | CrossSlicingSpec) -> str:
    return type(spec).__name__ + json.dumps(encode(spec), sort_keys=True)

"""Permutation importance: how much worse the model gets when a raw feature's values are dealt anew among the rows.

Source of the method: Breiman 2001, "Random Forests"; Fisher, Rudin and Dominici 2019 for any model. Dealt anew is the
whole raw column, missing values included, before any preprocessing. Correlated features stand in for each other: deal
them together (`group`), or each looks less important than both are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, DataError, ModelError
from trueline._core.rowid import ROW_COLUMN
from trueline.engine.base import AccumulatorSpec
from trueline.model_analysis.datasets import features_read
from trueline.model_analysis.explain.importance import Importance, PermutationImportance
from trueline.model_analysis.explain.losses import DEFAULT, LOSSES, loss_of
from trueline.model_analysis.explain.rows import check_columns, check_features, opened_rows
from trueline.model_analysis.explain.slicing import SlicesGiven, slice_json, slice_specs
from trueline.model_analysis.explain.target import Target, model_facts, target_of
from trueline.model_analysis.slices import SliceKey, slice_name, spec_columns

if TYPE_CHECKING:
    from trueline._core.runtime import ModelRuntime
    from trueline.engine.base import Dataset, Engine
    from trueline.model_analysis.config import SlicingSpec
    from trueline.model_analysis.explain.permutation_pass import LossSums

__all__ = ["Asked", "groups_of", "identity_of", "number_or_none", "permutation_importance"]

_ACCUMULATOR = "trueline.model_analysis.explain.permutation_pass:PermutationAccumulator"


def permutation_importance(
    model: Any,
    data: Any,
    *,
    metric: Any = "loss",
    n_repeats: int = 5,
    seed: int = 0,
    group: Mapping[str, Sequence[str]] | None = None,
    features: Sequence[str] | None = None,
    slices: SlicesGiven = None,
    confidence: float = 0.95,
    engine: Engine | None = None,
) -> PermutationImportance:
    """How much worse the model gets when a raw feature's values are dealt anew among the rows.

    Args:
        model: a Model, or a model's folder.
        data: rows with the raw features and the label's columns: a table, a DataFrame, a dataset, a path.
        metric: ``"loss"`` (log loss, squared error; for a ranking how far the score moves), a name of
            `losses.LOSSES`; a metric of the evaluation by class name, as `MetricConfig` or as `MetricsSpec`; or a
            function ``(labels, predictions, weights) -> float`` that is greater where the model is better, which holds
            all predictions in memory. Labels of classes are their places ``0..C-1``.
        n_repeats: how often each feature is dealt anew.
        seed: of the dealing, with the hash of ``__row__``.
        group: name -> features that are dealt anew together; features in no group stand alone.
        features: only these features and groups.
        slices: specs, columns or crosses of columns, each slice by itself; the overall slice always is.
        confidence: of the intervals.
        engine: where it runs.

    Raises:
        ConfigError: a metric, group or number that does not fit.
        DataError: columns that are not there, or no rows with a label.
        ModelError: a model without a label, where the metric needs one.
    """
    target = target_of(model)
    groups = groups_of(target, group, features)
    if n_repeats < 1 or not 0 < confidence < 1:
        raise ConfigError(f"n_repeats={n_repeats} and confidence={confidence}: at least 1, and between 0 and 1")
    specs = slice_specs(slices)
    options = {
        "n_repeats": n_repeats,
        "seed": seed,
        "confidence": confidence,
        "group": {k: list(v) for k, v in (group or {}).items()},
        "slices": [str(s) for s in specs],
    }
    asked = Asked(target, groups, n_repeats, seed, specs, confidence, options)
    needed = asked.needed(_has_label(target))
    if isinstance(metric, str) and (metric == "loss" or metric in LOSSES):
        name = DEFAULT[str(target.runtime.info["task"])] if metric == "loss" else metric
        with opened_rows(data, target.features, needed, features_read(target.runtime)) as dataset:
            return _by_loss(asked, name, dataset, engine)
    from trueline.model_analysis.explain.permutation_metric import by_function, by_metric

    with opened_rows(data, target.features, needed, features_read(target.runtime)) as dataset:
        if callable(metric):
            return by_function(asked, metric, dataset)
        return by_metric(asked, metric, dataset, engine)


@dataclass(frozen=True, eq=False)
class Asked:
    """What both ways of measuring are told."""

    target: Target
    groups: dict[str, tuple[str, ...]]
    repeats: int
    seed: int
    specs: list[SlicingSpec]
    confidence: float
    options: dict[str, Any]

    def needed(self, labelled: bool = True) -> list[str]:
        """The columns that are read, in a fixed order."""
        runtime = self.target.runtime
        raw = [f.name for f in runtime.targets.raw.features] if labelled else []
        return list(dict.fromkeys([*self.target.feature_names, *raw, *spec_columns(self.specs)]))

    def interval(self, value: float | None, error: float | None) -> tuple[float | None, float | None]:
        """The interval of a normal error."""
        if value is None or error is None:
            return None, None
        reach = NormalDist().inv_cdf((1 + self.confidence) / 2) * error
        return value - reach, value + reach

    def result(
        self,
        metric: str,
        scores: Mapping[str, tuple[float | None, float | None]],
        entries: Sequence[Importance],
        unlabelled: int,
    ) -> PermutationImportance:
        """The entries in the order of slices, within each the most important first."""
        order = {name: i for i, name in enumerate(dict.fromkeys(e.slice for e in entries))}
        ordered = sorted(entries, key=lambda e: (order[e.slice], e.value is None, -(e.value or 0.0)))
        return PermutationImportance(model_facts(self.target), self.options, metric, scores, tuple(ordered), unlabelled)


def groups_of(
    target: Target, group: Mapping[str, Sequence[str]] | None, features: Sequence[str] | None
) -> dict[str, tuple[str, ...]]:
    """Name -> raw features: the groups, then every feature that is in none.

    Raises:
        ConfigError: a feature in two groups, an empty group, or a name that is both a group's and a feature's.
        DataError: a name that is no raw feature.
    """
    members = [n for names in (group or {}).values() for n in names]
    check_features(target, members)
    problems = [f"{n!r} is in two groups" for n in dict.fromkeys(members) if members.count(n) > 1]
    problems += [f"group {n!r} is empty" for n, names in (group or {}).items() if not names]
    problems += [
        f"{n!r} is a feature too" for n, names in (group or {}).items() if n in target.feature_names and n not in names
    ]
    if problems:
        raise ConfigError("the groups of features do not fit", problems=problems)
    found = {n: tuple(names) for n, names in (group or {}).items()}
    found |= {n: (n,) for n in target.feature_names if n not in members}
    if features is None:
        return found
    check_features(target, [n for n in features if n not in found], "feature or group")
    return {n: found.get(n, (n,)) for n in dict.fromkeys(features)}


def _has_label(target: Target) -> bool:
    return bool(target.runtime.info.get("targets"))


def number_or_none(value: float) -> float | None:
    """The value, None where it is not finite."""
    return float(value) if math.isfinite(value) else None


def _by_loss(asked: Asked, loss: str, dataset: Dataset, engine: Engine | None) -> PermutationImportance:
    from trueline.engine import default_engine

    runtime = asked.target.runtime
    labelled = loss_of(loss, str(runtime.info["task"])).labelled
    needed = asked.needed(labelled)
    check_columns(dataset, needed)
    params = {
        "model": identity_of(runtime),
        "groups": [list(v) for v in asked.groups.values()],
        "repeats": asked.repeats,
        "seed": asked.seed,
        "loss": loss,
        "slices": [slice_json(s) for s in asked.specs],
    }
    spec: AccumulatorSpec[tuple[dict[SliceKey, LossSums], int]] = AccumulatorSpec(_ACCUMULATOR, params)
    columns = [c for c in dataset.columns if c in {*needed, ROW_COLUMN}]
    slices, unlabelled = (engine or default_engine()).run(spec, dataset, columns)
    if not slices[()].rows:
        raise DataError(f"no row has a label, of {dataset.num_rows} rows", where=str(runtime.info.get("label")))
    scores: dict[str, tuple[float | None, float | None]] = {}
    entries: list[Importance] = []
    for key, sums in sorted(slices.items(), key=lambda item: item[0] != ()):
        name = slice_name(key)
        mean, error = sums.loss()
        scores[name] = number_or_none(mean), number_or_none(error)
        entries += [_entry(asked, g, name, sums, i) for i, g in enumerate(asked.groups)]
    return asked.result(loss, scores, entries, unlabelled)


def _entry(asked: Asked, name: str, slice: str, sums: LossSums, place: int) -> Importance:
    value, error = (number_or_none(v) for v in sums.change(place))
    low, high = asked.interval(value, error)
    repeats = tuple(number_or_none(v) for v in sums.by_repeat(place))
    why = None if value is not None else "no row has a weight"
    return Importance(name, asked.groups[name], slice, sums.rows, value, error, low, high, repeats, why)


def identity_of(runtime: ModelRuntime) -> dict[str, Any]:
    """What a worker loads the model by.

    Raises:
        ModelError: a model that has no manifest.
    """
    if runtime.manifest is None:
        raise ModelError("the model has no manifest, so it cannot be identified", where=runtime.uri)
    allowed = None if runtime.allow_host is None else list(runtime.allow_host)
    return {"uri": runtime.uri, "fingerprint": runtime.manifest.fingerprint, "allow_host": allowed}

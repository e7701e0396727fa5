"""What is disturbed, how much, and what loss is borne: a spec as data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline._core.values import RawFeature
from trueline.model_analysis.config import SlicingSpec
from trueline.model_analysis.config_json import decode, encode, freeze
from trueline.model_analysis.metrics import find_metric

__all__ = ["KINDS", "NUMBERS", "Perturbation", "RobustnessSpec", "expand", "robustness_problems"]

NUMBERS = ("float64", "int64")
_TEXT = ("utf8",)
KINDS: Mapping[str, tuple[str, ...]] = {
    "gaussian_noise": NUMBERS,
    "uniform_noise": NUMBERS,
    "missing": (),
    "missing_each": (),
    "out_of_range": NUMBERS,
    "unseen_category": _TEXT,
    "typos": _TEXT,
    "adversarial": (*NUMBERS, *_TEXT, "bool"),
}
"""Kind -> types of the features that it changes; empty: optional features of any type."""
TESTS = ("value", "worse", "non_inferior")


@dataclass(frozen=True)
class Perturbation:
    """One way to disturb rows.

    Attributes:
        kind: ``gaussian_noise``, ``uniform_noise``, ``missing``, ``missing_each`` (one perturbation for each optional
            feature), ``out_of_range``, ``unseen_category``, ``typos`` or ``adversarial``.
        name: in results; by default the kind and its features.
        features: what is disturbed; by default every input of the model that the kind can change.
        scale: of noise, in standard deviations (uniform noise has this standard deviation too); of out-of-range
            numbers, how far beyond the seen range at most, in its widths.
        rate: share of the values that are dropped, thrown out of range, replaced or misspelt; by default 1 for
            ``missing_each``, else 0.1. Each value is drawn by itself.
        edits: letters that a typo changes.
        epsilon: of an adversarial change, how far each number may move, in standard deviations.
        queries: of an adversarial change, how often the model is asked for each row.
        max_loss, max_relative_loss: bounds of its own, in place of the spec's.
    """

    kind: str
    name: str = ""
    features: tuple[str, ...] = ()
    scale: float = 0.1
    rate: float | None = None
    edits: int = 1
    epsilon: float = 0.1
    queries: int = 24
    max_loss: float | None = None
    max_relative_loss: float | None = None

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def label(self) -> str:
        """How it is called in results."""
        return self.name or (f"{self.kind}[{', '.join(self.features)}]" if self.features else self.kind)

    @property
    def share(self) -> float:
        """The rate in force."""
        return self.rate if self.rate is not None else (1.0 if self.kind == "missing_each" else 0.1)


@dataclass(frozen=True)
class RobustnessSpec:
    """What is measured and what must hold.

    Attributes:
        perturbations: the ways to disturb rows.
        metric: class name of the metric that is compared, such as ``AUC``; it must have a better direction.
        metric_config: its options.
        max_loss: how much worse it may get on any slice, in its own unit; None is no bound.
        max_relative_loss: the same as a share of its clean value.
        slices: the slices that are measured and gated; by default those of the evaluation.
        test: ``value``: the bare loss is compared with the bound. ``worse``: it fails only where it is beyond the bound
            by more than noise (paired rows; the level is shared among all checks). ``non_inferior``: it passes only
            where its whole interval is within the bound.
        undefined: what an undefined loss does: ``fail`` or ``pass``.
        max_rows: about so many rows are used, drawn by their hash; None uses all.
        seed: of all draws.
    """

    perturbations: tuple[Perturbation, ...]
    metric: str
    metric_config: Mapping[str, Any] | None = None
    max_loss: float | None = None
    max_relative_loss: float | None = None
    slices: tuple[SlicingSpec, ...] = ()
    test: str = "value"
    undefined: str = "fail"
    max_rows: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        freeze(self)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; fields that hold their default are left out."""
        made: dict[str, Any] = encode(self)
        return made

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | RobustnessSpec) -> RobustnessSpec:
        """The spec that `to_dict` described, checked.

        Raises:
            ConfigError: with every problem of it.
        """
        spec = data if isinstance(data, RobustnessSpec) else decode(cls, data)
        if problems := robustness_problems(spec):
            raise ConfigError("the robustness spec cannot work", problems=problems)
        return spec


def robustness_problems(spec: RobustnessSpec) -> list[str]:
    """What is wrong with it, without a model in view."""
    problems = [] if spec.perturbations else ["there are no perturbations"]
    metric = find_metric(spec.metric)
    if metric is None:
        problems.append(f"there is no metric {spec.metric!r}")
    elif metric.better is None:
        problems.append(f"whether a higher {spec.metric} is better is not known: a loss of it has no sign")
    problems += _bound_problems("", spec)
    for field, known in (("test", TESTS), ("undefined", ("fail", "pass"))):
        if (value := getattr(spec, field)) not in known:
            problems.append(f"{field} is {value!r}. {did_you_mean(str(value), known)}")
    if spec.max_rows is not None and spec.max_rows < 1:
        problems.append(f"max_rows is {spec.max_rows}; write 1 or more")
    labels = [p.label for p in spec.perturbations]
    problems += [
        f"two perturbations are called {label!r}" for label in dict.fromkeys(labels) if labels.count(label) > 1
    ]
    for p in spec.perturbations:
        problems += [f"{p.label}: {problem}" for problem in _problems(p)]
    return problems


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def _bound_problems(prefix: str, of: RobustnessSpec | Perturbation) -> list[str]:
    return [
        f"{prefix}{name} is {bound!r}; write a number from 0"
        for name in ("max_loss", "max_relative_loss")
        if (bound := getattr(of, name)) is not None and not (bound == 0 or _positive(bound))
    ]


def _problems(p: Perturbation) -> list[str]:
    problems = [] if p.kind in KINDS else [f"there is no such kind. {did_you_mean(p.kind, KINDS)}"]
    problems += [
        f"{n} is {getattr(p, n)!r}; write a positive number"
        for n in ("scale", "epsilon")
        if not _positive(getattr(p, n))
    ]
    problems += [f"{n} is {getattr(p, n)}; write 1 or more" for n in ("edits", "queries") if getattr(p, n) < 1]
    if p.rate is not None and not (_positive(p.rate) and p.rate <= 1):
        problems.append(f"rate is {p.rate!r}; write a share above 0 and up to 1")
    return problems + _bound_problems("", p)


def expand(spec: RobustnessSpec, inputs: Sequence[RawFeature]) -> list[Perturbation]:
    """The perturbations with their features filled in, one for each feature of a ``missing_each``.

    Raises:
        ConfigError: features that the model does not read or that the kind cannot change; all at once.
    """
    by_name = {f.name: f for f in inputs}
    made: list[Perturbation] = []
    problems: list[str] = []
    for p in spec.perturbations:
        able = [f.name for f in inputs if _can(p.kind, f)]
        for name in p.features:
            if name not in by_name:
                problems.append(f"{p.label}: the model reads no {name!r}. {did_you_mean(name, by_name)}")
            elif name not in able:
                problems.append(f"{p.label}: {name!r} is {_why_not(p.kind, by_name[name])}")
        chosen = [n for n in able if n in p.features] if p.features else able
        if not chosen:
            problems.append(f"{p.label}: the model reads no feature that this could change")
        elif p.kind == "missing_each":
            made += [
                replace(p, kind="missing", features=(n,), rate=p.share, name=f"{p.name or 'missing'}[{n}]")
                for n in chosen
            ]
        else:
            made.append(replace(p, features=tuple(chosen), name=p.label))
    if problems:
        raise ConfigError("the robustness spec does not fit this model", problems=problems)
    return made


def _can(kind: str, feature: RawFeature) -> bool:
    if kind.startswith("missing"):
        return feature.optional
    if kind == "adversarial" and feature.kind != "scalar":
        return False
    return feature.dtype in KINDS[kind]


def _why_not(kind: str, feature: RawFeature) -> str:
    if kind.startswith("missing"):
        return "required: a row without it is refused, by the server too"
    return f"{feature.kind} {feature.dtype}, which {kind} does not change"

"""`evaluate` and `evaluate_models`: models are run over a dataset, measured in one pass, and judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from trueline._core.errors import ConfigError, ModelError, did_you_mean
from trueline.engine.base import AccumulatorSpec, Dataset, Engine
from trueline.model_analysis.check import config_problems
from trueline.model_analysis.config import EvalConfig
from trueline.model_analysis.datasets import as_dataset, features_read
from trueline.model_analysis.gates import validate_metrics
from trueline.model_analysis.measured import Measured
from trueline.model_analysis.models_result import ModelsResult
from trueline.model_analysis.noise import ROW_COLUMN, ROW_HASH
from trueline.model_analysis.plan import BASELINE, CANDIDATE, EvalPlan, make_plan
from trueline.model_analysis.result import EvalResult
from trueline.model_analysis.slices import spec_columns
from trueline.model_analysis.sources import BATCH_EVALUATOR, MODELS_EVALUATOR

if TYPE_CHECKING:
    from trueline._core.runtime import ModelRuntime

__all__ = ["HasRuntime", "check_config", "evaluate", "evaluate_models", "make_result", "need_config", "run_pass"]


class HasRuntime(Protocol):
    """A model: all that an evaluation needs of it is its runtime."""

    @property
    def runtime(self) -> ModelRuntime:
        """The loaded model."""
        ...


def evaluate(
    model: HasRuntime,
    dataset: Any,
    eval_config: EvalConfig,
    *,
    baseline: HasRuntime | None = None,
    engine: Engine | None = None,
) -> EvalResult:
    """Measures a model, and a baseline beside it, in one pass over the data, and judges it.

    Args:
        model: the candidate; its own ``targets.onnx`` gives labels and weights.
        dataset: rows with the raw columns of models, labels, weights and slices: a `Dataset`, or what `as_dataset`
            makes one of.
        eval_config: metrics, slices, thresholds.
        baseline: the model to compare with, of the same task and classes.
        engine: where it runs; threads of this machine by default.

    Raises:
        ConfigError: every problem of the configuration at once, with this model and this data in view.
        ModelError: a baseline of another task or other classes, or a model that is not complete on disk.
    """
    runtime, other = model.runtime, baseline.runtime if baseline is not None else None
    dataset = as_dataset(dataset, features=features_read(runtime, other))
    task, classes = str(runtime.info["task"]), runtime.classes or []
    if task == "embedding":
        raise ModelError(
            "an embedding is no prediction: there is no label that its vectors could be compared with",
            where=runtime.uri,
            hint="evaluate a model that uses the embedding, or leave the Evaluator out of the line.",
        )
    count = len(classes) if task == "multiclass" else 0
    check_config(eval_config, task, dataset, classes=count, has_weight=runtime.info.get("weight") is not None)
    if other is not None:
        _check_baseline(runtime, other)
    named = {CANDIDATE: runtime} | ({BASELINE: other} if other is not None else {})
    plan = make_plan(eval_config, task, count, other is not None, decision_thresholds=_decision_thresholds(named))
    models = {name: _identity(r) for name, r in named.items()}
    measured: Measured = run_pass(BATCH_EVALUATOR, *_source(named, runtime), plan, dataset, engine)
    # Where a model lies is no part of the result: equal models give equal results.
    said = {name: _said(named[name], m) for name, m in models.items()}
    return make_result(measured, plan, said, classes=classes)


def evaluate_models(
    models: Mapping[str, HasRuntime],
    dataset: Any,
    eval_config: EvalConfig,
    *,
    baseline: HasRuntime | None = None,
    engine: Engine | None = None,
) -> ModelsResult:
    """Measures several candidates, and a baseline beside them, in one pass over the data, and judges each.

    Every candidate is measured as `evaluate` measures it alone, to the last bit.

    Args:
        models: the candidates by name; the first one's ``targets.onnx`` gives labels and weights.
        dataset: rows with the raw columns of models, labels, weights and slices: a `Dataset`, or what `as_dataset`
            makes one of.
        eval_config: metrics, slices, thresholds.
        baseline: the model that each of them is compared with, of the same task and classes.
        engine: where it runs; threads of this machine by default.

    Raises:
        ConfigError: every problem of the configuration at once; no candidates, or one with the name ``baseline``.
        ModelError: models of different tasks, labels or classes, or one that is not complete on disk.
    """
    if not models or BASELINE in models:
        raise ConfigError(
            f"the candidates are {', '.join(map(repr, models)) or 'none'}",
            hint=f"give one or more by name; the name {BASELINE!r} is the baseline's.",
        )
    named = {name: model.runtime for name, model in models.items()}
    dataset = as_dataset(dataset, features=features_read(*named.values(), baseline.runtime if baseline else None))
    first = next(iter(named.values()))
    task, classes = str(first.info["task"]), first.classes or []
    count = len(classes) if task == "multiclass" else 0
    weighted = first.info.get("weight") is not None
    check_config(eval_config, task, dataset, classes=count, has_weight=weighted, models=[*models, BASELINE])
    for name, other in list(named.items())[1:]:
        _check_candidate(name, first, other)
    if baseline is not None:
        _check_baseline(first, baseline.runtime)
    every = named | ({BASELINE: baseline.runtime} if baseline is not None else {})
    thresholds = _decision_thresholds(every)
    plan = make_plan(eval_config, task, count, baseline is not None, list(named), decision_thresholds=thresholds)
    found: dict[str, Measured] = run_pass(MODELS_EVALUATOR, *_source(every, first), plan, dataset, engine)
    prints = {name: _said(r, _identity(r)) for name, r in every.items()}
    results = {}
    for name, measured in found.items():
        said = {CANDIDATE: prints[name]} | ({BASELINE: prints[BASELINE]} if baseline is not None else {})
        results[name] = make_result(measured, plan, said, name, classes)
    return ModelsResult(results)


def _decision_thresholds(named: Mapping[str, ModelRuntime]) -> dict[str, float]:
    """Above which binary metrics take a row of each model for positive, where the model has a decision of its own.

    A model says yes at its threshold and above, compared in float32; metrics say yes above theirs: the next lower
    number says the same.
    """
    import numpy as np

    own = {name: _own_threshold(runtime) for name, runtime in named.items()}
    return {name: float(np.nextafter(np.float64(np.float32(t)), -np.inf)) for name, t in own.items() if t is not None}


def _own_threshold(runtime: ModelRuntime) -> float | None:
    threshold = (runtime.info.get("decision") or {}).get("threshold")
    return None if threshold is None or runtime.info["task"] != "binary" else float(threshold)


def _said(runtime: ModelRuntime, identity: Mapping[str, Any]) -> dict[str, Any]:
    """What a result says of a model: its fingerprint, and its own decision threshold where it has one."""
    own = _own_threshold(runtime)
    return {"fingerprint": identity["fingerprint"], **({} if own is None else {"decision_threshold": own})}


def _source(named: Mapping[str, ModelRuntime], first: ModelRuntime) -> tuple[dict[str, Any], set[str]]:
    """The models as a worker is told of them, and the raw columns that they read."""
    models = {name: _identity(r) for name, r in named.items()}
    wanted = {f.name for r in named.values() for f in r.inputs} | {f.name for f in first.targets.raw.features}
    return {"kind": "models", "models": models}, wanted


def run_pass(
    evaluator: str,
    source: dict[str, Any],
    wanted: set[str],
    plan: EvalPlan,
    dataset: Dataset,
    engine: Engine | None,
) -> Any:
    """The evaluator's result over the columns that are wanted, or that slices and metrics read."""
    if engine is None:
        from trueline.engine import default_engine

        engine = default_engine()
    wanted = wanted | set(spec_columns(plan.config.slices)) | set(plan.columns) | {ROW_COLUMN, ROW_HASH}
    prefixes = tuple(name.removesuffix("*") for name in plan.columns if name.endswith("*"))
    columns = [name for name in dataset.columns if name in wanted or (prefixes and name.startswith(prefixes))]
    spec: AccumulatorSpec[Any] = AccumulatorSpec(evaluator, {"source": source, "plan": plan.to_json()})
    return engine.run(spec, dataset, columns)


def make_result(
    measured: Measured,
    plan: EvalPlan,
    models: Mapping[str, Any],
    model: str | None = None,
    classes: Sequence[Any] = (),
) -> EvalResult:
    """The result of a pass, judged; `model` is the candidate's name where there are several."""
    has_baseline = BASELINE in plan.models
    verdict = validate_metrics(
        measured,
        plan.config,
        has_baseline=has_baseline,
        model=model,
        task=plan.task,
        classes=plan.classes,
        outputs=plan.outputs,
    )
    return EvalResult(plan.config, measured, verdict, plan.task, models, tuple(classes))


def check_config(config: EvalConfig, task: str, dataset: Dataset, wanted: set[str] | None = None, **known: Any) -> None:
    """Refuses a configuration that cannot work on this data.

    Args:
        config: the configuration.
        task: of the model.
        dataset: the data.
        wanted: columns that have to be there.
        known: what else `config_problems` may know: ``classes``, ``has_weight``, ``models``, ``outputs``.

    Raises:
        ConfigError: with every problem at once.
    """
    need_config(config)
    problems = config_problems(config, task, dataset.columns, **known)
    shown = [c for c in dataset.columns if not c.startswith("__")]
    problems += [
        f"the data has no column {name!r}. {did_you_mean(name, shown)}"
        for name in sorted(wanted or ())
        if name not in dataset.columns
    ]
    if problems:
        raise ConfigError("the evaluation cannot run", problems=problems)


def need_config(config: Any) -> None:
    """Refuses what is no configuration.

    Raises:
        ConfigError: saying what it is, and how a configuration is made of it.
    """
    if not isinstance(config, EvalConfig):
        raise ConfigError(
            f"an EvalConfig is needed, not a {type(config).__name__}",
            hint="EvalConfig.from_text reads TFMA's text proto, EvalConfig.from_json JSON.",
        )


def _check_candidate(name: str, first: ModelRuntime, other: ModelRuntime) -> None:
    """Candidates are judged on the same labels and weights: those of the first."""
    for key in ("task", "label", "weight"):
        if first.info.get(key) != other.info.get(key):
            raise ModelError(
                f"candidate {name!r} has {key} {other.info.get(key)!r}, the first has {first.info.get(key)!r}",
                where=other.uri,
                hint="compare models of the same task, label and weight.",
            )
    if sorted(map(repr, first.classes or [])) != sorted(map(repr, other.classes or [])):
        raise ModelError(
            f"candidate {name!r} knows the classes {other.classes}, the first {first.classes}", where=other.uri
        )


def _check_baseline(runtime: ModelRuntime, other: ModelRuntime) -> None:
    task, base = runtime.info["task"], other.info["task"]
    if task != base:
        raise ModelError(f"the candidate is a {task} model, the baseline a {base} one", where=other.uri)
    if sorted(map(repr, runtime.classes or [])) != sorted(map(repr, other.classes or [])):
        raise ModelError(
            f"the baseline knows the classes {other.classes}, the candidate {runtime.classes}",
            where=other.uri,
            hint="compare with a model of the same classes, or evaluate without a baseline.",
        )


def _identity(runtime: ModelRuntime) -> dict[str, Any]:
    if runtime.manifest is None:
        raise ModelError("the model has no manifest, so it cannot be identified", where=runtime.uri)
    allowed = None if runtime.allow_host is None else list(runtime.allow_host)
    return {"uri": runtime.uri, "fingerprint": runtime.manifest.fingerprint, "allow_host": allowed}

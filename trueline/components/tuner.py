"""The Trainer's run_fn tried with many hyperparameters; the best of them go to the Trainer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from trueline._core.errors import ConfigError
from trueline.components.common import code_reference
from trueline.components.trainer_checks import training_problems
from trueline.components.trainer_ready import ReadyTrainers
from trueline.components.tuner_spaces import ready_space
from trueline.pipeline.artifacts import Examples, HyperParameters, Model, Schema, TransformGraph, TunerResults
from trueline.pipeline.channel import Channel
from trueline.pipeline.node import Component, In, Out
from trueline.pipeline.user_function import UserFunction

if TYPE_CHECKING:
    from trueline.model_analysis import MetricConfig, MetricsSpec

__all__ = ["Tuner"]


class Tuner(ReadyTrainers, Component):
    """Searches hyperparameters: each trial trains with the Trainer's own `run_fn` in a process of its own.

    Ended trials are kept in the run's database: a search that was stopped or killed goes on where it was. With the same
    data, code and seed a search draws the same trials and finds the same best one, whatever each trial takes: trials
    are drawn in batches of `parallel`, and judged by the batches before theirs.

    ``Tuner.xgboost(...)`` and its kin search for a ready-made trainer; without a `space` they bring one.

    Args:
        examples, transform_graph, schema, raw_examples, base_model, run_fn, module_file, label, weight, features,
            custom_config, train_split, eval_split, train_steps, eval_steps, epochs, device: as of `Trainer`.
        space: what to search: a `Space`, a dict of ranges, or a top-level function (itself, or as ``"file.py:name"``):
            without arguments it returns one of the two, with one argument, the trial, it returns hyperparameters, and
            may decide by what it drew.
        objective: the metric to be made best, which `run_fn` logs: ``fn_args.log("eval_auc", value, step)``.
        metric: in place of `objective`: a metric of `trueline.model_analysis`, such as ``"AUC"``, a `MetricConfig`, or
            a `MetricsSpec` of one metric (averages of classes, queries of a ranking), by which each returned model is
            measured on the eval split.
        direction: ``maximize`` or ``minimize``.
        trials: how many; 20 by default, or the whole grid.
        parallel: how many at once.
        sampler: ``tpe``, ``random`` or ``grid``; with `sampler_options`.
        pruner: ``hyperband``, ``median`` or ``none``: ends trials whose logged objective falls behind; with
            `pruner_options`.
        take: the objective is the ``last`` logged value, or the ``best``.
        timeout: seconds after which the search ends with the trials that it has.
        trial_timeout: seconds after which one trial counts as failed.
        seed: of the search and of every training.
        hyperparameters: fixed ones, for every trial; a dict, or a channel of another Tuner's HyperParameters.

    Outputs: ``best_hyperparameters`` (for ``Trainer(hyperparameters=...)``, the fixed ones included) and
        ``tuner_results``: every trial in ``tuner_results.json``, and the page ``tuner_results.html``.
    """

    INPUTS: ClassVar[Mapping[str, In]] = {
        "examples": In(Examples),
        "transform_graph": In(TransformGraph),
        "schema": In(Schema, optional=True),
        "hyperparameters": In(HyperParameters, optional=True),
        "raw_examples": In(Examples, optional=True),
        "base_model": In(Model, optional=True),
    }
    OUTPUTS: ClassVar[Mapping[str, Out]] = {
        "best_hyperparameters": Out(HyperParameters),
        "tuner_results": Out(TunerResults),
    }
    EXECUTOR = "trueline.components.tuner_job:execute"

    def __init__(
        self,
        *,
        examples: Channel,
        transform_graph: Channel,
        label: str | None = None,
        schema: Channel | None = None,
        run_fn: str | Callable[..., Any] | None = None,
        module_file: str | None = None,
        space: Any = None,
        objective: str | None = None,
        metric: str | MetricConfig | MetricsSpec | None = None,
        direction: str = "maximize",
        trials: int | None = None,
        parallel: int = 2,
        sampler: str = "tpe",
        pruner: str = "none",
        sampler_options: Mapping[str, Any] | None = None,
        pruner_options: Mapping[str, Any] | None = None,
        take: str = "last",
        timeout: float | None = None,
        trial_timeout: float | None = None,
        seed: int = 0,
        weight: str | None = None,
        features: Sequence[str] | None = None,
        hyperparameters: Mapping[str, Any] | Channel | None = None,
        custom_config: Mapping[str, Any] | None = None,
        train_split: str = "train",
        eval_split: str = "eval",
        node_id: str | None = None,
        raw_examples: Channel | None = None,
        base_model: Channel | None = None,
        train_steps: int | None = None,
        eval_steps: int | None = None,
        epochs: int | None = None,
        device: str = "auto",
    ) -> None:
        code, problems = code_reference(run_fn, module_file, "run_fn")
        fixed = dict(hyperparameters) if isinstance(hyperparameters, Mapping) else {}
        measured, found = _metric(metric, direction)
        problems += found
        search, found = _search(
            objective=objective, metric=measured, direction=direction, trials=trials, parallel=parallel,
            sampler=sampler, pruner=pruner, sampler_options=sampler_options, pruner_options=pruner_options,
            seed=seed, timeout=timeout, trial_timeout=trial_timeout, take=take,
        )  # fmt: skip
        problems += found
        given = space if space is not None else ready_space((custom_config or {}).get("ready"), fixed)
        told, found = _space(given, fixed, sampler)
        problems += found
        training: dict[str, Any] = {
            "run_fn": code,
            "label": label,
            "weight": weight,
            "features": list(features) if features is not None else None,
            "hyperparameters": fixed,
            "custom_config": dict(custom_config or {}),
            "train_split": train_split,
            "eval_split": eval_split,
            "seed": seed,
            "train_steps": train_steps,
            "eval_steps": eval_steps,
            "epochs": epochs,
            "device": device,
            "name": label or "model",
            "processes": 1,
            "distributed": None,
            "tolerance": None,
            "about": {},
        }
        inputs = {
            "examples": examples,
            "transform_graph": transform_graph,
            "schema": schema,
            "hyperparameters": hyperparameters if isinstance(hyperparameters, Channel) else None,
            "raw_examples": raw_examples,
            "base_model": base_model,
        }
        params = {**training, "search": search, "metric": measured, "space": told}
        super().__init__(node_id=node_id, inputs=inputs, params=params)
        if measured is not None and not eval_split:
            problems.append("measures the metric on the eval split, and eval_split is empty")
        # The seed is a problem of both the training and the search.
        for problem in dict.fromkeys([*problems, *training_problems(training)]):
            self.note(problem)


def _metric(metric: Any, direction: str) -> tuple[dict[str, Any] | None, list[str]]:
    """The metric as JSON, with what is wrong with it."""
    from trueline.model_analysis import EvalConfig, MetricConfig, MetricsSpec
    from trueline.model_analysis.check import config_problems
    from trueline.model_analysis.config_json import encode
    from trueline.model_analysis.metrics import find_metric

    if metric is None:
        return None, []
    made = MetricConfig(metric) if isinstance(metric, str) else metric
    spec = MetricsSpec(metrics=(made,)) if isinstance(made, MetricConfig) else made
    if not isinstance(spec, MetricsSpec):
        return None, [f"metric is a {type(metric).__name__}: give a metric's class name, a MetricConfig or MetricsSpec"]
    if len(spec.metrics) != 1:
        return None, [f"metric has {len(spec.metrics)} metrics: a search makes one best"]
    (one,) = spec.metrics
    problems = config_problems(EvalConfig(metrics_specs=(spec,)))
    record = None if problems else find_metric(one.class_name, module=one.module)
    better = {"HIGHER_IS_BETTER": "maximize", "LOWER_IS_BETTER": "minimize"}.get((record and record.better) or "")
    if better not in (None, direction) and direction in ("maximize", "minimize"):
        problems.append(f"{one.class_name} is best when {better}d, and direction is {direction!r}")
    return {"class_name": one.class_name, "spec": encode(spec)}, [f"metric: {p}" for p in problems]


def _search(**given: Any) -> tuple[dict[str, Any], list[str]]:
    """The settings as JSON, with what is wrong with them."""
    from trueline.training.tuning.settings import SearchSettings

    metric = given.pop("metric")
    problems = []
    if (given["objective"] is None) == (metric is None):
        problems.append("takes either objective (which run_fn logs) or metric (of model_analysis), and exactly one")
    if metric is not None and given["pruner"] not in (None, "none"):
        problems.append("prunes by logged values: with a pruner give objective, not metric")
    given["objective"] = given["objective"] or (metric or {}).get("class_name") or "objective"
    for name in ("sampler_options", "pruner_options"):
        given[name] = dict(given[name] or {})
    settings = SearchSettings(**given)
    return settings.to_json(), problems + settings.problems()


def _space(given: Any, fixed: Mapping[str, Any], sampler: str) -> tuple[Any, list[str]]:
    """The space as JSON, or the function of a trial by reference; with what is wrong with it."""
    from trueline.training.tuning.grid import grid_problems
    from trueline.training.tuning.space import checked_space, is_conditional

    if given is None:
        return None, ["needs a space to search"]
    try:
        function = UserFunction.of(given) if isinstance(given, str | UserFunction) or inspect.isroutine(given) else None
        loaded = function.load() if function is not None else given
        if is_conditional(loaded):
            if function is None:
                return None, [f"cannot use its space: {given!r} is no function that stands at a file's top level"]
            return function, grid_problems(loaded) if sampler == "grid" else []
        space: Any = checked_space(loaded, fixed)
        return space.to_json(), grid_problems(space) if sampler == "grid" else []
    except ConfigError as error:
        return None, list(error.problems) or [f"cannot use its space: {error}"]

"""Several models measured in one pass on the same rows; the best one goes on down the line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from trueline._core import store
from trueline._core.errors import did_you_mean
from trueline.components.common import dataset_of, wanted_splits
from trueline.components.sampled import close_or_tell
from trueline.pipeline.artifacts import Examples, Model, ModelEvaluation
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ExecutionContext
from trueline.pipeline.node import Component, In, Out

if TYPE_CHECKING:
    from trueline.model_analysis import EvalConfig
    from trueline.model_analysis.models_result import Choice, ModelsResult

__all__ = ["MODEL_INPUT", "ModelSelector", "execute"]

MODEL_INPUT = "model_"
"""The input of a candidate is this and its name."""


class ModelSelector(Component):
    """Measures models on raw examples in one pass and hands on the best.

    A model that breaks a threshold of the config is never chosen; the first of equals is. Where none is left, the line
    stops here; a sampled run goes on with the best of those that broke one. Choose on another split than the Evaluator
    blesses on: the best of several values is a little too good.

    Args:
        examples: raw examples, as they came from ExampleGen.
        models: the candidates by name: ``{"trees": trainer.outputs["model"], ...}``; of equals the first is chosen.
        eval_config: metrics, slices and thresholds, see `trueline.model_analysis.EvalConfig`.
        metric: the metric of the config that decides, such as ``AUC``.
        direction: whether ``higher`` or ``lower`` is better; the metric's own direction by default.
        baseline_model: the model that change thresholds compare with; it may resolve to nothing.
        example_splits: the splits to measure on.

    Outputs: ``evaluation``: all models beside each other (`trueline.model_analysis.ModelsResult.load` opens it,
        ``models.html`` shows it), and the chosen one's evaluation where an Evaluator has its; ``model``: a copy of the
        chosen model, with the property ``selected``.
    """

    INPUTS: ClassVar[Mapping[str, In]] = {"examples": In(Examples), "baseline_model": In(Model, optional=True)}
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"evaluation": Out(ModelEvaluation), "model": Out(Model)}
    EXECUTOR = "trueline.components.model_selector:execute"

    def __init__(
        self,
        *,
        examples: Channel,
        models: Mapping[str, Channel],
        eval_config: EvalConfig,
        metric: str,
        direction: Literal["higher", "lower"] | None = None,
        baseline_model: Channel | None = None,
        example_splits: Sequence[str] = ("eval",),
        node_id: str | None = None,
    ) -> None:
        from trueline.model_analysis import EvalConfig

        good = isinstance(eval_config, EvalConfig)
        named = {str(name): channel for name, channel in models.items()} if isinstance(models, Mapping) else {}
        super().__init__(
            node_id=node_id,
            inputs={"examples": examples, "baseline_model": baseline_model},
            params={
                "models": list(named),
                "eval_config": eval_config.to_json() if good else "{}",
                "metric": metric,
                "direction": direction,
                "example_splits": list(example_splits),
            },
        )
        problems = list(self.problems)
        self.declared_inputs |= {MODEL_INPUT + name: In(Model) for name in named}
        wired = {MODEL_INPUT + name: channel for name, channel in named.items()}
        self.problems.clear()  # wiring notes them all anew
        self._wire({"examples": examples, "baseline_model": baseline_model, **wired})
        self.problems += [problem for problem in problems if problem not in self.problems]
        for problem in _problems(eval_config if good else None, models, metric, direction, example_splits):
            self.note(problem)


def _problems(config: EvalConfig | None, models: Any, metric: Any, direction: Any, splits: Sequence[str]) -> list[str]:
    from trueline.model_analysis.check import config_problems
    from trueline.model_analysis.plan import BASELINE
    from trueline.model_analysis.rules import metric_key

    problems = []
    if not isinstance(models, Mapping) or not models:
        problems.append('needs models by name: models={"trees": trainer.outputs["model"], ...}')
    elif BASELINE in models:
        problems.append(f"has a model with the name {BASELINE!r}, which is baseline_model's")
    if direction not in (None, "higher", "lower"):
        problems.append(f'direction is {direction!r}; "higher" or "lower" is better')
    if not splits:
        problems.append("has no example_splits to measure on")
    if config is None:
        return [*problems, "needs an EvalConfig as eval_config"]
    problems += [f"eval_config: {problem}" for problem in config_problems(config)]
    metrics = [m for spec in config.metrics_specs for m in spec.metrics]
    keys, names = [metric_key(m) for m in metrics], [m.class_name for m in metrics]
    if metric not in names and not any(str(metric).startswith(key) for key in keys):
        problems.append(f"metric {metric!r} is none of the eval_config's. {did_you_mean(str(metric), names)}")
    return problems


def execute(ctx: ExecutionContext) -> None:
    """Measures, chooses, copies the winner; closes the gate where there is none."""
    from trueline.data import Examples as ExamplesReader
    from trueline.model_analysis import EvalConfig
    from trueline.model_analysis.api import evaluate_models
    from trueline.models import Model as LoadedModel

    source, baseline = ctx.input("examples"), ctx.optional_input("baseline_model")
    candidates = {name: ctx.input(MODEL_INPUT + name) for name in ctx.params["models"]}
    examples = ExamplesReader.open(source.uri)
    result = evaluate_models(
        {name: LoadedModel.load(handle.uri, allow_host=None) for name, handle in candidates.items()},
        dataset_of(examples, wanted_splits(source, ctx.params["example_splits"])),
        EvalConfig.from_json(ctx.params["eval_config"]),
        baseline=LoadedModel.load(baseline.uri, allow_host=None) if baseline else None,
        engine=ctx.engine,
    ).choose(ctx.params["metric"], ctx.params["direction"])
    result, refused = _of_sample(ctx, result)
    result.save(ctx.output("evaluation").uri)
    winner = _report(ctx, result)
    if refused:
        close_or_tell(ctx, refused)
    if winner is not None:
        store.copy_tree(candidates[winner].uri, ctx.output("model").uri)
        ctx.output("model").properties.update(candidates[winner].properties, selected=winner)


def _of_sample(ctx: ExecutionContext, result: ModelsResult) -> tuple[ModelsResult, str]:
    """In a sampled run that leaves no model, the best by its value alone, else the first; and what was to be said."""
    choice = result.choice
    assert choice is not None  # choose() made one
    if ctx.sample is None or choice.winner is not None:
        return result, ""
    sign = 1.0 if choice.direction == "higher" else -1.0
    valued = [s for s in choice.standings if s.value is not None] or choice.standings[:1]
    best = max(valued, key=lambda s: sign * (s.value or 0.0))
    return replace(result, choice=replace(choice, winner=best.name)), _sentence(choice)


def _sentence(choice: Choice) -> str:
    said = " ".join(f"{s.name}: {s.excluded}" for s in choice.standings if s.excluded)
    return f"No model can be chosen by {choice.metric}. {said}"


def _report(ctx: ExecutionContext, result: ModelsResult) -> str | None:
    """Tells each model's metric; the chosen one's name."""
    choice = result.choice
    assert choice is not None  # choose() made one
    values = {s.name: s.value for s in choice.standings}
    excluded = {s.name: s.excluded for s in choice.standings if s.excluded}
    ctx.report(selected=choice.winner, metric=choice.metric, models=values, excluded=excluded)
    if choice.winner is None:
        ctx.close_gate(_sentence(choice))
    return choice.winner

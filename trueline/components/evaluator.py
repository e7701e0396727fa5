"""A model judged on held-out rows, slice by slice, against thresholds and against the model in use."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from trueline._core import store
from trueline._core.errors import ConfigError
from trueline.components.common import dataset_of, wanted_splits
from trueline.components.evaluator_config import read_eval_config
from trueline.components.evaluator_evidence import evidence_of, write_evidence
from trueline.components.evaluator_more import Answer, Judged, ask, question_params
from trueline.components.evaluator_sections import saved_sections
from trueline.components.schema_gen import SCHEMA_FILE
from trueline.pipeline.artifacts import Examples, Model, ModelBlessing, ModelEvaluation, Schema
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ArtifactHandle, ExecutionContext
from trueline.pipeline.node import Component, In, Out

if TYPE_CHECKING:
    from trueline.model_analysis import EvalConfig, EvalResult, FairnessSpec, OperationalGates, RobustnessSpec

__all__ = ["BLESSED_FILE", "NOT_BLESSED_FILE", "Evaluator", "execute"]

BLESSED_FILE = "BLESSED"
NOT_BLESSED_FILE = "NOT_BLESSED"
_NAMED_FAILURES = 4
_SAMPLED = "A sampled run never blesses: it measured a few rows, not the data."


class Evaluator(Component):
    """Measures a model on raw examples and blesses it, or closes the line.

    A model that breaks a threshold is not blessed, and the line stops here with the sentence that says which metric on
    which slice; evaluation and blessing are published all the same. A config without any threshold judges nothing:
    the line goes on, but the model is *not blessed* and a Pusher that asks for the blessing does not push. Change
    thresholds need a baseline; without one (the first run) they are passed over, and the blessing says so by the
    properties ``rubber_stamp`` and ``note``. Whatever fails on the way leaves no blessing. In a sampled run everything
    is measured, but no model is blessed and the line is not stopped.

    Args:
        examples: raw examples, as they came from ExampleGen.
        model: the candidate.
        baseline_model: the model to compare with, usually from ``Resolver(strategy="latest_blessed")``; it may resolve
            to nothing, and a model with the candidate's own contents counts as nothing.
        eval_config: metrics, slices and thresholds, see `trueline.model_analysis.EvalConfig`; or TFMA's text proto or
            JSON, or a file (``.pbtxt``, ``.textproto``, ``.txt``, ``.json``) with one, read when the pipeline is built.
        example_splits: the splits to measure on.
        schema: of the raw examples; robustness keeps disturbed rows within it.
        operational_gates: `OperationalGates`: bounds of size, latency and memory, also against the baseline.
        robustness: `RobustnessSpec`: how much worse the model may get on disturbed rows.
        fairness: `FairnessSpec`: groups of people, and how far the model may treat them apart.
        find_slices: True, how many, or a dict of options: the worst slices are searched for and shown; no gate.

    Outputs: ``evaluation``; ``blessing``, with the empty file ``BLESSED`` or ``NOT_BLESSED``, the file
        ``evidence.json`` (see `evaluator_evidence`) and the properties ``blessed``, ``current_model``,
        ``current_model_id``, ``current_model_fingerprint``, ``baseline_model``, ``baseline_model_id``,
        ``component_id``, ``rubber_stamp``, ``reason`` and, where there is something to say, ``note``.
    """

    INPUTS: ClassVar[Mapping[str, In]] = {
        "examples": In(Examples),
        "model": In(Model),
        "baseline_model": In(Model, optional=True, other_than="model"),
        "schema": In(Schema, optional=True),
    }
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"evaluation": Out(ModelEvaluation), "blessing": Out(ModelBlessing)}
    EXECUTOR = "trueline.components.evaluator:execute"

    def __init__(
        self,
        *,
        examples: Channel,
        model: Channel,
        eval_config: EvalConfig | str | os.PathLike[str],
        baseline_model: Channel | None = None,
        example_splits: Sequence[str] = ("eval",),
        schema: Channel | None = None,
        operational_gates: OperationalGates | Mapping[str, Any] | None = None,
        robustness: RobustnessSpec | Mapping[str, Any] | None = None,
        fairness: FairnessSpec | Mapping[str, Any] | None = None,
        find_slices: bool | int | Mapping[str, Any] = False,
        node_id: str | None = None,
    ) -> None:
        from trueline.model_analysis.check import config_problems

        config, problems = None, []
        try:
            config = read_eval_config(eval_config)
        except ConfigError as error:
            problems = [f"eval_config: {problem}" for problem in error.problems] or [str(error)]
        asked = {
            "operational_gates": operational_gates,
            "robustness": robustness,
            "fairness": fairness,
            "find_slices": find_slices,
        }
        more, more_problems = question_params(asked)
        super().__init__(
            node_id=node_id,
            inputs={"examples": examples, "model": model, "baseline_model": baseline_model, "schema": schema},
            params={
                "eval_config": config.to_json() if config is not None else "{}",
                "example_splits": list(example_splits),
                "more": more,
            },
        )
        if config is not None:  # now, not after an hour of training
            problems = [f"eval_config: {problem}" for problem in config_problems(config)]
        for problem in (*problems, *more_problems):
            self.note(problem)
        if not example_splits:
            self.note("has no example_splits to measure on")


def execute(ctx: ExecutionContext) -> None:
    """Evaluates, writes evaluation and blessing, and closes the gate on a broken threshold."""
    from trueline.data import Examples as ExamplesReader
    from trueline.model_analysis import EvalConfig, evaluate, split_warning
    from trueline.models import Model as LoadedModel

    source, candidate = ctx.input("examples"), ctx.input("model")
    baseline = ctx.optional_input("baseline_model")
    config = EvalConfig.from_json(ctx.params["eval_config"])
    splits = ctx.params["example_splits"]
    of = Judged(
        LoadedModel.load(candidate.uri, allow_host=None),
        LoadedModel.load(baseline.uri, allow_host=None) if baseline else None,
        dataset_of(ExamplesReader.open(source.uri), wanted_splits(source, splits)),
        config,
        _schema(ctx),
        ctx.engine,
    )
    result = evaluate(of.model, of.dataset, config, baseline=of.baseline, engine=ctx.engine)
    warned = split_warning(of.model.info, splits)
    if warned:
        result = _with(result, (), notes=(warned,))
    answers = dict(ask(ctx.params.get("more", {}), of))
    # What is published says no times: equal work gives equal evidence. The run itself says all of it.
    lasting, told = result, result
    for answer in answers.values():
        lasting = _with(lasting, answer.lasting, answer.checks, answer.notes)
        told = _with(told, answer.failures, answer.checks, answer.notes)
    _save(ctx, lasting, answers)
    evidence = evidence_of(lasting.validation_result, config, candidate, baseline, source, splits)
    write_evidence(ctx.output("blessing"), evidence)
    ctx.report(**{name: answer.report for name, answer in answers.items() if answer.report})
    _bless(ctx, told, lasting, candidate, baseline, " ".join(evidence["notes"]))


def _schema(ctx: ExecutionContext) -> Any:
    from trueline.schema import load_schema_text

    found = ctx.optional_input("schema")
    return load_schema_text(found.path(SCHEMA_FILE)) if found else None


def _with(result: EvalResult, failures: Sequence[Any], checks: int = 0, notes: Sequence[str] = ()) -> EvalResult:
    verdict = result.validation_result.with_failures(failures, checks=checks, notes=notes)
    return replace(result, validation_result=verdict)


def _save(ctx: ExecutionContext, result: EvalResult, answers: Mapping[str, Answer]) -> None:
    """The evaluation's files, and the page with the parts of all answers."""
    from trueline.model_analysis.page import page_html
    from trueline.model_analysis.result import PAGE_FILE

    evaluation = ctx.output("evaluation")
    result.save(evaluation.uri)
    for answer in answers.values():
        for name, text in answer.files.items():
            store.write_text(evaluation.path(name), text)
    if sections := saved_sections(evaluation.uri):
        page_html(result, evaluation.path(PAGE_FILE), sections=sections)


def _bless(
    ctx: ExecutionContext,
    told: EvalResult,
    lasting: EvalResult,
    candidate: ArtifactHandle,
    baseline: ArtifactHandle | None,
    note: str,
) -> None:
    """`told` has every figure, `lasting` what an artifact may hold: the verdict is the same."""
    verdict, blessing = told.validation_result, ctx.output("blessing")
    judged = not verdict.missing_thresholds
    blessed = judged and verdict.ok and ctx.sample is None
    reason = "" if blessed else _reason(lasting, judged) if ctx.sample is None else _SAMPLED
    store.write_bytes(blessing.path(BLESSED_FILE if blessed else NOT_BLESSED_FILE), b"")
    blessing.properties.update(
        blessed=int(blessed),
        current_model=candidate.uri,
        current_model_id=candidate.id,
        current_model_fingerprint=candidate.fingerprint,
        component_id=ctx.node_id,
        rubber_stamp=int(verdict.rubber_stamp),
        reason=reason,
    )
    if note:
        blessing.properties["note"] = note
    if baseline is not None:
        blessing.properties.update(baseline_model=baseline.uri, baseline_model_id=baseline.id)
    ctx.report(blessed=blessed, compared_with_baseline=baseline is not None, metrics=_overall(told))
    if "baseline_model" in ctx.left_out:  # no artifact says it: equal inputs give equal artifacts
        ctx.report(baseline="this very model: it has the same contents")
    if ctx.sample is not None:
        ctx.report(sample=ctx.sample, thresholds_met=judged and verdict.ok)
    elif judged and not blessed:
        ctx.close_gate(_reason(told, judged))


def _reason(result: EvalResult, judged: bool) -> str:
    if not judged:
        return "The model was not judged: the evaluation config has no threshold, so nothing can bless it."
    failures = result.validation_result.failures
    if not failures:
        return "The model is not blessed: the evaluation did not pass."
    first, *rest = failures
    named = [f"{f.metric} on {f.slice}" if f.metric else f.slice for f in rest[:_NAMED_FAILURES]]
    more = f" and {len(rest) - len(named)} more" if len(rest) > len(named) else ""
    also = f" (also {'; '.join(named)}{more})" if rest else ""
    return f"The model is not blessed: {first.sentence.rstrip('.')}{also}."


def _overall(result: EvalResult) -> dict[str, float]:
    """The candidate's defined metrics on all rows, for the progress table."""
    for key, metrics in result.plain_slicing_metrics:
        if not key:
            return {name: value for name, value in metrics.items() if isinstance(value, int | float)}
    return {}

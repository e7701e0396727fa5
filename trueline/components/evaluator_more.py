"""What an Evaluator asks beside metrics: operations, robustness, fairness, and where the model is worst.

Each question is a row of a table: how its parameter is checked, and how it is asked of the candidate. An answer brings
reasons to close the gate, files for the evaluation, parts of its page, and what the run's report shows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, TruelineError

if TYPE_CHECKING:
    from trueline.engine import Dataset, Engine
    from trueline.model_analysis import EvalConfig
    from trueline.model_analysis.validation import GateFailure
    from trueline.models import Model

__all__ = ["QUESTIONS", "Answer", "Judged", "ask", "question_params"]


@dataclass(frozen=True)
class Judged:
    """What is judged, and on what.

    Attributes:
        model: the candidate.
        baseline: the model in use, or None.
        dataset: the raw rows.
        config: the evaluation's configuration.
        schema: of the raw rows, or None.
        engine: where passes run.
    """

    model: Model
    baseline: Model | None
    dataset: Dataset
    config: EvalConfig
    schema: Any
    engine: Engine


@dataclass(frozen=True)
class Answer:
    """What one question gave.

    Attributes:
        failures: reasons to close the gate, as the run says them.
        lasting: the same as the artifact holds them: without what was timed here and now.
        checks: how many bounds were judged.
        notes: sentences for the verdict.
        files: name -> JSON text for the evaluation's folder; `evaluator_sections` shows them on the page.
        report: what the run's report shows.
    """

    failures: tuple[GateFailure, ...] = ()
    lasting: tuple[GateFailure, ...] = ()
    checks: int = 0
    notes: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    report: Any = None


def _operations(asked: Mapping[str, Any], of: Judged) -> Answer:
    from trueline.model_analysis import check_operations

    verdict = check_operations(of.model, of.dataset, asked, of.baseline)
    bounds = sum(bound is not None for bound in verdict.gates.to_dict().values())
    return Answer(
        verdict.failures,
        verdict.lasting_failures,
        bounds - len(verdict.not_applied),
        verdict.not_applied,
        {"operations.json": _json(verdict.for_artifact())},
        report=verdict.for_report(),
    )


def _robustness(asked: Mapping[str, Any], of: Judged) -> Answer:
    from trueline.model_analysis import evaluate_robustness

    found = evaluate_robustness(of.model, of.dataset, asked, of.config, of.schema, of.engine)
    return Answer(
        found.failures,
        found.failures,
        len(found.losses) if found.gated else 0,
        found.notes,
        {"robustness.json": found.to_json()},
    )


def _fairness(asked: Mapping[str, Any], of: Judged) -> Answer:
    from trueline.model_analysis import evaluate_fairness

    found = evaluate_fairness(of.model, of.dataset, asked, of.baseline, of.engine)
    files = {"fairness.json": found.to_json()}
    return Answer(found.failures, found.failures, len(found.spec.criteria), files=files)


def _slices(asked: Mapping[str, Any], of: Judged) -> Answer:
    from trueline.model_analysis import find_slices
    from trueline.model_analysis.slice_finder.found import FOUND_FILE

    found = find_slices(of.model, of.dataset, engine=of.engine, **asked)
    worst = [f"{s.name}: {s.inside:.3g} where others have {s.outside:.3g}" for s in found.slices[:3]]
    return Answer(files={FOUND_FILE: found.to_json()}, report=worst)


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)


def _checked_operations(given: Any) -> dict[str, Any]:
    from trueline.model_analysis import OperationalGates
    from trueline.model_analysis.operational.gates import operational_problems

    gates = OperationalGates.from_dict(given)
    return _no(operational_problems(gates), gates.to_dict())


def _checked_robustness(given: Any) -> dict[str, Any]:
    from trueline.model_analysis import RobustnessSpec
    from trueline.model_analysis.robustness.spec import robustness_problems

    spec = RobustnessSpec.from_dict(given)
    return _no(robustness_problems(spec), spec.to_dict())


def _checked_fairness(given: Any) -> dict[str, Any]:
    from trueline.model_analysis.fairness.spec import spec_of

    return spec_of(given).to_dict()


def _checked_slices(given: Any) -> dict[str, Any]:
    """True, how many, or options of `find_slices`."""
    if given is True:
        return {}
    if isinstance(given, int):
        return _no([] if given >= 1 else ["it must be 1 or more"], {"top_k": given})
    if not isinstance(given, Mapping):
        raise ConfigError(f"give True, a number or options of find_slices, not {type(given).__name__}")
    return dict(given)


def _no(problems: list[str], params: dict[str, Any]) -> dict[str, Any]:
    if problems:
        raise ConfigError("it cannot be judged", problems=problems)
    return params


@dataclass(frozen=True)
class _Question:
    """How a parameter becomes JSON, and how it is asked."""

    params: Callable[[Any], dict[str, Any]]
    ask: Callable[[Mapping[str, Any], Judged], Answer]


QUESTIONS: Mapping[str, _Question] = {
    "operational_gates": _Question(_checked_operations, _operations),
    "robustness": _Question(_checked_robustness, _robustness),
    "fairness": _Question(_checked_fairness, _fairness),
    "find_slices": _Question(_checked_slices, _slices),
}


def question_params(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The parameters as JSON, without those that are None or False, and what is wrong with them."""
    params, problems = {}, []
    for name, value in given.items():
        if value is None or value is False:
            continue
        try:
            params[name] = QUESTIONS[name].params(value)
        except TruelineError as error:
            problems += [f"{name}: {problem}" for problem in error.problems or [error.message]]
        except (TypeError, ValueError, AttributeError) as error:
            problems.append(f"{name}: {error}")
    return params, problems


def ask(params: Mapping[str, Any], of: Judged) -> Iterator[tuple[str, Answer]]:
    """The answers to the questions that are asked, in the order of the table."""
    for name, question in QUESTIONS.items():
        if name in params:
            yield name, question.ask(params[name], of)

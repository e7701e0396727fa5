"""Views of models' artifacts: model, training, evaluation, verdicts, what was pushed, searches, cards, values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline._core import store as files
from trueline.interactive.views import Found, View

if TYPE_CHECKING:
    from trueline.display import Html

__all__ = ["MODEL_VIEWS", "shown_value"]

Properties = Mapping[str, Any]


def _json(uri: str, name: str) -> Any:
    """A JSON file of an artifact, None where it is not there."""
    place = files.join(uri, name)
    return json.loads(files.read_text(place)) if files.exists(place) else None


def _model(uri: str, properties: Properties) -> Iterator[Found]:
    from trueline.display import model_view

    info = json.loads(files.read_text(files.join(uri, "model.json")))
    yield f"Model {info.get('name', '')}".strip(), model_view(info)


def _training(uri: str, properties: Properties) -> Iterator[Found]:
    from trueline.display import training_view
    from trueline.training import read_metrics

    entries = read_metrics(uri)
    if entries:
        yield "Training", training_view(entries)


def _training_and_facts(uri: str, properties: Properties) -> Iterator[Found]:
    from trueline.display import facts_view

    yield from _training(uri, properties)
    run = _json(uri, "run.json")
    if isinstance(run, Mapping):
        training = run.get("training")
        all_facts = {**run, **(training if isinstance(training, Mapping) else {})}
        facts = {k: v for k, v in all_facts.items() if isinstance(v, bool | int | float | str)}
        yield "Training run", facts_view({k: _rounded(v) for k, v in facts.items()})


def _rounded(value: Any) -> Any:
    return value if not isinstance(value, float) or not math.isfinite(value) else float(f"{value:.4g}")


def _evaluation(uri: str, properties: Properties) -> Iterator[Found]:
    from trueline.components.evaluator_sections import saved_sections
    from trueline.display.eval_page import evaluation_part_view
    from trueline.model_analysis import EvalResult
    from trueline.model_analysis.page import evaluation_page

    yield "Evaluation", evaluation_part_view(evaluation_page(EvalResult.load(uri), sections=saved_sections(uri)))


def _card(uri: str, properties: Properties) -> Iterator[Found]:
    from trueline.display.card import card_view
    from trueline.model_analysis import ModelCard

    yield "Model card", card_view(ModelCard.load(uri).view())


def _blessing(uri: str, properties: Properties) -> Iterator[Found]:
    """The mark in the folder is the verdict; properties and evidence say why."""
    from trueline.display.artifact_tables import blessing_view

    marks = {"BLESSED": True, "INFRA_BLESSED": True, "NOT_BLESSED": False, "INFRA_NOT_BLESSED": False}
    verdicts = {blessed for name, blessed in marks.items() if files.exists(files.join(uri, name))}
    blessed = verdicts.pop() if len(verdicts) == 1 else None
    evidence, report = _json(uri, "evidence.json") or {}, _json(uri, "report.json") or {}
    words = (properties.get("reason"), properties.get("note"), report.get("message"))
    reason = next((str(word) for word in words if word), "")
    facts = {k: v for k, v in report.items() if k == "rows"}
    if properties.get("current_model_id") is not None:
        facts["model"] = f"artifact {properties['current_model_id']}"
    checks = [c for c in evidence.get("checks", ()) if isinstance(c, Mapping)]
    yield "Blessing", blessing_view(blessed, reason, facts, checks)


def _pushed(uri: str, properties: Properties) -> Iterator[Found]:
    from trueline.display import facts_view

    told = _json(uri, "pushed.json") or {}
    facts = {k: told[k] for k in ("pushed", "version", "destination") if told.get(k) is not None}
    yield "Pushed model", facts_view({k: str(v) if k == "version" else v for k, v in facts.items()})


def _hyperparameters(uri: str, properties: Properties) -> Iterator[Found]:
    from trueline.display.html import Safe, table, tag

    best = _json(uri, "best_hyperparameters.txt") or {}
    rows: list[Sequence[Safe]] = [[tag("b", str(name)), json.dumps(value)] for name, value in best.items()]
    yield "Best hyperparameters", table(["Hyperparameter", "Value"], rows)


def _search(uri: str, properties: Properties) -> Iterator[Found]:
    from trueline.display import tuner_view

    yield "Search", tuner_view(json.loads(files.read_text(files.join(uri, "tuner_results.json"))))


def shown_value(uri: str) -> Html:
    """The value of a value artifact."""
    from trueline.display.artifact_tables import value_view
    from trueline.pipeline.artifacts import VALUE_FILE

    value = json.loads(files.read_text(files.join(uri, VALUE_FILE)))
    return value_view(value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False))


def _value(uri: str, properties: Properties) -> Iterator[Found]:
    yield "Value", shown_value(uri)


MODEL_VIEWS: Mapping[str, View] = {
    "Boolean": _value,
    "Float": _value,
    "HyperParameters": _hyperparameters,
    "InfraBlessing": _blessing,
    "Integer": _value,
    "JsonValue": _value,
    "Model": _model,
    "ModelBlessing": _blessing,
    "ModelCard": _card,
    "ModelEvaluation": _evaluation,
    "ModelRun": _training_and_facts,
    "PushedModel": _pushed,
    "String": _value,
    "TunerResults": _search,
}

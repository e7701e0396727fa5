"""A model card of every run: what the line knows of the model, as data, Markdown and HTML."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from trueline._core import store
from trueline._core.errors import ArtifactError, ConfigError
from trueline.components.common import split_path, splits_of
from trueline.components.example_validator import ANOMALIES_FILE
from trueline.components.infra_validator import REPORT_FILE
from trueline.components.schema_gen import SCHEMA_FILE
from trueline.components.statistics_gen import STATISTICS_FILE
from trueline.pipeline.artifacts import (
    ExampleAnomalies,
    Examples,
    ExampleStatistics,
    InfraBlessing,
    Model,
    ModelCard,
    ModelEvaluation,
    Schema,
)
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ArtifactHandle, ExecutionContext
from trueline.pipeline.node import Component, In, Out

if TYPE_CHECKING:
    from trueline.model_analysis import FairnessResult, RobustnessResult
    from trueline.model_analysis.card import CardTexts
    from trueline.model_analysis.card.parts_model import LineageEntry, ServerCheck
    from trueline.model_analysis.card.template import Given

__all__ = ["ModelCardGenerator", "execute"]


class ModelCardGenerator(Component):
    """Writes a model card from whatever the line knows of a model.

    Every input but the model is optional and may resolve to nothing: its section then says that it was not given. The
    card is made of the artifacts' contents alone, so that equal work gives an equal card; it holds no times, no places
    and no secrets.

    Args:
        model: the model.
        evaluation: what the Evaluator measured and judged.
        statistics: of the data; the training split's are shown.
        schema: what the data must be.
        examples: the rows that the line read, for splits and sources.
        anomalies: what the ExampleValidator found.
        infra_blessing: whether the real server loaded the model.
        texts: what only people know: ``intended_use``, ``caveats``, ``licence`` and the others of
            `trueline.model_analysis.CardTexts`; what stands in the model's ``about`` need not be said again.
        template: a file that extends ``model_card.md.j2`` or ``model_card.html.j2``, or one of each. It is read and
            checked when the pipeline is built; a broken one stops the line before anything runs.

    Outputs: ``model_card`` with ``model_card.json``, ``model_card.md`` (its header is read by Hugging Face) and
        ``model_card.html``; the property ``model_fingerprint``.
    """

    INPUTS: ClassVar[Mapping[str, In]] = {
        "model": In(Model),
        "evaluation": In(ModelEvaluation, optional=True),
        "statistics": In(ExampleStatistics, optional=True),
        "schema": In(Schema, optional=True),
        "examples": In(Examples, optional=True),
        "anomalies": In(ExampleAnomalies, optional=True),
        "infra_blessing": In(InfraBlessing, optional=True),
    }
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"model_card": Out(ModelCard)}
    EXECUTOR = "trueline.components.model_card_generator:execute"

    def __init__(
        self,
        *,
        model: Channel,
        evaluation: Channel | None = None,
        statistics: Channel | None = None,
        schema: Channel | None = None,
        examples: Channel | None = None,
        anomalies: Channel | None = None,
        infra_blessing: Channel | None = None,
        texts: Mapping[str, Any] | CardTexts | None = None,
        template: Given | None = None,
        node_id: str | None = None,
    ) -> None:
        inputs = {
            "model": model,
            "evaluation": evaluation,
            "statistics": statistics,
            "schema": schema,
            "examples": examples,
            "anomalies": anomalies,
            "infra_blessing": infra_blessing,
        }
        read, problems = _read(texts, template)
        producers = {key: c.producer.node_id for key, c in inputs.items() if isinstance(c, Channel)}
        super().__init__(node_id=node_id, inputs=inputs, params={**read, "producers": producers})
        for problem in problems:
            self.note(problem)


def _read(texts: Any, template: Any) -> tuple[dict[str, Any], list[str]]:
    """Texts and templates as JSON, and what is wrong with them."""
    from trueline.model_analysis.card.data import texts_of
    from trueline.model_analysis.card.template import read_templates
    from trueline.model_analysis.config_json import encode

    read: dict[str, Any] = {"texts": {}, "template": []}
    problems: list[str] = []
    try:
        read["texts"] = encode(texts_of(texts))
    except ConfigError as error:
        problems += [f"texts: {problem}" for problem in error.problems or (error.message,)]
    try:
        read["template"] = [t.to_json() for t in read_templates(template)]
    except ConfigError as error:
        problems += [f"template: {problem}" for problem in error.problems or (error.message,)]
    return read, problems


def execute(ctx: ExecutionContext) -> None:
    """Reads the artifacts by their own readers and writes the card."""
    from trueline.data import Examples as ExamplesReader
    from trueline.model_analysis import EvalResult
    from trueline.model_analysis.card import make_card
    from trueline.model_analysis.card.template import templates_of
    from trueline.models import Model as LoadedModel
    from trueline.schema import load_schema_text

    model = ctx.input("model")
    given = {key: ctx.optional_input(key) for key in ModelCardGenerator.INPUTS if key != "model"}
    evaluation, schema, examples = given["evaluation"], given["schema"], given["examples"]
    span = _number(examples, "span")
    card = make_card(
        LoadedModel.load(model.uri, allow_host=None),
        None if evaluation is None else EvalResult.load(evaluation.uri),
        _statistics(given["statistics"]),
        None if schema is None else load_schema_text(store.join(schema.uri, SCHEMA_FILE)),
        fairness=_fairness(evaluation),
        robustness=_robustness(evaluation),
        examples=None if examples is None else ExamplesReader.open(examples.uri),
        anomalies=_anomalies(given["anomalies"]),
        server=_server(given["infra_blessing"]),
        span=span,
        version=None if span is None else _number(examples, "version"),
        examples_fingerprint="" if examples is None else examples.fingerprint or "",
        lineage=_lineage({"model": model, **given}, ctx.params.get("producers") or {}),
        texts=ctx.params["texts"],
        template=templates_of(ctx.params["template"]),
    )
    out = ctx.output("model_card")
    card.save(out.uri)
    out.properties["model_fingerprint"] = model.fingerprint or ""
    absent = [key for key, artifact in given.items() if artifact is None]
    ctx.report(not_given=absent, limits=len(card.data.limits))


def _fairness(evaluation: ArtifactHandle | None) -> FairnessResult | None:
    """What an Evaluator that was asked for it found."""
    from trueline.model_analysis import FairnessResult

    there = evaluation is not None and store.exists(evaluation.path("fairness.json"))
    return FairnessResult.load(evaluation.uri) if evaluation is not None and there else None


def _robustness(evaluation: ArtifactHandle | None) -> RobustnessResult | None:
    from trueline.model_analysis import RobustnessResult

    if evaluation is None or not store.exists(path := evaluation.path("robustness.json")):
        return None
    try:
        return RobustnessResult.from_dict(json.loads(store.read_text(path)))
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"the evaluation's robustness cannot be read: {error}", where=path) from error


def _number(artifact: ArtifactHandle | None, name: str) -> int | None:
    found = None if artifact is None else artifact.properties.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _statistics(artifact: ArtifactHandle | None) -> dict[str, Any] | None:
    from trueline.data_validation import load_statistics

    if artifact is None:
        return None
    return {split: load_statistics(split_path(artifact, split, STATISTICS_FILE)) for split in splits_of(artifact)}


def _anomalies(artifact: ArtifactHandle | None) -> dict[str, Any] | None:
    from trueline.data_validation import load_anomalies_binary

    if artifact is None:
        return None
    return {split: load_anomalies_binary(split_path(artifact, split, ANOMALIES_FILE)) for split in splits_of(artifact)}


def _server(artifact: ArtifactHandle | None) -> ServerCheck | None:
    """What the InfraValidator's report says.

    Raises:
        ArtifactError: the report is missing or no JSON.
    """
    from trueline.model_analysis.card.parts_model import ServerCheck
    from trueline.model_analysis.card.private import public_text

    if artifact is None:
        return None
    path = artifact.path(REPORT_FILE)
    try:
        found = json.loads(store.read_text(path))
        return ServerCheck(bool(found["ok"]), int(found["rows"]), public_text(str(found["message"])))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"the blessing has no readable report: {error}", where=path) from error


def _lineage(given: Mapping[str, ArtifactHandle | None], producers: Mapping[str, str]) -> Sequence[LineageEntry]:
    from trueline.model_analysis.card.parts_model import LineageEntry

    return [
        LineageEntry(key.replace("_", " "), artifact.type, artifact.fingerprint or "", str(producers.get(key, "")))
        for key, artifact in given.items()
        if artifact is not None
    ]

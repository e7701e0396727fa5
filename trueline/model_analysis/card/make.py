"""`make_card`: a card from whatever is known of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline.model_analysis.card.card import ModelCard
from trueline.model_analysis.card.collect_data import data_facts
from trueline.model_analysis.card.collect_evaluation import evaluation_facts
from trueline.model_analysis.card.collect_model import environment_of, merged_texts, model_facts, training_facts
from trueline.model_analysis.card.collect_more import (
    explanation_facts,
    fairness_facts,
    operations_facts,
    robustness_facts,
)
from trueline.model_analysis.card.data import CardTexts, ModelCardData
from trueline.model_analysis.card.limits import with_limits
from trueline.model_analysis.card.parts_model import LineageEntry, ServerCheck
from trueline.model_analysis.card.template import CardTemplate, Given, read_templates

if TYPE_CHECKING:
    from trueline.data import Examples
    from trueline.model_analysis.explain.explanation import Explanation
    from trueline.model_analysis.fairness.result import FairnessResult
    from trueline.model_analysis.operational.records import Operations
    from trueline.model_analysis.result import EvalResult
    from trueline.model_analysis.robustness.result import RobustnessResult
    from trueline.models import Model

__all__ = ["make_card"]


def make_card(
    model: Model,
    evaluation: EvalResult | None = None,
    statistics: Any = None,
    schema: Any = None,
    *,
    fairness: FairnessResult | None = None,
    explanation: Explanation | None = None,
    robustness: RobustnessResult | None = None,
    operations: Operations | None = None,
    examples: Examples | None = None,
    anomalies: Any = None,
    server: ServerCheck | None = None,
    span: int | None = None,
    version: int | None = None,
    examples_fingerprint: str = "",
    lineage: Sequence[LineageEntry] = (),
    texts: Mapping[str, Any] | CardTexts | None = None,
    template: Given | Sequence[CardTemplate] | None = None,
) -> ModelCard:
    """A model card. What is not given becomes a section that says so.

    Args:
        model: the model.
        evaluation: what `evaluate` found.
        statistics: a `DatasetFeatureStatisticsList`, or a dict of them by split; the training split's are shown.
        schema: a `Schema`.
        fairness: what `evaluate_fairness` found.
        explanation: what `permutation_importance` or `shap_values` found.
        robustness: what `evaluate_robustness` found.
        operations: what `measure_operations` found; times differ from run to run, and so will the card.
        examples: the rows that the line read, for splits and sources.
        anomalies: `Anomalies`, or a dict of them by split.
        server: whether the real server loaded the model.
        span, version: of the rows.
        examples_fingerprint: of the rows.
        lineage: the artifacts that the card is made of.
        texts: what only people know, see `CardTexts`; what stands in the model's ``about`` need not be said again.
        template: a file that extends ``model_card.md.j2`` or ``model_card.html.j2``, or one of each.

    Raises:
        ConfigError: texts or templates that do not fit, all problems at once; an explanation of single rows.
    """
    templates = _templates(template)
    data = ModelCardData(
        model=model_facts(model),
        texts=merged_texts(model, texts),
        training=training_facts(model),
        data=data_facts(examples, statistics, schema, anomalies, span, version, examples_fingerprint),
        evaluation=None if evaluation is None else evaluation_facts(evaluation),
        fairness=None if fairness is None else fairness_facts(fairness),
        explanation=None if explanation is None else explanation_facts(explanation),
        robustness=None if robustness is None else robustness_facts(robustness),
        operations=None if operations is None else operations_facts(operations),
        server=server,
        lineage=tuple(lineage),
        environment=environment_of(model),
    )
    return ModelCard(with_limits(data), templates)


def _templates(given: Any) -> tuple[CardTemplate, ...]:
    if isinstance(given, list | tuple) and given and all(isinstance(t, CardTemplate) for t in given):
        return tuple(given)
    return read_templates(given or None)

"""What a model card holds, as frozen records and JSON. ``None`` for a whole part means that it was not given.

Values that are not defined are None with a reason beside them, never 0. No times and no places stand here: equal work
gives equal cards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from trueline._core.errors import ArtifactError, ConfigError, did_you_mean
from trueline.model_analysis.card.parts_data import DataFacts
from trueline.model_analysis.card.parts_judged import (
    EvaluationFacts,
    ExplanationFacts,
    FairnessFacts,
    OperationsFacts,
    RobustnessFacts,
)
from trueline.model_analysis.card.parts_model import Environment, LineageEntry, ModelFacts, ServerCheck, TrainingFacts
from trueline.model_analysis.config_json import decode, encode, freeze

__all__ = ["CARD_FORMAT", "CardTexts", "ModelCardData", "texts_of"]

CARD_FORMAT = 1


@dataclass(frozen=True)
class CardTexts:
    """What only people know of a model. Empty means not given.

    Attributes:
        description, owner, licence, contact, citation: of the model; the first three may stand in the model itself.
        intended_use, intended_users, out_of_scope: what it is for, for whom, and what it is not for.
        factors: groups, instruments and environments in which it may behave otherwise.
        data: what has to be said of the data beyond what was measured.
        ethical_considerations, caveats: risks, and what to do about them.
        pipeline_tag: Hugging Face's name of the task, where the one that is found does not fit.
        language, tags, datasets: for the header that Hugging Face reads; data sets by their names there.
    """

    description: str = ""
    owner: str = ""
    licence: str = ""
    contact: str = ""
    citation: str = ""
    intended_use: str = ""
    intended_users: str = ""
    out_of_scope: str = ""
    factors: str = ""
    data: str = ""
    ethical_considerations: str = ""
    caveats: str = ""
    pipeline_tag: str = ""
    language: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        freeze(self)


def texts_of(given: Mapping[str, Any] | CardTexts | None) -> CardTexts:
    """The texts, checked.

    Raises:
        ConfigError: names that there are not, or values that are no text; all at once.
    """
    if isinstance(given, CardTexts):
        return given
    lists = {f.name for f in fields(CardTexts) if str(f.type).startswith("tuple")}
    names = [f.name for f in fields(CardTexts)]
    problems: list[str] = []
    kept: dict[str, Any] = {}
    for name, value in (given or {}).items():
        if name not in names:
            problems.append(f"there is no text {name!r}. {did_you_mean(str(name), names, limit=20)}")
        elif name in lists:
            listed = [value] if isinstance(value, str) else value
            if not isinstance(listed, list | tuple) or not all(isinstance(v, str) for v in listed):
                problems.append(f"{name}: a list of texts is expected, not {value!r}")
            kept[name] = tuple(listed)
        elif not isinstance(value, str):
            problems.append(f"{name}: a {type(value).__name__} where a text is expected")
        else:
            kept[name] = value
    if problems:
        raise ConfigError("texts= does not fit", problems=problems)
    return CardTexts(**kept)


@dataclass(frozen=True)
class ModelCardData:
    """Everything that a card says.

    Attributes:
        model: the model itself.
        texts: what people wrote.
        training: how it was trained.
        data: rows, statistics, schema and anomalies.
        evaluation: what was measured and judged; None where no evaluation was given.
        fairness, explanation, robustness, operations, server: None where they were not given.
        limits: what the reader must bear in mind, found in all of the above; sentences.
        lineage: the artifacts that the card was made of.
        environment: packages that made the model.
    """

    model: ModelFacts
    texts: CardTexts = field(default_factory=CardTexts)
    training: TrainingFacts = field(default_factory=TrainingFacts)
    data: DataFacts = field(default_factory=DataFacts)
    evaluation: EvaluationFacts | None = None
    fairness: FairnessFacts | None = None
    explanation: ExplanationFacts | None = None
    robustness: RobustnessFacts | None = None
    operations: OperationsFacts | None = None
    server: ServerCheck | None = None
    limits: tuple[str, ...] = ()
    lineage: tuple[LineageEntry, ...] = ()
    environment: Environment = field(default_factory=Environment)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; what holds its default is left out."""
        return {"format": CARD_FORMAT, **encode(self)}

    def to_json(self) -> str:
        """JSON text."""
        return json.dumps(self.to_dict(), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str | None = None) -> ModelCardData:
        """The data that `to_json` wrote.

        Raises:
            ArtifactError: no JSON, another format, or another structure: every problem with its path.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ArtifactError(f"this is no JSON: {error}", where=where) from error
        found = data.pop("format", None) if isinstance(data, dict) else None
        if found != CARD_FORMAT or isinstance(found, bool):
            raise ArtifactError(f"the model card has format {found!r}, this release reads {CARD_FORMAT}", where=where)
        try:
            return decode(cls, data)
        except ConfigError as error:
            raise ArtifactError("this is no model card", where=where, problems=error.problems) from error

"""Texts and values that are right or wrong as a whole, and edit distances."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from trueline.model_analysis.metrics.alignment import edit_distance
from trueline.model_analysis.metrics.bleu import BLEU_METRICS, BLEU_MOMENTS
from trueline.model_analysis.metrics.record import HIGHER, LOWER, NO_WEIGHT, Metric, over
from trueline.model_analysis.metrics.rouge import ROUGE_METRICS, ROUGE_MOMENTS
from trueline.model_analysis.metrics.texts import text_pairs
from trueline.model_analysis.moments import Moment
from trueline.model_analysis.rows import Floats, Rows

__all__ = ["TEXT_METRICS", "TEXT_MOMENTS"]


def _exact(rows: Rows, convert_to: str) -> Floats:
    """1 where the prediction is the label, or one of them; NaN where a label cannot be converted."""
    found = np.zeros(len(rows))
    labels, predictions = (rows.objects[side].to_pylist() for side in ("label", "prediction"))
    for i in np.flatnonzero(rows.weight > 0):
        if labels[i] is not None and predictions[i] is not None:
            found[i] = _same(labels[i], predictions[i], convert_to == "json")
    return found


def _same(label: Any, predicted: Any, as_json: bool) -> float:
    if isinstance(label, list) and not isinstance(predicted, list):
        each = [_same(one, predicted, as_json) for one in label]
        return max(each, default=float("nan"))
    if not as_json:
        return float(label == predicted)
    try:
        label = _parsed(label)
    except (ValueError, TypeError):
        return float("nan")
    try:
        return float(label == _parsed(predicted))
    except (ValueError, TypeError):  # what is no JSON is not the label
        return 0.0


def _parsed(value: Any) -> Any:
    return [json.loads(v) for v in value] if isinstance(value, list) else json.loads(value)


def _errors(rows: Rows, parameter: str) -> Floats:
    """Edits to the reference that needs the fewest for its length, or that reference's length."""
    what, unit = parameter.split(",")
    key = f"edits,{unit}"
    if key not in rows.memo:
        made = np.zeros((len(rows), 2))
        for i, pair in enumerate(text_pairs(rows)):
            if pair is not None:
                own = _units(pair[0], unit)
                edits = [(edit_distance(r, own), len(r)) for r in (_units(t, unit) for t in pair[1])]
                made[i] = min(edits, key=lambda pair: pair[0] / max(pair[1], 1))
        rows.memo[key] = made
    found: Floats = rows.memo[key][:, int(what == "length")]
    return found


def _units(text: str, unit: str) -> Sequence[Hashable]:
    return text.split() if unit == "word" else text


def _error_rate(cls: str, name: str, unit: str) -> Metric:
    edits, length = f"edits@edits,{unit}", f"edits@length,{unit}"
    return Metric(cls, name, ("objects",), "the references are empty", (edits, length),
                  lambda s, o: over(s(edits), s(length)), better=LOWER)  # fmt: skip


TEXT_MOMENTS: Mapping[str, Moment] = {"exact_match": _exact, "edits": _errors, **BLEU_MOMENTS, **ROUGE_MOMENTS}
TEXT_METRICS = (
    Metric("ExactMatch", "exact_match", ("objects",), f"a label cannot be converted, or {NO_WEIGHT}",
           ("exact_match@{convert_to}", "weight"),
           lambda s, o: over(s(f"exact_match@{o['convert_to']}"), s("weight")), better=HIGHER,
           options={"convert_to": ""}),
    _error_rate("CharacterErrorRate", "character_error_rate", "character"),
    _error_rate("WordErrorRate", "word_error_rate", "word"),
    *BLEU_METRICS,
    *ROUGE_METRICS,
)  # fmt: skip

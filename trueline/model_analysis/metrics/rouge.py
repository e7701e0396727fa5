"""ROUGE: overlap of a text with its references by n-grams, or by longest common subsequences.

Source: Lin 2004, "ROUGE: a package for automatic evaluation of summaries"; tokens, the union of subsequences of
``rougeLsum`` and the best reference (that of the highest F measure) are those of the package rouge-score. The value of
a slice is the weighted mean over rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from trueline.model_analysis.metrics.alignment import common_places, common_subsequence
from trueline.model_analysis.metrics.record import HIGHER, Metric, over
from trueline.model_analysis.metrics.texts import text_pairs
from trueline.model_analysis.metrics.tokens import rouge_tokens
from trueline.model_analysis.moments import Moment
from trueline.model_analysis.rows import Floats, Rows

__all__ = ["ROUGE_METRICS", "ROUGE_MOMENTS", "ROUGE_TYPES", "rouge_score"]

ROUGE_TYPES = (*(f"rouge{n}" for n in range(1, 10)), "rougeL", "rougeLsum")
Score = tuple[float, float, float]
"""Precision, recall, F measure."""


def rouge_score(kind: str, reference: str, predicted: str, stemmed: bool = False) -> Score:
    """One text against one reference; 0 where either has no tokens (or is too short for n-grams)."""
    if kind == "rougeLsum":
        return _summary([rouge_tokens(s, stemmed) for s in reference.split("\n") if s],
                        [rouge_tokens(s, stemmed) for s in predicted.split("\n") if s])  # fmt: skip
    wanted, own = rouge_tokens(reference, stemmed), rouge_tokens(predicted, stemmed)
    if kind == "rougeL":
        return _score(common_subsequence(wanted, own), len(own), len(wanted))
    n = int(kind.removeprefix("rouge"))
    before, after = (Counter(tuple(t[i : i + n]) for i in range(len(t) - n + 1)) for t in (wanted, own))
    return _score((before & after).total(), after.total(), before.total())


def _score(hits: float, own: int, wanted: int) -> Score:
    precision, recall = hits / max(own, 1), hits / max(wanted, 1)
    return precision, recall, 2 * precision * recall / (precision + recall) if hits else 0.0


def _summary(wanted: Sequence[list[str]], own: Sequence[list[str]]) -> Score:
    """Sentence by sentence: what of a reference's sentence stands in any predicted sentence, each token once."""
    left = [Counter(t for sentence in side for t in sentence) for side in (wanted, own)]
    hits = 0
    for sentence in wanted:
        places: set[int] = set().union(*(common_places(sentence, other) for other in own))
        for token in (sentence[i] for i in sorted(places)):
            if left[0][token] > 0 and left[1][token] > 0:
                hits += 1
                left[0][token] -= 1
                left[1][token] -= 1
    return _score(hits, sum(map(len, own)), sum(map(len, wanted)))


def _moment(rows: Rows, parameter: str) -> Floats:
    """Parameter: ``part,type,stemmer``; part 0 to 2."""
    part, kind, stemmer = parameter.split(",")
    key = f"rouge,{kind},{stemmer}"
    if key not in rows.memo:
        scores = np.zeros((len(rows), 3))
        for i, pair in enumerate(text_pairs(rows)):
            if pair is not None:
                found = [rouge_score(kind, reference, pair[0], stemmer == "True") for reference in pair[1]]
                scores[i] = max(found, key=lambda score: score[2])
        rows.memo[key] = scores
    taken: Floats = rows.memo[key][:, int(part)]
    return taken


def _rouge(name: str, place: int) -> Metric:
    parameter = f"{place},{{}},{{}}"
    return Metric(
        "Rouge", f"rouge_{name}", ("objects",), "the weights add up to 0",
        (f"rouge@{place},{{rouge_type}},{{use_stemmer}}", "weight"),
        lambda s, o: over(s("rouge@" + parameter.format(o["rouge_type"], o["use_stemmer"])), s("weight")),
        better=HIGHER, options={"rouge_type": "rouge1", "use_stemmer": False},
    )  # fmt: skip


_PARTS = tuple(_rouge(name, place) for place, name in enumerate(("precision", "recall", "fmeasure")))
ROUGE_MOMENTS: Mapping[str, Moment] = {"rouge": _moment}
ROUGE_METRICS = (
    Metric("Rouge", "rouge", ("objects",), "the weights add up to 0", better=HIGHER,
           options={"rouge_type": "rouge1", "use_stemmer": False}, parts=_PARTS),
)  # fmt: skip

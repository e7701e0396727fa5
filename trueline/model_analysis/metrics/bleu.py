"""BLEU of a corpus, as weighted sums of the rows' n-gram counts.

Source: Papineni and others 2002; choices and names of options are those of sacrebleu (Post 2018, "A call for clarity in
reporting BLEU scores"), the value is sacrebleu's divided by 100. Of several references an n-gram counts as often as in
the one that has most of it, and the reference of the closest length is the one whose length counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from trueline.model_analysis.metrics.record import HIGHER, Metric, Options, Sums
from trueline.model_analysis.metrics.texts import text_pairs
from trueline.model_analysis.metrics.tokens import TOKENIZERS
from trueline.model_analysis.moments import Moment
from trueline.model_analysis.rows import Floats, Rows

__all__ = ["BLEU_METRICS", "BLEU_MOMENTS", "SMOOTHING", "bleu_counts"]

ORDER = 4
"""The longest n-grams."""
SMOOTHING = ("exp", "floor", "add-k", "none")
_COUNTS = (
    *(f"match{n}" for n in range(1, ORDER + 1)),
    *(f"total{n}" for n in range(1, ORDER + 1)),
    "length",
    "reference",
)


def bleu_counts(tokens: Sequence[str], references: Sequence[Sequence[str]]) -> list[int]:
    """Matching and all n-grams of lengths 1 to 4, tokens of the text and of the closest reference: 10 numbers."""
    most: Counter[tuple[str, ...]] = Counter()
    for reference in references:
        most |= _ngrams(reference)
    own = _ngrams(tokens)
    match, total = [0] * ORDER, [0] * ORDER
    for ngram, count in own.items():
        match[len(ngram) - 1] += min(count, most[ngram])
        total[len(ngram) - 1] += count
    closest = min((abs(len(r) - len(tokens)), len(r)) for r in references)[1]
    return [*match, *total, len(tokens), closest]


def _ngrams(tokens: Sequence[str]) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[i : i + n]) for n in range(1, ORDER + 1) for i in range(len(tokens) - n + 1))


def _moment(rows: Rows, parameter: str) -> Floats:
    """Parameter: ``count,tokenizer,lowercase``."""
    count, tokenizer, lowercase = parameter.split(",")
    key = f"bleu,{tokenizer},{lowercase}"
    if key not in rows.memo:
        cut = TOKENIZERS[tokenizer]
        counts = np.zeros((len(rows), len(_COUNTS)))
        for i, pair in enumerate(text_pairs(rows)):
            if pair is not None:
                texts = [t.lower() if lowercase == "True" else t for t in (pair[0], *pair[1])]
                tokens, *references = (cut(t.rstrip()) for t in texts)
                counts[i] = bleu_counts(tokens, references)
        rows.memo[key] = counts
    found: Floats = rows.memo[key][:, _COUNTS.index(count)]
    return found


def _bleu(sums: Sums, options: Options) -> Floats:
    """Geometric mean of the precisions, times the penalty for texts that are shorter than their references."""
    get = {c: sums(f"bleu@{c},{options['tokenize']},{options['lowercase']}") for c in _COUNTS}
    match, total = (np.stack([get[f"{side}{n}"] for n in range(1, ORDER + 1)]) for side in ("match", "total"))
    matched = match.any(axis=0)
    logs, orders = _log_precisions(match, total, options)
    score = np.exp(logs.sum(axis=0) / orders)
    own, reference = get["length"], get["reference"]
    short = np.exp(np.minimum(0.0, 1.0 - reference / np.where(own > 0, own, 1.0)))
    value = np.where(matched & (own > 0), score * short, 0.0)
    return np.where(own + reference > 0, value, np.nan)


def _log_precisions(match: Floats, total: Floats, options: Options) -> tuple[Floats, Floats]:
    """Logarithms of the smoothed precisions ``[4, ...]``, and over how many orders they are averaged."""
    method, value = options["smooth_method"], options["smooth_value"]
    logs = np.full_like(match, -np.inf)
    halvings = np.zeros(match.shape[1:])
    for n in range(ORDER):
        hit, of = match[n], total[n]
        if method == "add-k" and n:
            hit, of = hit + (1.0 if value is None else value), of + (1.0 if value is None else value)
        none = hit <= 0
        if method == "exp":
            halvings = halvings + (none & (of > 0))
            hit = np.where(none, 0.5**halvings, hit)
        elif method == "floor":
            hit = np.where(none, 0.1 if value is None else value, hit)
        logs[n] = np.where((of > 0) & (hit > 0), np.log(np.maximum(hit, 1e-300) / np.where(of > 0, of, 1.0)), -np.inf)
    if not options["effective_order"]:
        return logs, np.full(match.shape[1:], float(ORDER))
    there = (total > 0) if method != "add-k" else np.isfinite(logs)
    return np.where(there, logs, 0.0), np.maximum(there.sum(axis=0), 1).astype(np.float64)


BLEU_MOMENTS: Mapping[str, Moment] = {"bleu": _moment}
BLEU_METRICS = (
    Metric("Bleu", "bleu", ("objects",), "neither texts nor references have any tokens",
           tuple(f"bleu@{c},{{tokenize}},{{lowercase}}" for c in _COUNTS), _bleu, better=HIGHER,
           options={"tokenize": "13a", "lowercase": False, "smooth_method": "exp", "smooth_value": None,
                    "effective_order": False}),
)  # fmt: skip

"""Metrics of queries: how well a query's documents are ordered, as weighted means over queries.

NDCG, MinLabelPosition and QueryStatistics have TFMA's names and rules; the others are the field's. A document is
relevant where its label is above 0. Of equal scores the later document stands first; NDCG can take the mean over all
orders of equal scores instead (``ties="average"``, as scikit-learn's ``ndcg_score`` does). Queries without a relevant
document do not count, but for PrecisionAtK and QueryStatistics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.keys import SubKey
from trueline.model_analysis.metrics.record import HIGHER, LOWER, Metric, Options, mean, over
from trueline.model_analysis.rows import Floats, Ints, Rows

if TYPE_CHECKING:
    from trueline.model_analysis.query_rows import Queries

__all__ = ["QUERY_MOMENTS", "RANKING_METRICS"]

QueryMoment: TypeAlias = "Callable[[Queries, str], Floats]"


def _ndcg(q: Queries, parameter: str) -> Floats:
    """Discounted gain over that of the best order; 0 for queries whose gains are all 0 or below."""
    ties, k, gain_key = parameter.split(",", 2)
    gains = q.column(gain_key)
    discount = _discount(q.rank, k)
    best = gains[np.lexsort((-gains, q.query))]
    ideal = q.sum(best * discount)
    own = q.sum((_mean_of_ties(q, gains) if ties == "average" else gains) * discount)
    return np.where(_gaining(q, gain_key) > 0, np.nan_to_num(over(own, ideal), nan=0.0), 0.0) + 0 * q.sum(gains)


def _discount(rank: Ints, k: str) -> Floats:
    within = rank <= int(k) if k else np.ones(len(rank), dtype=bool)
    return np.where(within, 1 / np.log2(rank + 1.0), 0.0)


def _mean_of_ties(q: Queries, gains: Floats) -> Floats:
    new = np.concatenate([[True], (np.diff(q.score) != 0) | (np.diff(q.query) != 0)])
    tie = np.cumsum(new) - 1
    means: Floats = (np.bincount(tie, gains) / np.bincount(tie))[tie]
    return means


def _gaining(q: Queries, gain_key: str) -> Floats:
    """1 for queries with a gain above 0."""
    return (q.sum(np.where(q.column(gain_key) > 0, 1.0, 0.0)) > 0).astype(np.float64)


def _relevant(q: Queries) -> Floats:
    return (q.label > 0).astype(np.float64)


def _has_relevant(q: Queries, _: str) -> Floats:
    return (q.sum(_relevant(q)) > 0).astype(np.float64)


def _first(q: Queries, label_key: str) -> Floats:
    """The rank of the first relevant document, 0 where there is none."""
    label = q.column(label_key)
    ranks = np.where(label > 0, q.rank, np.iinfo(np.int64).max)
    first = np.full(q.count, np.iinfo(np.int64).max)
    np.minimum.at(first, q.query, ranks)
    found = np.where(first < np.iinfo(np.int64).max, first, 0).astype(np.float64)
    return found + 0 * q.sum(label)


def _within(q: Queries, k: str) -> Floats:
    """Relevant documents among the first k of each query ``[Q]``."""
    return q.sum(_relevant(q) * (q.rank <= int(k)) if k else _relevant(q))


def _average_precision(q: Queries, k: str) -> Floats:
    """Mean over relevant documents of the precision down to each; with k those among the first k count alone."""
    relevant = _relevant(q)
    before = np.cumsum(relevant)
    starts = np.cumsum(q.size) - q.size
    padded = np.concatenate([[0.0], before])
    down_to = (before - padded[starts[q.query]]) / q.rank
    counted = relevant * (q.rank <= int(k)) if k else relevant
    wanted = q.sum(relevant)
    wanted = np.minimum(wanted, int(k)) if k else wanted
    return np.nan_to_num(over(q.sum(counted * down_to), wanted), nan=0.0)


def _reciprocal(q: Queries, k: str) -> Floats:
    first = _first(q, "")
    counted = (first > 0) & (first <= int(k) if k else True)
    return np.where(counted, 1 / np.maximum(first, 1.0), 0.0)


QUERY_MOMENTS: Mapping[str, QueryMoment] = {
    "queries": lambda q, _: np.ones(q.count),
    "documents": lambda q, _: q.size.astype(np.float64),
    "ndcg": _ndcg,
    "gaining": _gaining,
    "first": _first,
    "has_first": lambda q, key: (_first(q, key) > 0) + 0 * _first(q, key),
    "has_relevant": _has_relevant,
    "average_precision": _average_precision,
    "reciprocal_rank": _reciprocal,
    "precision_at": lambda q, k: _within(q, k) / int(k),
    "recall_at": lambda q, k: np.nan_to_num(over(_within(q, k), q.sum(_relevant(q))), nan=0.0),
    "hit": lambda q, k: (_within(q, k) > 0).astype(np.float64),
}
"""What one query gives, without its weight: ``[Q]``; the parameter is the text behind the ``@``."""


class _Extreme:
    """The least or greatest number of documents of a query, times the query's weight as in TFMA."""

    def __init__(self, better: Callable[[float, float], float], start: float) -> None:
        self._better, self._value = better, start

    def update(self, rows: Rows) -> None:
        for value in (rows.prediction * rows.weight).tolist():
            self._value = self._better(self._value, value)

    def merge(self, other: _Extreme) -> None:
        self._value = self._better(self._value, other._value)

    def state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        return {}, {"value": np.array([self._value])}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._value = float(arrays["value"][0])

    def finish(self) -> float:
        return self._value if np.isfinite(self._value) else float("nan")


def _each_k(options: Options) -> Iterable[tuple[SubKey, Options]]:
    """A key for each k of the option ``top_k_list``, or one over all documents."""
    given = options.get("top_k_list")
    if not given:
        return [(SubKey(), {**options, "top_k": ""})]
    return [(SubKey(top_k=int(k)), {**options, "top_k": int(k)}) for k in given]


def _query(cls: str, name: str, moments: tuple[str, str], why: str, options: Options, better: str = HIGHER) -> Metric:
    def finish(sums: Any, given: Options) -> Floats:
        names = [m.format(**given) for m in moments]
        return mean(names[0], names[1])(sums, given)

    expand = _each_k if "top_k_list" in options else None
    return Metric(cls, name, _TASKS, why, moments, finish, better=better, options=options, query=True, expand=expand,
                  columns=tuple(o for o in ("gain_key", "label_key") if o in options))  # fmt: skip


_TASKS = ("binary", "regression", "ranking")
_NONE = "no query has a relevant document, or a label or score of one cannot be used"
_K: Options = {"top_k_list": None}
_COUNTS = frozenset[str]()
RANKING_METRICS = (
    _query("NDCG", "ndcg", ("ndcg@{ties},{top_k},{gain_key}", "gaining@{gain_key}"),
           "no query has a gain above 0, or a gain or score of one cannot be used",
           {"gain_key": "", "top_k_list": None, "ties": "last"}),
    _query("MinLabelPosition", "min_label_position", ("first@{label_key}", "has_first@{label_key}"), _NONE,
           {"label_key": ""}, LOWER),
    _query("MeanAveragePrecision", "mean_average_precision", ("average_precision@{top_k}", "has_relevant"), _NONE, _K),
    _query("MeanReciprocalRank", "mean_reciprocal_rank", ("reciprocal_rank@{top_k}", "has_relevant"), _NONE, _K),
    _query("PrecisionAtK", "precision_at_k", ("precision_at@{top_k}", "queries"),
           "there is no query, or a label or score of one cannot be used", {"top_k_list": [10]}),
    _query("RecallAtK", "recall_at_k", ("recall_at@{top_k}", "has_relevant"), _NONE, {"top_k_list": [10]}),
    _query("HitRate", "hit_rate", ("hit@{top_k}", "has_relevant"), _NONE, {"top_k_list": [10]}),
    Metric("QueryStatistics", "query_statistics", _TASKS, "there is no query", query=True, parts=(
        Metric("QueryStatistics", "total_queries", _TASKS, "a label or score cannot be used", ("queries",),
               lambda s, o: s("queries"), query=True, reads=_COUNTS),
        Metric("QueryStatistics", "total_documents", _TASKS, "a label or score cannot be used", ("documents",),
               lambda s, o: s("documents"), query=True, reads=_COUNTS),
        Metric("QueryStatistics", "min_documents", _TASKS, "there is no query", query=True, reads=_COUNTS,
               own=lambda o: _Extreme(min, float("inf"))),
        Metric("QueryStatistics", "max_documents", _TASKS, "there is no query", query=True, reads=_COUNTS,
               own=lambda o: _Extreme(max, float("-inf"))),
    )),
)  # fmt: skip

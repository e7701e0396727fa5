"""Explanation by examples: the rows of the data that lie nearest to a row, what they are and what the model says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

from trueline._core.errors import ConfigError, DataError, did_you_mean
from trueline._core.rowid import ROW_COLUMN
from trueline.model_analysis.explain.distance import Gower
from trueline.model_analysis.explain.explanation import Explanation, plain
from trueline.model_analysis.explain.model_inputs import ModelInputs
from trueline.model_analysis.explain.outcome import label_columns, predicted, true_labels
from trueline.model_analysis.explain.rows import check_columns, check_features, opened_rows, row_numbers, sample_rows
from trueline.model_analysis.explain.target import Floats, Target, model_facts, target_of

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.display.html import Html

__all__ = ["Neighbour", "Neighbours", "nearest_examples"]

SPACES = ("raw", "transformed")
_REFERENCE = 10_000


@dataclass(frozen=True)
class Neighbour:
    """A row, as it lies to the row that is asked about.

    Attributes:
        row: its ``__row__``, None where the data have none.
        distance: 0 for the row that is asked about.
        label: what is true of it; None where that is not known.
        prediction: what the model says: a class, or a number.
        probability: of that class.
        values: the raw features, as JSON values.
    """

    row: int | None
    distance: float
    label: Any
    prediction: Any
    probability: float | None
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Neighbours(Explanation):
    """What `nearest_examples` found.

    Attributes:
        queries: the rows that were asked about.
        found: the nearest rows of each, the nearest first.
    """

    KIND: ClassVar[str] = "nearest_examples"
    TITLE: ClassVar[str] = "Nearest examples"
    queries: tuple[Neighbour, ...]
    found: tuple[tuple[Neighbour, ...], ...]

    def agreement(self, query: int = 0) -> float | None:
        """The share of a row's neighbours whose label is the class that the model says of the row; None for numbers."""
        if self.queries[query].probability is None:
            return None
        labels = [n.label for n in self.found[query] if n.label is not None]
        return sum(v == self.queries[query].prediction for v in labels) / len(labels) if labels else None

    def content(self) -> dict[str, Any]:
        """JSON values."""
        found = [[dict(vars(n)) for n in near] for near in self.found]
        return {"queries": [dict(vars(q)) for q in self.queries], "found": found}

    @classmethod
    def of_content(cls, model: Mapping[str, Any], options: Mapping[str, Any], content: Mapping[str, Any]) -> Self:
        """What `content` described."""
        found = tuple(tuple(Neighbour(**n) for n in near) for near in content["found"])
        return cls(model, options, tuple(Neighbour(**q) for q in content["queries"]), found)

    def to_table(self) -> pa.Table:
        """``query, rank, __row__, distance, label, prediction, probability``; labels and predictions as JSON texts."""
        import json

        import pyarrow as pa

        records = [(q, i, n) for q, near in enumerate(self.found) for i, n in enumerate(near)]

        def texts(name: str) -> pa.Array:
            return pa.array([json.dumps(getattr(n, name), ensure_ascii=False) for _, _, n in records], pa.string())

        return pa.table(
            {
                "query": pa.array([q for q, _, _ in records], pa.int64()),
                "rank": pa.array([i + 1 for _, i, _ in records], pa.int64()),
                "__row__": pa.array([n.row for _, _, n in records], pa.int64()),
                "distance": pa.array([n.distance for _, _, n in records], pa.float64()),
                "label": texts("label"),
                "prediction": texts("prediction"),
                "probability": pa.array([n.probability for _, _, n in records], pa.float64()),
            }
        )

    def body(self) -> Html:
        """A table for each row, its own values on top."""
        from trueline.model_analysis.explain.html_local import neighbours_body

        return neighbours_body(self)


def nearest_examples(
    model: Any,
    rows: Any,
    data: Any,
    k: int = 5,
    *,
    space: str = "raw",
    features: Sequence[str] | None = None,
    weights: Mapping[str, float] | None = None,
    skip: Sequence[int] = (),
    max_rows: int = 20,
    seed: int = 0,
) -> Neighbours:
    """The rows of the data that lie nearest to given rows.

    The data are passed once for the spread of numbers (a sample) and once for the distances; memory does not grow with
    them. A row is no neighbour of itself: rows of the same ``__row__`` are left out where both have one of their own.
    Data without ``__row__`` are counted from 0.

    Args:
        model: a Model, or a model's folder.
        rows: the rows to explain, at most `max_rows` of them.
        data: where neighbours are looked for, in any form.
        k: how many for each row.
        space: ``raw`` (Gower's distance on raw features, see `distance.Gower`), or ``transformed``: the Euclidean
            distance of what the model itself reads, each column over its standard deviation.
        features: only these raw features count.
        weights: feature -> weight of its distance, such as its importance.
        skip: numbers of rows of the data that are no neighbours.
        max_rows: rows to explain at most.
        seed: of the sample.

    Raises:
        ConfigError: a space, number or weight that does not fit.
        DataError: no rows, or columns that are not there.
    """
    target = target_of(model)
    if space not in SPACES:
        raise ConfigError(f"there is no space {space!r}", hint=did_you_mean(str(space), SPACES))
    if k < 1:
        raise ConfigError(f"k is {k}", hint="give at least 1.")
    if space == "transformed" and (features is not None or weights is not None):
        raise ConfigError("the transformed space has no raw features to choose or to weigh", hint="use space='raw'.")
    check_features(target, [*(features or ()), *(weights or {})])
    asked = sample_rows(rows, target, max_rows, seed, (), "the data to explain", own_numbers=True)
    reference = sample_rows(data, target, _REFERENCE, seed)
    metric: _Metric
    if space == "raw":
        chosen = [f for f in target.features if features is None or f.name in features]
        metric = Gower(chosen, reference, weights)
    else:
        metric = ModelInputs(target.runtime, reference)
    found = _search(target, metric, asked, data, k, skip)
    own = zip(row_numbers(asked), _outcomes(target, asked), _values(target, asked), strict=True)
    queries = tuple(Neighbour(row, 0.0, None, p[0], p[1], values) for row, p, values in own)
    options = {
        "k": k, "space": space, "features": None if features is None else list(features),
        "weights": None if weights is None else dict(weights), "seed": seed,
    }  # fmt: skip
    return Neighbours(model_facts(target), options, queries, found)


class _Metric(Protocol):
    """A distance between rows: Gower's, or that of what the model reads."""

    def encode(self, table: pa.Table) -> Any:
        """Rows, ready to be compared."""
        ...

    def between(self, one: Any, other: Any) -> Floats:
        """Distances ``[Q, M]``."""
        ...


def _outcomes(target: Target, table: pa.Table) -> list[tuple[Any, float | None]]:
    return predicted(target.runtime, target.runtime.predict_arrow(table))


def _values(target: Target, table: pa.Table) -> list[dict[str, Any]]:
    names = list(target.feature_names)
    return [{n: plain(row[n]) for n in names} for row in table.select(names).to_pylist()]


def _search(
    target: Target, metric: _Metric, asked: pa.Table, data: Any, k: int, skip: Sequence[int]
) -> tuple[tuple[Neighbour, ...], ...]:
    """The nearest rows, of equally near ones the first in the order of the data."""
    import pyarrow as pa

    from trueline.transform.datasets import has_own_rows

    queries, own = (
        metric.encode(_named(target, asked)),
        np.array([-1 if r is None else r for r in row_numbers(asked)], np.int64),
    )
    best: list[list[Neighbour]] = [[] for _ in range(asked.num_rows)]
    seen = 0
    with opened_rows(data, target.features) as dataset:
        check_columns(dataset, target.feature_names)
        same = ROW_COLUMN in asked.column_names and has_own_rows(dataset)
        wanted = {*target.feature_names, *label_columns(target.runtime), ROW_COLUMN}
        for batch in dataset.batches([c for c in dataset.columns if c in wanted]):
            if not batch.num_rows:
                continue
            numbers = row_numbers(batch)
            if ROW_COLUMN not in batch.schema.names:
                numbers = list(range(seen, seen + batch.num_rows))
            seen += batch.num_rows
            apart: Floats = metric.between(queries, metric.encode(_named(target, batch)))
            ids = np.array([-2 if r is None else r for r in numbers], np.int64)
            if same:
                apart = np.where(own[:, None] == ids[None, :], np.inf, apart)
            apart[:, np.isin(ids, list(skip))] = np.inf
            order = np.argsort(apart, axis=1, kind="stable")[:, :k]
            places = np.unique(order)
            taken = batch.take(pa.array(places))
            table = pa.Table.from_batches([taken])
            facts = list(
                zip(_outcomes(target, table), true_labels(target.runtime, taken), _values(target, table), strict=True)
            )
            at = {int(p): i for i, p in enumerate(places)}
            for q, near in enumerate(order.tolist()):
                for p in near:
                    if np.isfinite(apart[q, p]):
                        (said, probability), label, values = facts[at[p]]
                        best[q].append(Neighbour(numbers[p], float(apart[q, p]), label, said, probability, values))
                best[q] = sorted(best[q], key=lambda n: n.distance)[:k]
    if not seen:
        raise DataError("the data have no rows")
    return tuple(tuple(b) for b in best)


def _named(target: Target, table: Any) -> pa.Table:
    """The raw features in the signature's types."""
    from trueline.models.model_data import as_table

    return as_table(table, target.features)

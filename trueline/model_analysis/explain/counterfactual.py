"""Counterfactuals: the nearest rows that could exist and of which the model says something else.

After Wachter, Mittelstadt and Russell 2017, with few changes before small ones. A changed row keeps to the schema, to
the ranges of the caller and to the features that must not change; what is returned was asked of the model once more, as
a whole row, and validated by the schema's own rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from trueline._core.errors import ConfigError, DataError
from trueline.model_analysis.explain.counterfactual_search import Goal, Search
from trueline.model_analysis.explain.distance import Gower
from trueline.model_analysis.explain.domains import Limits, domains_of
from trueline.model_analysis.explain.explanation import Explanation, plain
from trueline.model_analysis.explain.outcome import predicted
from trueline.model_analysis.explain.rows import check_features, row_numbers, sample_rows
from trueline.model_analysis.explain.target import Target, model_facts, target_of

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2

    from trueline.display.html import Html

__all__ = ["Counterfactual", "Counterfactuals", "counterfactuals"]


@dataclass(frozen=True)
class Counterfactual:
    """A changed row.

    Attributes:
        changes: feature -> (value before, value after), JSON values, None for missing.
        distance: Gower's distance from the row, 0 to 1.
        prediction: what the model says of it: a class or a number.
        probability: of that class.
    """

    changes: Mapping[str, tuple[Any, Any]]
    distance: float
    prediction: Any
    probability: float | None


@dataclass(frozen=True, eq=False)
class Counterfactuals(Explanation):
    """What `counterfactuals` found; `sentence` says it, also where nothing was found.

    Attributes:
        row: the ``__row__`` of the row.
        values: its raw values.
        prediction: what the model says of it.
        probability: of that class.
        wanted: what was looked for.
        found: changed rows: few changes first, then the nearest.
        asked: how many rows the search asked the model for.
        refused: changed rows that reached the goal and broke the schema.
    """

    KIND: ClassVar[str] = "counterfactuals"
    TITLE: ClassVar[str] = "Counterfactuals"
    row: int | None
    values: Mapping[str, Any]
    prediction: Any
    probability: float | None
    wanted: str
    found: tuple[Counterfactual, ...]
    asked: int
    refused: int

    def __bool__(self) -> bool:
        return bool(self.found)

    @property
    def sentence(self) -> str:
        """What was found, or that nothing was."""
        if not self.found:
            more = f"; {self.refused} changed rows reached it and broke the schema" if self.refused else ""
            return (
                f"No row with at most {self.options['max_changes']} changes within the bounds has {self.wanted}: "
                f"{self.asked:,} changed rows were asked{more}. This is no proof that there is none."
            )
        best = self.found[0]
        steps = ", ".join(f"{n} {_said(a)} to {_said(b)}" for n, (a, b) in best.changes.items())
        return f"{_said(self.prediction)} becomes {_said(best.prediction)} with {steps}."

    def content(self) -> dict[str, Any]:
        """JSON values."""
        found = [{**vars(f), "changes": {n: list(c) for n, c in f.changes.items()}} for f in self.found]
        names = ("row", "values", "prediction", "probability", "wanted", "asked", "refused")
        return {**{n: getattr(self, n) for n in names}, "found": found}

    @classmethod
    def of_content(cls, model: Mapping[str, Any], options: Mapping[str, Any], content: Mapping[str, Any]) -> Self:
        """What `content` described."""
        found = tuple(
            Counterfactual(**{**f, "changes": {n: (a, b) for n, (a, b) in f["changes"].items()}})
            for f in content["found"]
        )
        rest = {n: content[n] for n in ("row", "values", "prediction", "probability", "wanted", "asked", "refused")}
        return cls(model, options, found=found, **rest)

    def to_table(self) -> pa.Table:
        """``rank, distance, prediction, probability, feature, before, after`` of each change; values as JSON texts."""
        import json

        import pyarrow as pa

        def text(value: Any) -> str:
            return json.dumps(value, ensure_ascii=False)

        records = [
            (i + 1, f.distance, text(f.prediction), f.probability, name, text(before), text(after))
            for i, f in enumerate(self.found)
            for name, (before, after) in f.changes.items()
        ]
        names = ["rank", "distance", "prediction", "probability", "feature", "before", "after"]
        types = [pa.int64(), pa.float64(), pa.string(), pa.float64(), pa.string(), pa.string(), pa.string()]
        return pa.table({n: pa.array([r[i] for r in records], types[i]) for i, n in enumerate(names)})

    def body(self) -> Html:
        """The sentence, and a table of changes."""
        from trueline.model_analysis.explain.html_local import counterfactuals_body

        return counterfactuals_body(self)


def _said(value: Any) -> str:
    return "missing" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def counterfactuals(
    model: Any,
    row: Any,
    data: Any = None,
    *,
    schema: schema_pb2.Schema | None = None,
    target: Any = None,
    count: int = 3,
    max_changes: int = 3,
    immutable: Sequence[str] = (),
    ranges: Mapping[str, tuple[float | None, float | None]] | None = None,
    directions: Mapping[str, str] | None = None,
    weights: Mapping[str, float] | None = None,
    grid: int = 16,
    max_rows: int = 5000,
    seed: int = 0,
) -> Counterfactuals:
    """The nearest rows of which the model says something else.

    Args:
        model: a Model, or a model's folder.
        row: one raw row, in any form.
        data: rows that say which values there are and how far they spread; of more than `max_rows` that many. Without
            data, rows that the schema accepts are made.
        schema: what a row must keep to: domains, ranges, presence.
        target: the class that is wanted (by default any other than the row's), or for a number ``(low, high)`` with
            None for no end.
        count: how many rows at most, each with other features changed.
        max_changes: features that may change.
        immutable: features that must not.
        ranges: feature -> (least, greatest), narrower than the schema's.
        directions: feature -> ``increase`` or ``decrease``.
        weights: feature -> weight of its distance; a change of a heavy one is dear.
        grid: how many values of a number are tried at first.
        max_rows: rows of the data at most.
        seed: of the sample.

    Returns:
        An object that is false where nothing was found; its `sentence` says so.

    Raises:
        ConfigError: a target, limit or number that does not fit; neither data nor schema.
        DataError: no row or several, or columns that are not there.
    """
    what = target_of(model)
    if count < 1 or max_changes < 1 or grid < 2:
        raise ConfigError(f"count={count}, max_changes={max_changes}, grid={grid}: at least 1, 1 and 2")
    check_features(what, [*immutable, *(ranges or {}), *(directions or {}), *(weights or {})])
    own = sample_rows(row, what, None, seed, (), "the row to explain")
    if own.num_rows != 1:
        raise DataError(f"{own.num_rows} rows where one is to be explained", hint="give one row.")
    others = _others(what, data, schema, max_rows, seed)
    table = _typed(own, what)
    values = table.to_pylist()[0]
    ((said, probability),) = predicted(what.runtime, what.runtime.predict_arrow(table))
    goal, wanted = _goal(what, said, target)
    limits = Limits(tuple(immutable), ranges, directions)
    domains = domains_of(what, values, others, schema, limits, grid)
    search = Search(what, values, domains, Gower(what.features, others, weights), goal)
    hits, asked = search.find(count, max_changes)
    broken = _broken(schema, table)
    found: list[Counterfactual] = []
    refused = 0
    for hit in hits:
        made = _made(what, hit.values)
        outputs = what.runtime.predict_arrow(made)
        if len(found) == count or not bool(goal(outputs)[0][0]):
            continue
        if not _broken(schema, made) <= broken:
            refused += 1
            continue
        ((prediction, p),) = predicted(what.runtime, outputs)
        names = [what.feature_names[f] for f in hit.changed]
        changes = {n: (plain(values[n]), plain(hit.values[n])) for n in names}
        found.append(Counterfactual(changes, hit.distance, prediction, p))
    options = {
        "target": plain(target), "count": count, "max_changes": max_changes, "immutable": list(immutable),
        "ranges": {k: list(v) for k, v in (ranges or {}).items()}, "directions": dict(directions or {}),
        "weights": dict(weights or {}), "schema": schema is not None, "grid": grid, "seed": seed,
    }  # fmt: skip
    shown = {n: plain(v) for n, v in values.items()}
    return Counterfactuals(
        model_facts(what), options, row_numbers(own)[0], shown, said, probability, wanted, tuple(found), asked, refused
    )


def _typed(table: pa.Table, target: Target) -> pa.Table:
    from trueline.models.model_data import as_table

    return as_table(table, target.features)


def _made(target: Target, values: Mapping[str, Any]) -> pa.Table:
    import pyarrow as pa

    from trueline._core.values import arrow_type_of

    return pa.table({f.name: pa.array([values[f.name]], arrow_type_of(f)) for f in target.features})


def _others(target: Target, data: Any, schema: schema_pb2.Schema | None, rows: int, seed: int) -> pa.Table:
    if data is None:
        if schema is None:
            raise ConfigError("neither data nor a schema says which values there are", hint="give data=, or schema=.")
        from trueline.data_validation import generate_examples

        data = generate_examples(schema, min(rows, 500), seed)
    return _typed(sample_rows(data, target, rows, seed), target)


def _goal(target: Target, said: Any, wanted: Any) -> tuple[Goal, str]:
    """When a row is what is looked for, and that in words."""
    classes = target.runtime.classes
    if classes is None:
        return _between(target, said, wanted)
    place = None
    if wanted is not None:
        if wanted not in classes:
            raise ConfigError(f"{wanted!r} is no class of the model", hint=f"the classes are {classes!r}.")
        if wanted == said:
            raise ConfigError(f"the model says {wanted!r} of the row already", hint="ask for another class.")
        place = classes.index(wanted)
    here = classes.index(said) if said in classes else 0

    def goal(outputs: dict[str, Any]) -> tuple[Any, Any]:
        label, p = outputs["label"].reshape(-1), outputs["probabilities"].astype(np.float64)
        if place is None:
            return np.asarray(label != said, bool), -p[:, here]
        return np.asarray(label == wanted, bool), p[:, place]

    return goal, f"the class {wanted!r}" if place is not None else f"another class than {said!r}"


def _between(target: Target, said: float, wanted: Any) -> tuple[Goal, str]:
    ends = wanted if isinstance(wanted, list | tuple) and len(wanted) == 2 else None
    if ends is None or all(e is None for e in ends):
        raise ConfigError(
            f"the model gives numbers: target {wanted!r} is no interval",
            hint="say target=(low, high), None for no end.",
        )
    low, high = (-np.inf if ends[0] is None else float(ends[0])), (np.inf if ends[1] is None else float(ends[1]))
    if not low <= high:
        raise ConfigError(f"the target begins at {low:g} and ends at {high:g}")
    if low <= said <= high:
        raise ConfigError(f"the prediction {said:g} is within {low:g} to {high:g} already", hint="ask for another one.")
    name = "prediction" if target.runtime.info["task"] == "regression" else "score"

    def goal(outputs: dict[str, Any]) -> tuple[Any, Any]:
        y = outputs[name].astype(np.float64).reshape(-1)
        return (y >= low) & (y <= high), -np.maximum(np.maximum(low - y, y - high), 0.0)

    return goal, f"a {name} from {low:g} to {high:g}".replace("from -inf to", "up to").replace(" to inf", " on")


def _broken(schema: schema_pb2.Schema | None, table: pa.Table) -> set[tuple[str, int]]:
    """(feature, type) of every reason for which the schema refuses a row, of columns that the model reads."""
    if schema is None:
        return set()
    from trueline.data_validation import StatsOptions, validate_instance

    found = validate_instance(table, StatsOptions(schema=schema))
    return {
        (name, reason.type)
        for name, info in found.anomaly_info.items()
        if name in table.column_names
        for reason in info.reason
    }

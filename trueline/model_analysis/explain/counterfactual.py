"""Counterfactuals: the nearest rows that could exist and of which the model says something else.

After Wachter, Mittelstadt and Russell 2017, with few changes before small ones. A changed row keeps to the schema, to
the ranges of the caller and to the features that must not change; what is returned was asked of the model once more, as
a whole row, and validated by the schema's own rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError, DataError
from trueline.model_analysis.explain.counterfactual_result import Counterfactual, Counterfactuals
from trueline.model_analysis.explain.counterfactual_search import Goal, Hit, Search
from trueline.model_analysis.explain.distance import Gower
from trueline.model_analysis.explain.domains import Limits, domains_of
from trueline.model_analysis.explain.explanation import plain
from trueline.model_analysis.explain.outcome import predicted
from trueline.model_analysis.explain.rows import check_features, row_numbers, sample_rows
from trueline.model_analysis.explain.target import Target, model_facts, target_of

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2

__all__ = ["counterfactuals"]


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
    found, refused = _checked(what, hits, goal, values, schema, _broken(schema, table), count)
    options = {
        "target": plain(target), "count": count, "max_changes": max_changes, "immutable": list(immutable),
        "ranges": {k: list(v) for k, v in (ranges or {}).items()}, "directions": dict(directions or {}),
        "weights": dict(weights or {}), "schema": schema is not None, "grid": grid, "seed": seed,
    }  # fmt: skip
    shown = {n: plain(v) for n, v in values.items()}
    return Counterfactuals(
        model_facts(what), options, row_numbers(own)[0], shown, said, probability, wanted, tuple(found), asked, refused
    )


def _checked(
    what: Target,
    hits: Sequence[Hit],
    goal: Goal,
    values: Mapping[str, Any],
    schema: schema_pb2.Schema | None,
    broken: set[tuple[str, int]],
    count: int,
) -> tuple[list[Counterfactual], int]:
    """At most `count` of the rows found, asked of the model once more; and how many the schema refused."""
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
    return found, refused


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

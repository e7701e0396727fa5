"""`what_if`: picks rows of data, predicts them, and puts all that the page shows into one JSON document.

The document (format 1): ``title``; ``task``; ``label``; ``classes`` (texts, null for numbers); ``models`` (``name
fingerprint features threshold by``); ``fields`` (see `fields`); ``facets`` (names); ``rows``, each with ``place`` (in
the data, from 0), ``row`` (``__row__``), ``why``, ``values`` (in the order of ``fields``), ``label`` (a class's place
or a number), ``facets`` (texts), ``scores`` and ``labels`` (one entry a model); ``total`` (rows of the data); ``seed``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline._core.rowid import ROW_COLUMN
from trueline.model_analysis.explain.explanation import plain
from trueline.model_analysis.explain.rows import row_numbers
from trueline.model_analysis.explain.target import Target, model_facts, target_of
from trueline.model_analysis.whatif.decisions import decision_of
from trueline.model_analysis.whatif.fields import fields_of, joined_features
from trueline.model_analysis.whatif.record import WhatIf, answer_of
from trueline.model_analysis.whatif.sample import Picked, Wanted, pick_rows
from trueline.model_analysis.whatif.values import encode

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2

    from trueline._core.values import RawFeature
    from trueline.model_analysis.config import SlicingSpec

__all__ = ["what_if"]

_MOST_ROWS = 5000


def what_if(
    model: Any,
    data: Any,
    *,
    compare: Any = None,
    schema: schema_pb2.Schema | str | None = None,
    rows: int = 200,
    worst: int = 20,
    near: int = 20,
    slices: Sequence[SlicingSpec] = (),
    slice_rows: int = 10,
    features: Sequence[str] | None = None,
    facets: Sequence[str] | None = None,
    grid: int = 25,
    seed: int = 0,
) -> WhatIf:
    """A page on which rows are picked and edited, and the prediction moves.

    One pass over the data; their size does not matter to memory.

    Args:
        model: a Model, or a model's folder.
        data: raw rows in any form; with the label's columns, errors are shown too.
        compare: a second model of the same task and classes, shown beside the first.
        schema: domains and presence for the editor: the message, or a file's name.
        rows: of a sample by the hash of ``__row__`` (of the row's values, where there is none).
        worst: rows with the greatest errors of all the data, besides.
        near: rows of all the data on which the model is the least decided, besides.
        slices: whose rows are shown too, `slice_rows` of each.
        slice_rows: see `slices`.
        features: the raw features to edit; by default all. The others keep the row's values.
        facets: columns by whose values the sample's errors are counted.
        grid: values of each feature's curve at most.
        seed: of the sample.

    Raises:
        ConfigError: numbers, names or models that do not fit; all problems of the options at once.
        DataError: no rows, or columns that are not there.
        ModelError: an embedding.
    """
    counts = {"rows": rows, "worst": worst, "near": near, "slice_rows": slice_rows, "grid": grid}
    targets = _targets(model, compare)
    raw = joined_features(list(targets.values()))
    _check(counts, raw, features)
    first = next(iter(targets.values()))
    facet_names = tuple(dict.fromkeys(facets or ()))
    wanted = Wanted(rows, worst, near, tuple(slices), slice_rows, facet_names, seed)
    picked = pick_rows(data, list(targets.values()), wanted, decision_of(first.runtime)["threshold"])
    fields = fields_of(raw, _typed(picked.reference, raw), _schema(schema), features, grid)
    document = {
        "format": 1,
        "title": f"What if: {model_facts(first)['name'] or 'model'}",
        "task": first.runtime.info["task"],
        "label": first.runtime.info.get("label"),
        "classes": None if first.runtime.classes is None else [_class_text(c) for c in first.runtime.classes],
        "models": [_model(name, t) for name, t in targets.items()],
        "fields": fields,
        "facets": list(facet_names),
        "rows": _rows(picked, list(targets.values()), raw, facet_names),
        "total": picked.total,
        "seed": seed,
    }
    return WhatIf({name: t.runtime for name, t in targets.items()}, raw, document)


def _targets(model: Any, compare: Any) -> dict[str, Target]:
    """The models by names that differ.

    Raises:
        ConfigError: models of other tasks or classes.
    """
    first = target_of(model)
    name = str(first.runtime.info.get("name") or "model")
    if compare is None:
        return {name: first}
    second = target_of(compare)
    other = str(second.runtime.info.get("name") or "model")
    problems = [
        f"{what}: {a!r} and {b!r}"
        for what, a, b in (
            ("task", first.runtime.info["task"], second.runtime.info["task"]),
            ("classes", first.runtime.classes, second.runtime.classes),
        )
        if a != b
    ]
    if problems:
        raise ConfigError("models that are compared predict the same", problems=problems)
    return {name: first, other if other != name else f"{other} (second)": second}


def _check(counts: Mapping[str, int], raw: Sequence[RawFeature], features: Sequence[str] | None) -> None:
    least = {"rows": 1, "grid": 2, "slice_rows": 1}
    problems = [
        f"{name}={value!r}: a whole number from {least.get(name, 0)} to {_MOST_ROWS:,}"
        for name, value in counts.items()
        if type(value) is not int or not least.get(name, 0) <= value <= _MOST_ROWS
    ]
    known = [f.name for f in raw]
    problems += [f"no feature {n!r}. {did_you_mean(str(n), known)}" for n in features or () if n not in known]
    if features is not None and not features:
        problems.append("features is empty, so nothing could be edited; leave it out for all")
    if problems:
        raise ConfigError("the options of the page do not fit", problems=problems)


def _schema(schema: schema_pb2.Schema | str | None) -> schema_pb2.Schema | None:
    if not isinstance(schema, str):
        return schema
    from trueline.schema import load_schema_text

    return load_schema_text(schema)


def _typed(table: pa.Table, raw: Sequence[RawFeature]) -> pa.Table:
    from trueline.models.model_data import as_table

    return as_table(table, raw)


def _class_text(value: Any) -> str:
    """A class as the page's scripts write it: a text as it stands, others as JSON."""
    return value if isinstance(value, str) else json.dumps(plain(value))


def _model(name: str, target: Target) -> dict[str, Any]:
    facts = {"name": name, "fingerprint": model_facts(target)["fingerprint"]}
    return facts | {"features": list(target.feature_names)} | decision_of(target.runtime)


def _rows(
    picked: Picked, targets: Sequence[Target], raw: Sequence[RawFeature], facets: Sequence[str]
) -> list[dict[str, Any]]:
    table = _typed(picked.table, raw)
    columns = [encode(table.column(f.name).to_pylist()) for f in raw]
    groups = [[_facet(v) for v in picked.table.column(n).to_pylist()] for n in facets]
    said = [answer_of(t.runtime, t.runtime.predict_arrow(picked.table)) for t in targets]
    whole = targets[0].runtime.classes is not None
    labels = [None if math.isnan(v) else int(v) if whole else v for v in picked.labels.tolist()]
    own = row_numbers(picked.table) if ROW_COLUMN in picked.table.column_names else [None] * len(labels)
    return [
        {
            "place": picked.places[i],
            "row": None if own[i] is None else str(own[i]),
            "why": list(picked.why[i]),
            "values": [c[i] for c in columns],
            "label": encode(labels[i]),
            "facets": [g[i] for g in groups],
            "scores": [s["scores"][i] for s in said],
            "labels": [None if s["labels"] is None else s["labels"][i] for s in said],
        }
        for i in range(len(labels))
    ]


def _facet(value: Any) -> str:
    """A facet's value for people."""
    return "missing" if value is None else value if isinstance(value, str) else json.dumps(plain(value))

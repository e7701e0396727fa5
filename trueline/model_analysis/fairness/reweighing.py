"""Reweighing: weights that make label and group independent in the training rows.

F. Kamiran and T. Calders, "Data preprocessing techniques for classification without discrimination" (2012): a row of
group g with label y weighs W(g) W(y) / (W W(g, y)), with W the sums of weights. No row's label or features change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError, DataError, did_you_mean
from trueline.engine.base import AccumulatorSpec, Engine
from trueline.model_analysis.config_json import decode, freeze
from trueline.model_analysis.datasets import as_dataset
from trueline.model_analysis.fairness.cells import Cell, cell_codes, group_column_problem
from trueline.model_analysis.fairness.groups import group_name, key_text_of
from trueline.model_analysis.fairness.pair_sums import PAIR_SUMS, whole_labels
from trueline.model_analysis.fairness.sums import cell_text

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Reweighing", "reweighing_weights"]

_SEPARATOR = "\x1f"


@dataclass(frozen=True)
class Reweighing:
    """The weights.

    Attributes:
        groups: the sensitive columns.
        label: the label's column.
        cells: each combination of group values and label that has rows; None is a missing group value.
        weights: one a combination.
        rows: how many rows each has.
        notes: combinations that no row has, and which therefore no weight can balance.
    """

    groups: tuple[str, ...]
    label: str
    cells: tuple[Cell, ...]
    weights: tuple[float, ...]
    rows: tuple[int, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON values, for ``Transform(custom_config={"weights": weights.to_dict()})``; `from_dict` is the inverse."""
        made = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self).items()}
        return made | {"cells": [list(cell) for cell in self.cells]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Reweighing:
        """The weights that `to_dict` described.

        Raises:
            ConfigError: another structure.
        """
        plain = decode(_Plain, {k: v for k, v in data.items() if k != "cells"})
        cells = data.get("cells")
        width = len(plain.groups) + 1
        sound = isinstance(cells, Sequence) and all(isinstance(c, Sequence) and len(c) == width for c in cells)
        if not sound or not len(cells or ()) == len(plain.weights) == len(plain.rows):
            raise ConfigError("the weights of groups do not hold together: cells, weights and rows differ in number")
        return cls(cells=tuple(tuple(cell) for cell in cells or ()), **vars(plain))

    def to_table(self) -> pa.Table:
        """A row for each combination: group columns as text, label, rows, weight."""
        import pyarrow as pa

        named = {c: [key_text_of(cell[i]) for cell in self.cells] for i, c in enumerate((*self.groups, self.label))}
        return pa.table({**named, "rows": list(self.rows), "weight": list(self.weights)})

    def weights_of(self, rows: pa.Table | pa.RecordBatch) -> pa.Array:
        """The weight of each row, float64 ``[N]``; 1 where its combination was not seen or its label is missing.

        Raises:
            DataError: a column is absent.
        """
        import pyarrow as pa

        known = {cell_text(cell): w for cell, w in zip(self.cells, self.weights, strict=True)}
        if absent := [c for c in (*self.groups, self.label) if c not in rows.schema.names]:
            raise DataError(
                f"the rows lack {', '.join(map(repr, absent))}", hint=did_you_mean(absent[0], rows.schema.names)
            )
        batches = rows.to_batches() if isinstance(rows, pa.Table) else [rows]
        parts = []
        for batch in batches:
            codes, cells = cell_codes(whole_labels(batch, self.label), (*self.groups, self.label), {})
            parts.append(np.array([known.get(cell_text(c), 1.0) for c in cells])[codes] if cells else np.zeros(0))
        return pa.array(np.concatenate(parts) if parts else np.zeros(0), pa.float64())

    def add_to(self, table: pa.Table, name: str = "fair_weight") -> pa.Table:
        """The table with a column of weights.

        Raises:
            DataError: it has a column of that name, or lacks one that is needed.
        """
        if name in table.schema.names:
            raise DataError(f"the table has a column {name!r} already", hint="give another name.")
        return table.append_column(name, self.weights_of(table))

    def column(self, inputs: Mapping[str, Any]) -> Any:
        """The weights as a column of a preprocessing function, for ``Trainer(weight=...)``.

        ``return {..., "fair_weight": weights.column(inputs)}``, with the weights from the parameter ``custom_config``
        (see `to_dict`). They stand in the transform's graph, as numbers; sensitive columns do not become inputs of the
        served model, for it does not read its weight.

        Args:
            inputs: the columns that the preprocessing function was given.
        """
        import trueline.transform as tlt

        parts = [_text_column(tlt, inputs[name]) for name in (*self.groups, self.label)]
        key = parts[0] if len(parts) == 1 else tlt.join(*parts, separator=_SEPARATOR)
        table = {
            _SEPARATOR.join(key_text_of(v) for v in cell): w for cell, w in zip(self.cells, self.weights, strict=True)
        }
        return tlt.map_values(key, table, default=1.0)


@dataclass(frozen=True)
class _Plain:
    """The fields of a `Reweighing` that JSON holds as they are."""

    groups: tuple[str, ...]
    label: str
    weights: tuple[float, ...]
    rows: tuple[int, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        freeze(self)


def _text_column(tlt: Any, column: Any) -> Any:
    if column.dtype == "float64":
        column = tlt.cast(column, "int64")
    if column.dtype != "utf8":
        column = tlt.cast(column, "utf8")
    return tlt.fill_missing(column, key_text_of(None)) if column.optional else column


def reweighing_weights(
    data: Any,
    label: str,
    groups: str | Sequence[str],
    *,
    weight: str | None = None,
    engine: Engine | None = None,
    split: str | None = None,
) -> Reweighing:
    """Weights for each group and label, from one pass over the training rows.

    A model that is trained with them has them as its weight in evaluations too, where they would hide what they were
    made against: evaluate with ``FairnessSpec(weighted=False)`` and ``MetricsSpec(example_weights=...)`` unweighted.

    Args:
        data: what `as_dataset` takes.
        label: a column of texts, booleans, integers or whole floats; rows without a label are left out.
        groups: sensitive columns; their combinations are the groups. What is missing is a group of its own.
        weight: a column of weights that the rows have already; the new ones multiply them, and do not contain them.
        engine: where it runs.
        split: of Examples; ``train`` is usual.

    Raises:
        ConfigError: columns that are absent or cannot be used; all at once.
        DataError: no row has a label, or weights that are negative or not finite.
    """
    names = (groups,) if isinstance(groups, str) else tuple(groups)
    dataset = as_dataset(data, split)
    shown = [c for c in dataset.columns if not c.startswith("__")]
    wanted = [*names, label, *([weight] if weight else [])]
    problems = [f"the data has no column {n!r}. {did_you_mean(n, shown)}" for n in wanted if n not in dataset.columns]
    problems += [] if names else ["there are no groups: name one or more columns"]
    problems += [f"column {n!r} is named twice" for n in sorted({n for n in wanted if wanted.count(n) > 1})]
    for name in names:
        if name in dataset.columns:
            of = dataset.arrow_schema.field(dataset.arrow_schema.get_field_index(name)).type
            problem = group_column_problem(name, of, False)
            problems += [problem] if problem else []
    if problems:
        raise ConfigError("no weights can be computed", problems=problems)
    if engine is None:
        from trueline.engine import default_engine

        engine = default_engine()
    params = {"columns": [*names, label], "weight": weight}
    found: Any = engine.run(AccumulatorSpec(PAIR_SUMS, params), dataset, list(dict.fromkeys(wanted)))
    return _made(names, label, found)


def _made(names: tuple[str, ...], label: str, found: Mapping[str, tuple[Cell, int, float]]) -> Reweighing:
    kept = {text: item for text, item in sorted(found.items()) if item[2] > 0}
    if not kept:
        raise DataError("no row has a label and a weight", hint="give the training rows.")
    of_group: dict[str, float] = {}
    of_label: dict[str, float] = {}
    for cell, _, w in kept.values():
        group, y = cell_text(cell[:-1]), cell_text(cell[-1:])
        of_group[group], of_label[y] = of_group.get(group, 0.0) + w, of_label.get(y, 0.0) + w
    total = sum(of_group.values())
    cells = [item[0] for item in kept.values()]
    weights = [of_group[cell_text(c[:-1])] * of_label[cell_text(c[-1:])] / (total * w) for c, _, w in kept.values()]
    there = {cell_text(c) for c in cells}
    groups = {cell_text(c[:-1]): c[:-1] for c in cells}
    labels = {cell_text(c[-1:]): c[-1] for c in cells}
    notes = [
        f"no row of {group_name(names, g)} has {label}={key_text_of(y)}: no weight can balance that"
        for g in groups.values()
        for y in labels.values()
        if cell_text((*g, y)) not in there
    ]
    counts = tuple(n for _, n, _ in kept.values())
    return Reweighing(names, label, tuple(cells), tuple(weights), counts, tuple(notes))

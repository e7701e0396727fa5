"""Attributions as a table that an evaluation reads: a row id, and one number for each raw feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError, did_you_mean
from trueline._core.rowid import ROW_COLUMN
from trueline.model_analysis.explain.rows import check_columns, opened_rows, sample_rows
from trueline.model_analysis.explain.shapley import METHODS, shap_values
from trueline.model_analysis.explain.target import Floats, Target, target_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["PREFIX", "attributions"]

PREFIX = "attribution:"
"""Column of a feature's attribution: ``attribution:fare``."""


def attributions(
    model: Any,
    data: Any,
    method: str = "auto",
    *,
    background: Any = None,
    background_rows: int = 64,
    output_class: Any = None,
    link: str | None = None,
    permutations: int = 16,
    every_class: bool = False,
    keep: tuple[str, ...] | None = None,
    uri: str | None = None,
    seed: int = 0,
) -> pa.Table | str:
    """SHAP values of every row, for the attribution metrics of the evaluation.

    Args:
        model: a Model, or a model's folder.
        data: rows in any form; they are explained block by block.
        method, output_class, link, permutations, seed: see `shap_values`.
        background: by default `background_rows` of the data, by the hash of ``__row__``.
        background_rows: background rows at most.
        every_class: lists with a number for each class, in the order of the model's classes, as metrics with a
            `class_id` read them.
        keep: columns of the data to keep (labels, slices); None for all.
        uri: a Parquet file to write, so that memory does not grow with the rows; None gives a table.

    Returns:
        The data's columns, and float64 columns ``attribution:<feature>``: of the prediction, of the second of two
        classes, or of each row's own predicted class where there are more; lists of float64 for `every_class`; or
        `uri`.

    Raises:
        ConfigError: a method or column that does not exist, or a column of that name in the data.
        DataError: columns of the model that are not there.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if method not in METHODS:
        raise ConfigError(f"there is no method {method!r}", hint=did_you_mean(str(method), METHODS))
    target = target_of(model, output_class)
    with opened_rows(data, target.features) as dataset:
        kept = [c for c in dataset.columns if keep is None or c in keep or c == ROW_COLUMN]
        check_columns(dataset, [*target.feature_names, *(keep or ())])
        if taken := [c for c in kept if c.startswith(PREFIX)]:
            raise ConfigError(f"the data have a column {taken[0]!r} already", hint="leave it out: keep=(...).")
        others = sample_rows(dataset if background is None else background, target, background_rows, seed)
        options = {"method": method, "output_class": output_class, "link": link, "permutations": permutations}
        parts: list[pa.Table] = []
        writer = None
        try:
            for batch in dataset.batches(list(dict.fromkeys([*kept, *target.feature_names]))):
                table = pa.Table.from_batches([batch])
                found = _explained(target, table, others, {**options, "seed": seed}, every_class)
                made = table.select(kept)
                for i, name in enumerate(target.feature_names):
                    made = made.append_column(PREFIX + name, _column(found[:, i]))
                if uri is None:
                    parts.append(made)
                else:
                    writer = writer or pq.ParquetWriter(uri, made.schema)
                    writer.write_table(made)
        finally:
            if writer is not None:
                writer.close()
    return uri if uri is not None else pa.concat_tables(parts)


def _column(values: Floats) -> pa.Array:
    """Numbers, or lists of a number for each class."""
    import pyarrow as pa

    if values.ndim == 1:
        return pa.array(values, pa.float64())
    flat = pa.array(np.ascontiguousarray(values).reshape(-1), pa.float64())
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1]).cast(pa.list_(pa.float64()))


def _explained(target: Target, table: pa.Table, others: pa.Table, options: dict[str, Any], every_class: bool) -> Floats:
    """One value for each row and feature ``[N, F]``, or for each class too, ``[N, F, C]``."""
    if not table.num_rows:
        return np.zeros((0, len(target.features), *([len(target.names)] if every_class else [])))
    found = shap_values(
        target.runtime, table, others, max_rows=None, background_rows=max(others.num_rows, 1), **options
    )
    if every_class:
        return found.values.transpose(0, 2, 1)
    if len(found.outputs) == 1:
        return found.values[:, 0]
    own = target.scores(table).argmax(axis=1)
    chosen: Floats = np.take_along_axis(found.values, own[:, None, None], axis=1)[:, 0]
    return chosen

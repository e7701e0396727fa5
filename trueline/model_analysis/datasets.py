"""The data that an evaluation reads: an Arrow table, a DataFrame, Parquet files or Examples as a `Dataset`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import DataError, did_you_mean
from trueline.engine.base import Dataset
from trueline.model_analysis.noise import ROW_COLUMN
from trueline.models.model_data import frame_library

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline._core.runtime import ModelRuntime
    from trueline._core.values import RawFeature

__all__ = ["as_dataset", "features_read", "numbered"]


def as_dataset(data: Any, split: str | None = None, features: Sequence[RawFeature] = ()) -> Dataset:
    """The rows as blocks, each with its number in ``__row__``.

    Args:
        data: an Arrow table, a pandas or polars DataFrame (its NaN are missing values, as in TFMA), a `Dataset`,
            `Examples`, the URI of an Examples artifact, or the path of a Parquet file.
        split: of Examples; ``eval`` where there is one by that name, or the only one.
        features: columns of a DataFrame take their types where pandas alone has changed them: whole numbers with
            missing values are floats there.

    Raises:
        DataError: another form, or a split that is not there.
        FeedError: floats of a DataFrame that are no whole numbers where a feature is an integer.
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, str):
        if not store.exists(store.join(data, "examples.json")):
            return Dataset.from_parquet(data)
        from trueline.data import Examples

        data = Examples.open(data)
    if hasattr(data, "splits") and hasattr(data, "dataset"):
        return _split(data, split)
    table = _table(data)
    if table is None:
        raise DataError(
            f"a {type(data).__name__} cannot be evaluated",
            hint="give an Arrow table, a DataFrame of pandas or polars, a Dataset, Examples, or a Parquet file's path.",
        )
    if features and frame_library(data) is not None:
        from trueline.transform.frames import in_types_of

        table = in_types_of(table, features)
    return numbered(table)


def _split(examples: Any, split: str | None) -> Dataset:
    names = list(examples.splits)
    wanted = split or ("eval" if "eval" in names else names[0] if len(names) == 1 else None)
    if wanted not in names:
        said = f"no split {split!r}" if split else "several splits and none is named eval"
        raise DataError(f"there is {said}", where=examples.uri, hint=did_you_mean(str(split), names))
    found: Dataset = examples.dataset(wanted)
    return found


def _table(data: Any) -> pa.Table | None:
    """The table, or None for what is none."""
    import pyarrow as pa

    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    library = frame_library(data)
    if library == "pandas":
        return pa.Table.from_pandas(data, preserve_index=False).replace_schema_metadata(None)
    if library == "polars":
        table: pa.Table = data.fill_nan(None).to_arrow()
        return table
    return pa.table(data) if isinstance(data, dict) else None


def features_read(*runtimes: ModelRuntime | None) -> tuple[RawFeature, ...]:
    """The raw features that models read, and those that the first one's labels and weights are made of.

    Of two of a name the first one's counts; None stands for no model.
    """
    models = [r for r in runtimes if r is not None]
    labels = models[0].targets.raw.features if models and models[0].info.get("targets") else ()
    every = [*(f for r in models for f in r.inputs), *labels]
    return tuple({f.name: f for f in reversed(every)}.values())


def numbered(table: pa.Table) -> Dataset:
    """The table with row numbers, so that noise groups do not depend on contents."""
    from trueline._core.rowid import row_ids

    if ROW_COLUMN not in table.column_names:
        table = table.append_column(ROW_COLUMN, row_ids(0, 0, table.num_rows))
    return Dataset.from_table(table)

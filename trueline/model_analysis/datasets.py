"""The data that an evaluation reads: an Arrow table, a DataFrame, Parquet files or Examples as a `Dataset`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import DataError, did_you_mean
from trueline.engine.base import Dataset
from trueline.model_analysis.noise import ROW_COLUMN

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["as_dataset", "numbered"]


def as_dataset(data: Any, split: str | None = None) -> Dataset:
    """The rows as blocks, each with its number in ``__row__``.

    Args:
        data: an Arrow table, a pandas or polars DataFrame (its NaN are missing values, as in TFMA), a `Dataset`,
            `Examples`, the URI of an Examples artifact, or the path of a Parquet file.
        split: of Examples; ``eval`` where there is one by that name, or the only one.

    Raises:
        DataError: another form, or a split that is not there.
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
    kinds = {(k.__module__.partition(".")[0], k.__name__) for k in type(data).__mro__}
    if ("pandas", "DataFrame") in kinds:
        return pa.Table.from_pandas(data, preserve_index=False).replace_schema_metadata(None)
    if ("polars", "DataFrame") in kinds:
        table: pa.Table = data.fill_nan(None).to_arrow()
        return table
    return pa.table(data) if isinstance(data, dict) else None


def numbered(table: pa.Table) -> Dataset:
    """The table with row numbers, so that noise groups do not depend on contents."""
    from trueline._core.rowid import row_ids

    if ROW_COLUMN not in table.column_names:
        table = table.append_column(ROW_COLUMN, row_ids(0, 0, table.num_rows))
    return Dataset.from_table(table)

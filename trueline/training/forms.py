"""Rows of one split in the forms of data frames; pandas and polars are imported on use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, ModelError
from trueline._core.rowid import ROW_COLUMN

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.engine.base import Dataset
    from trueline.training.split_data import SplitData

__all__ = ["RawRows", "to_pandas", "to_polars"]


def to_pandas(table: pa.Table) -> Any:
    """A DataFrame: missing floats and integers are NaN, missing booleans and texts None; vectors are arrays.

    Raises:
        ConfigError: pandas is not installed.
    """
    _needs("pandas")
    return table.to_pandas()


def to_polars(table: pa.Table) -> Any:
    """A polars DataFrame; the row identity, which polars has no type for, is bytes.

    Raises:
        ConfigError: polars is not installed.
    """
    polars = _needs("polars")
    return polars.from_arrow(table)


def _needs(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ConfigError(
            f"{name} is not installed", hint=f"pip install {name}; or take table() or arrays()."
        ) from error


@dataclass(frozen=True)
class RawRows:
    """The rows of a split as they were before the transform, one for one with those of `split`.

    Attributes:
        raw: the raw Examples of the split.
        split: the transformed rows; those without a label are left out on both sides.
    """

    raw: Dataset
    split: SplitData

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Block by block, in the order of ``split.batches(...)`` unshuffled.

        Raises:
            ModelError: the raw rows are others than those that the transform took.
        """
        import pyarrow.compute as pc

        label = self.split.label
        beside = [name for name in (ROW_COLUMN, label.name if label else None) if name in self.split.dataset.columns]
        blocks = self.raw.blocks, self.split.dataset.blocks
        if [b.rows for b in blocks[0]] != [b.rows for b in blocks[1]]:
            raise self._others()
        for mine, transformed in zip(*blocks, strict=True):
            rows, known = mine.read(), transformed.read(beside)
            if ROW_COLUMN in beside and not _same_rows(rows, known):
                raise self._others()
            missing = label is not None and known.column(label.name).null_count
            yield rows.filter(pc.is_valid(known.column(label.name))) if missing and label else rows

    def table(self) -> pa.Table:
        """All rows in memory, ``__row__`` with them; ``split.table()`` has the same rows in the same order."""
        import pyarrow as pa

        return pa.Table.from_batches(list(self.batches()), self.raw.arrow_schema)

    def pandas(self) -> Any:
        """`table` as a pandas DataFrame."""
        return to_pandas(self.table())

    def polars(self) -> Any:
        """`table` as a polars DataFrame."""
        return to_polars(self.table())

    def _others(self) -> ModelError:
        return ModelError(
            "the raw rows are not those that the transform took: their blocks or row identities differ",
            hint="give the Trainer as raw_examples what Transform has as examples.",
        )


def _same_rows(raw: pa.RecordBatch, transformed: pa.RecordBatch) -> bool:
    if ROW_COLUMN not in raw.schema.names:
        return True
    return bool(raw.column(ROW_COLUMN).equals(transformed.column(ROW_COLUMN)))

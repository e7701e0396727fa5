"""Folds of training rows: a hidden column, made from ``__row__``: a row's value is taken from other folds alone.

A graph holds ``input __fold_<folds>_<seed>__`` and the operation ``by_fold(serving, training)``. `bind` dissolves it:
the serving graph keeps the first argument, so that the hidden column is in no signature, no feed and no export; the
training graph keeps the second and has the column among its features.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import TransformError
from trueline._core.rowid import ROW_COLUMN
from trueline._core.values import RawFeature

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["fold_feature", "fold_of_rows", "is_fold", "with_fold_columns"]

_NAME = re.compile(r"__fold_(\d+)_(-?\d+)__")


def is_fold(name: str) -> bool:
    """Whether a column's name is that of a hidden column of folds."""
    return _NAME.fullmatch(name) is not None


def fold_feature(folds: int, seed: int) -> RawFeature:
    """The hidden column that holds each row's fold."""
    return RawFeature(f"__fold_{folds}_{seed}__", "int64", optional=False)


def fold_of_rows(row_ids: npt.ArrayLike, folds: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """The fold, 0 to ``folds - 1``, of each row: the hash of its id, so the same for any order, shards and workers.

    Args:
        row_ids: ``__row__``, int64 ``[N]``.
        folds: how many folds, at least 2.
        seed: another seed gives other folds.
    """
    import pyarrow as pa

    from trueline._core.hash import hash_array

    hashes = hash_array(pa.array(np.asarray(row_ids, np.int64)), seed)
    return (hashes % np.uint64(folds)).astype(np.int64)


def with_fold_columns(table: pa.Table | pa.RecordBatch, names: Iterable[str], row_ids: Any = None) -> Any:
    """The data with the hidden columns among `names`.

    Args:
        table: the rows.
        names: columns that a graph reads; those that are no folds are left alone.
        row_ids: ``__row__`` as an Arrow array; by default the data's own.

    Raises:
        TransformError: the rows have no ids.
    """
    import pyarrow as pa

    for name in sorted(n for n in names if is_fold(n)):
        if row_ids is None:
            if ROW_COLUMN not in table.schema.names:
                raise TransformError(
                    "out-of-fold values need to know which row is which, and the data has no column '__row__'",
                    hint="ingested data has it; for a table, add an int64 column '__row__' of distinct numbers.",
                )
            row_ids = table.column(ROW_COLUMN)
        match = _NAME.fullmatch(name)
        assert match is not None
        ids = row_ids.to_numpy(zero_copy_only=False) if not isinstance(row_ids, pa.ChunkedArray) else row_ids.to_numpy()
        column = pa.array(fold_of_rows(ids, int(match[1]), int(match[2])))
        table = table.append_column(pa.field(name, pa.int64(), nullable=False), column)
    return table

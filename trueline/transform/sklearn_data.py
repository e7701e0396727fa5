"""What goes into and comes out of a scikit-learn transformer: any table in, one array of numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import FeedError, TransformError, did_you_mean
from trueline._core.values import RawFeature, arrow_type_of

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.transform.output import TransformOutput

__all__ = [
    "as_table",
    "check_columns",
    "feature_matrix",
    "flat_names",
    "label_column",
    "matched",
    "numbers_only",
    "with_row_numbers",
]


def _is_table(X: Any) -> bool:
    from trueline.data.tables_pandas import is_pandas

    return is_pandas(X) or hasattr(X, "__arrow_c_stream__") or hasattr(X, "__arrow_c_array__")


def check_columns(estimator: Any, X: Any, *, reset: bool) -> Any:
    """scikit-learn's own checks of names, number and shape; sets ``n_features_in_`` and ``feature_names_in_``.

    Raises:
        ValueError: what scikit-learn refuses.
    """
    from sklearn.utils import validation

    from trueline.data.tables_pandas import is_pandas

    table = _is_table(X)
    if table and not is_pandas(X):
        X = as_table(X, None)  # scikit-learn knows names of Arrow tables, not of everything that Arrow can read
    if hasattr(validation, "validate_data"):  # since 1.6
        if table:
            validation.validate_data(estimator, X, reset=reset, skip_check_array=True)
            _not_empty(estimator, X)
            return X
        return validation.validate_data(estimator, X, reset=reset, dtype=None, ensure_all_finite=False)
    if not table:
        return estimator._validate_data(X, reset=reset, dtype=None, force_all_finite=False)
    estimator._check_feature_names(X, reset=reset)
    estimator._check_n_features(X, reset=reset)
    _not_empty(estimator, X)
    return X


def _not_empty(estimator: Any, X: Any) -> None:
    for size, what in zip(X.shape, ("sample", "feature"), strict=True):
        if size == 0:
            raise ValueError(
                f"Found array with 0 {what}(s) (shape={tuple(X.shape)}) while a minimum of 1 is required by "
                f"{type(estimator).__name__}."
            )


def as_table(X: Any, names: Sequence[str] | None) -> pa.Table:
    """X as an Arrow table in the contract's types; NaN of pandas and numpy is missing.

    Args:
        X: a table, or an array ``[N, F]``.
        names: names of an array's columns; ``x0``, ``x1`` ... by default.

    Raises:
        ValueError: another number of names than of columns.
        DataError: a column of several types.
    """
    import pyarrow as pa

    from trueline.data.tables import to_arrow_table

    if _is_table(X):
        return to_arrow_table(X)
    array = np.asarray(X)
    if array.ndim != 2:
        raise ValueError(f"Expected 2D array, got {array.ndim}D array instead. Reshape your data.")
    if names is None:
        names = [f"x{i}" for i in range(array.shape[1])]
    if len(names) != array.shape[1]:
        raise ValueError(f"X has {array.shape[1]} features, but {len(names)} names: {', '.join(names)}")
    return pa.table({name: _array_column(array[:, i], name) for i, name in enumerate(names)})


def _array_column(values: npt.NDArray[Any], name: str) -> pa.Array:
    import pyarrow as pa

    from trueline._core.values import widened_type
    from trueline.data.tables_kinds import column_type
    from trueline.data.tables_values import column_array

    if values.dtype.kind == "O":
        plain = [None if isinstance(v, float) and v != v else v for v in values.tolist()]
        return column_array(plain, column_type(plain, name, "X"), name, "X")
    if values.dtype.kind == "U":
        return pa.array(values.tolist(), pa.string())
    column = pa.array(np.ascontiguousarray(values), from_pandas=True)
    return column.cast(widened_type(column.type))


def label_column(estimator: str, label: str, y: Any, table: pa.Table) -> pa.Array:
    """The column that y is.

    Raises:
        ValueError: there is no y, or one of another length, or X has such a column already.
    """
    if y is None:
        raise ValueError(f"This {estimator} estimator requires y to be passed, but the target y is None.")
    values = np.asarray(y)
    if values.ndim != 1 or len(values) != table.num_rows:
        raise ValueError(f"y has shape {values.shape}, X has {table.num_rows} rows: one value a row is needed")
    if label in table.schema.names:
        raise ValueError(f"X has a column {label!r}, which is to be the name of y: give another label=")
    return _array_column(values, label)


def with_row_numbers(table: pa.Table) -> pa.Table:
    """The table with ``__row__``, by which folds are told apart."""
    from trueline._core.rowid import ROW_COLUMN, row_ids

    if ROW_COLUMN in table.schema.names:
        return table
    return table.append_column(ROW_COLUMN, row_ids(0, 0, table.num_rows))


def matched(table: pa.Table, features: Sequence[RawFeature]) -> pa.Table:
    """The columns of `features` in the types that `fit` saw: pandas makes floats of integers where one is missing.

    Raises:
        FeedError: columns that are not there, or values that do not fit; all at once.
    """
    import pyarrow as pa

    names = table.schema.names
    problems = [f"no column {f.name!r}. {did_you_mean(f.name, names)}" for f in features if f.name not in names]
    columns = {}
    for feature in features:
        if feature.name not in names:
            continue
        column, wanted = table.column(feature.name), arrow_type_of(feature)
        numbers = {str(column.type), str(wanted)} == {"double", "int64"}
        if column.type != wanted and (numbers or column.null_count == len(column)):
            try:
                column = column.cast(wanted) if numbers else pa.nulls(len(column), wanted)
            except pa.ArrowInvalid as error:
                problems.append(f"column {feature.name!r}: {error}")
                continue
        columns[feature.name] = column
    if problems:
        raise FeedError("the columns do not fit those that the transformer was fitted on", problems=problems)
    return pa.table(columns)


_NUMBERS = ("float32", "int64", "bool")


def numbers_only(output: TransformOutput, chosen: Sequence[str]) -> None:
    """Refuses outputs that are no columns of numbers, all at once."""
    known = {f.name: f for f in output.outputs}
    problems = [f"there is no output {n!r}. {did_you_mean(n, known)}" for n in chosen if n not in known]
    for feature in (known[n] for n in chosen if n in known):
        if feature.dtype not in _NUMBERS:
            problems.append(f"output {feature.name!r} is {feature.dtype}: give it a vocabulary, or cast it")
        elif feature.kind == "ragged":
            problems.append(f"output {feature.name!r} is a list of any length: reduce it or make it a fixed vector")
    names = flat_names([known[n] for n in chosen if n in known])
    problems += [f"two columns are called {n!r}" for n in sorted({n for n in names if names.count(n) > 1})]
    if problems:
        raise TransformError(
            "a scikit-learn transformer gives numbers",
            problems=problems,
            hint="name the outputs wanted: as_transformer(..., outputs=[...]).",
        )


def flat_names(features: Sequence[RawFeature]) -> list[str]:
    """A name for every column; XGBoost takes no brackets in them."""
    names: list[str] = []
    for f in features:
        names += [f.name] if f.kind == "scalar" else [f"{f.name}_{i}" for i in range(f.size or 0)]
    return names


def feature_matrix(table: pa.Table, features: Sequence[RawFeature], dtype: str) -> npt.NDArray[Any]:
    """The columns side by side ``[N, columns]``; missing is NaN."""
    from trueline._core.feeds import Feeds
    from trueline._core.values import PRESENT

    arrays = Feeds(features).from_arrow(table)
    out = np.empty((table.num_rows, sum(1 if f.kind == "scalar" else f.size or 0 for f in features)), dtype)
    at = 0
    for feature in features:
        values = arrays[feature.name].reshape(table.num_rows, -1)
        part = out[:, at : at + values.shape[1]]
        part[:] = values
        if feature.optional:
            part[~arrays[feature.name + PRESENT]] = np.nan
        at += values.shape[1]
    return out

"""The forms in which a host step's function takes its columns: Python lists, numpy, pandas or Arrow; and back to lists.

Lists are the plain form: None is missing, NaN is a value. numpy and pandas cannot tell the two apart in floats: there a
missing number is NaN, and NaN in what a pandas function returns is missing, as pandas means it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from trueline._core.feed_columns import LENGTH
from trueline._core.values import PRESENT, RawFeature, arrow_type_of

__all__ = ["FORMS", "Form", "fed_values", "in_form", "plain_values"]

Form = Literal["list", "numpy", "pandas", "arrow"]
_PANDAS = {"float64": "float64", "int64": "Int64", "bool": "boolean", "utf8": "object", "bytes": "object"}


def _as_list(values: list[Any], feature: RawFeature) -> Any:
    return values


def _as_arrow(values: list[Any], feature: RawFeature) -> Any:
    import pyarrow as pa

    return pa.array(values, arrow_type_of(feature))


def _as_pandas(values: list[Any], feature: RawFeature) -> Any:
    import numpy as np
    import pandas as pd

    if feature.kind != "scalar":
        return pd.Series(values, dtype="object")
    if feature.dtype == "timestamp":
        stamps = np.array([np.iinfo(np.int64).min if v is None else v for v in values], np.int64)
        return pd.Series(stamps.view("M8[us]"))
    return pd.Series(values, dtype=_PANDAS[feature.dtype])


def _as_numpy(values: list[Any], feature: RawFeature) -> Any:
    import numpy as np

    if feature.dtype == "float64" and feature.kind == "scalar":
        return np.array([np.nan if v is None else v for v in values], np.float64)
    plain = (
        None not in values and feature.kind != "ragged" and feature.dtype in ("float64", "int64", "bool", "timestamp")
    )
    if plain:
        shape = (len(values),) if feature.kind == "scalar" else (len(values), feature.size)
        numpy_type = {"float64": np.float64, "bool": np.bool_}.get(feature.dtype, np.int64)
        return np.array(values, numpy_type).reshape(shape)
    out = np.empty(len(values), object)
    out[:] = values
    return out


FORMS: dict[str, Callable[[list[Any], RawFeature], Any]] = {
    "list": _as_list,
    "numpy": _as_numpy,
    "pandas": _as_pandas,
    "arrow": _as_arrow,
}
"""How a column of Python values becomes what the function takes."""


def in_form(form: str, columns: Sequence[list[Any]], features: Sequence[RawFeature]) -> list[Any]:
    """The columns as the function takes them.

    Args:
        form: one of `FORMS`.
        columns: Python values, None for missing, times as int microseconds.
        features: their types; not needed for lists.
    """
    if form == "list":
        return list(columns)
    return [FORMS[form](values, feature) for values, feature in zip(columns, features, strict=True)]


def fed_values(feature: RawFeature, arrays: Mapping[str, Any]) -> list[Any]:
    """A column of validated arrays as a host function gets it: what a client wrote as 1 or as a text of a time is the
    float and the int that they are in bulk.

    Args:
        feature: a raw column.
        arrays: what `Feeds` made of the rows.
    """
    values: list[Any] = arrays[feature.name].tolist()
    lengths = arrays.get(feature.name + LENGTH)
    if lengths is not None:
        values = [row[:length] for row, length in zip(values, lengths.tolist(), strict=True)]
    present = arrays.get(feature.name + PRESENT)
    if present is None or present.all():
        return values
    return [value if there else None for value, there in zip(values, present.tolist(), strict=True)]


def plain_values(result: Any) -> list[Any]:
    """What a function returned, as Python values: None for missing, times as int microseconds or datetimes.

    Args:
        result: a list, a numpy array, a pandas Series or an Arrow array.
    """
    family = type(result).__module__.partition(".")[0]
    if family == "pandas":
        return _from_pandas(result)
    if family == "pyarrow":
        from trueline._core.host_arrow import python_values

        return python_values(result)
    if family == "numpy":
        return _from_numpy(result)
    values = list(result)
    if any(hasattr(t, "tolist") for t in set(map(type, values))):  # numpy's scalars and arrays among them
        return [v.tolist() if hasattr(v, "tolist") else v for v in values]
    return values


def _from_numpy(result: Any) -> list[Any]:
    if result.dtype.kind == "M":
        whole = result.astype("M8[us]")
        return [
            None if t else v for v, t in zip(whole.astype("int64").tolist(), (whole != whole).tolist(), strict=True)
        ]
    return plain_values(result.tolist())


def _from_pandas(result: Any) -> list[Any]:
    missing = result.isna().tolist()
    if str(result.dtype).startswith("datetime64"):
        if result.dt.tz is not None:
            result = result.dt.tz_convert("UTC").dt.tz_localize(None)
        return _from_numpy(result.to_numpy())
    return plain_values([None if m else v for v, m in zip(result.tolist(), missing, strict=True)])

"""Host functions in every form and kind: importable by name, as a user's package would be."""

from __future__ import annotations

from typing import Any

import numpy as np


def pandas_features(text: Any, number: Any) -> Any:
    """A Series out of two: the text's length times the number."""
    return text.str.len() * number


def pandas_days(times: Any) -> Any:
    """The first day of each time's month."""
    return times.dt.to_period("M").dt.to_timestamp()


def pandas_types(*columns: Any) -> Any:
    """The dtypes that came."""
    return [", ".join(str(c.dtype) for c in columns)] * len(columns[0])


def arrow_upper(text: Any) -> Any:
    import pyarrow.compute as pc

    return pc.utf8_upper(text)


def numpy_norm(vector: np.ndarray, *, power: int) -> np.ndarray:
    return (np.abs(vector) ** power).sum(axis=1) ** (1 / power)


def numpy_twice(number: np.ndarray) -> np.ndarray:
    return number * 2


def letters(texts: list[str | None]) -> list[list[str] | None]:
    """A list for each text."""
    return [None if t is None else list(t) for t in texts]


def codes(texts: list[str | None], *, width: int) -> list[list[int] | None]:
    """A vector for each text."""
    return [None if t is None else [ord(c) for c in t.ljust(width)[:width]] for t in texts]


def total(lists: list[list[float] | None]) -> list[float | None]:
    """A number for each list."""
    return [None if v is None else float(sum(v)) for v in lists]


def third_is_wrong(values: list[Any]) -> list[Any]:
    return ["text" if i == 2 else 1 for i, _ in enumerate(values)]


def short_vectors(values: list[Any]) -> list[Any]:
    return [[1.0]] * len(values)


def needs_a_missing_module(values: list[Any]) -> list[Any]:
    raise ModuleNotFoundError("No module named 'PIL'", name="PIL")

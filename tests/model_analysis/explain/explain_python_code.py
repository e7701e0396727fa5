"""Python code that a model may name."""

from __future__ import annotations

from typing import Any

import numpy as np


def wide(x: Any) -> Any:
    """An embedding of twice the columns."""
    return np.concatenate([x, x**2], axis=1)


def word_length(words: list[str | None]) -> list[int | None]:
    """The length of each word."""
    return [None if word is None else len(word) for word in words]

"""Python code that a model may name."""

from __future__ import annotations

from typing import Any

import numpy as np


def wide(x: Any) -> Any:
    """An embedding of twice the columns."""
    return np.concatenate([x, x**2], axis=1)

"""Numbers of plots from and to JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from trueline._core.errors import ArtifactError
from trueline.model_analysis.plots.scores import Floats

__all__ = ["number_list", "tfma_number"]


def number_list(data: Mapping[str, Any], *names: str, length: int | None = None) -> list[Floats]:
    """Columns of numbers, all of one length.

    Raises:
        ArtifactError: one is missing, no list of numbers, or of another length.
    """
    columns = []
    for name in names:
        values = data.get(name)
        if not isinstance(values, list) or any(isinstance(v, bool) or not isinstance(v, int | float) for v in values):
            raise ArtifactError(f"the plot's {name!r} is no list of numbers")
        if length is not None and len(values) != length:
            raise ArtifactError(f"the plot's {name!r} has {len(values)} numbers, not {length}")
        length = len(values)
        columns.append(np.asarray(values, dtype=np.float64))
    return columns


def tfma_number(value: Any) -> float | str:
    """A number as the JSON of protocol buffers writes it: NaN and infinity are text there."""
    number = float(value)
    if math.isnan(number):
        return "NaN"
    return number if math.isfinite(number) else ("Infinity" if number > 0 else "-Infinity")

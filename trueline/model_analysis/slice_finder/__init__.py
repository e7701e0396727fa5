"""Finds the slices of the data on which a model does worst, without being told which columns matter.

A lattice search over values and ranges of columns, in a fixed number of passes over the rows; what is found on one
half of them is measured on the other. It may import what `trueline.model_analysis` may.
"""

from __future__ import annotations

from trueline._core.lazy import lazy_names

_PUBLIC = {
    "FoundSlice": "found",
    "FoundSlices": "found",
    "LOSSES": "losses",
    "find_slices": "api",
}

__all__ = [*sorted(_PUBLIC)]

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)

"""Slices of explanations: what a caller may write, and the rows of each slice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError
from trueline.model_analysis.config import SlicingSpec
from trueline.model_analysis.slices import OVERALL, SliceKey, group_rows, key_text

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.model_analysis.explain.rows import Ints

__all__ = ["SlicesGiven", "slice_json", "slice_specs", "slices_of"]

SlicesGiven = Iterable[SlicingSpec | str | Sequence[str]] | None


def slice_specs(slices: SlicesGiven) -> list[SlicingSpec]:
    """The overall slice first, then what was asked for: specs, column names, or crosses as lists of column names.

    Raises:
        ConfigError: something else.
    """
    specs = [SlicingSpec()]
    for given in [slices] if isinstance(slices, str) else slices or ():
        if isinstance(given, str):
            spec = SlicingSpec(feature_keys=(given,))
        elif isinstance(given, SlicingSpec):
            spec = given
        elif isinstance(given, Sequence) and given and all(isinstance(n, str) for n in given):
            spec = SlicingSpec(feature_keys=tuple(given))
        else:
            raise ConfigError(
                f"{given!r} describes no slices", hint="give a SlicingSpec, a column, or several columns."
            )
        if spec not in specs:
            specs.append(spec)
    return specs


def slice_json(spec: SlicingSpec) -> dict[str, Any]:
    """A JSON object of the spec's own names."""
    return {
        "feature_keys": list(spec.feature_keys),
        "feature_values": dict(spec.feature_values),
        "expression": spec.expression,
        "buckets": {k: list(v) for k, v in spec.buckets.items()},
    }


def slices_of(table: pa.Table, specs: Sequence[SlicingSpec]) -> list[tuple[SliceKey, Ints]]:
    """Row numbers of every slice of a table in memory: the overall slice first, then in the order of their texts."""
    table = table.combine_chunks()
    found: dict[SliceKey, Ints] = {}
    for batch in table.to_batches() or []:
        for grouping in group_rows(batch, specs):
            for code, key in enumerate(grouping.keys):
                found[key] = np.sort(grouping.rows[grouping.codes == code])
    found.setdefault(OVERALL, np.arange(table.num_rows))
    return sorted(found.items(), key=lambda item: (item[0] != OVERALL, key_text(item[0])))

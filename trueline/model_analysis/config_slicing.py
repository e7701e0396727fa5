"""Which slices an evaluation makes, and which pairs of them it compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trueline.model_analysis.config_json import freeze

__all__ = ["CrossSlicingSpec", "SlicingSpec"]


@dataclass(frozen=True)
class SlicingSpec:
    """Which slices to make; all parts together describe one cross. Empty means the overall slice.

    Attributes:
        feature_keys: columns; each combination of their values is a slice.
        feature_values: column -> value; only rows with this value. ``"1"`` also matches the integer 1 and true,
            ``"1.5"`` the float, ``"[10, 20)"`` that bucket in a threshold's spec.
        expression: a condition in trueline's expression language, e.g. ``"fare > 20"``; unknown is not true.
        buckets: numeric column -> ascending boundaries; a value on a boundary belongs to the bucket above it: the
            boundaries 10 and 20 give ``< 10``, ``[10, 20)`` and ``>= 20``. NaN has a bucket of its own, ``NaN``.
        slice_keys_sql: TFMA's ``SELECT STRUCT(...)`` in the forms that have a counterpart here, see `slices_sql.py`;
            the other parts are empty then.
    """

    feature_keys: tuple[str, ...] = ()
    feature_values: Mapping[str, str] = field(default_factory=dict)
    expression: str | None = None
    buckets: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    slice_keys_sql: str = ""

    def __post_init__(self) -> None:
        freeze(self)
        texts = {k: _value_text(v) for k, v in self.feature_values.items()}
        object.__setattr__(self, "feature_values", texts)
        object.__setattr__(self, "buckets", {k: tuple(float(x) for x in v) for k, v in self.buckets.items()})

    @property
    def columns(self) -> tuple[str, ...]:
        """The feature columns it names, sorted, without those of the expression."""
        return tuple(sorted({*self.feature_keys, *self.feature_values, *self.buckets}))

    def __str__(self) -> str:
        parts = [
            f"{k}={self.feature_values[k]}" if k in self.feature_values
            else f"{k} in buckets at {', '.join(f'{b:g}' for b in self.buckets[k])}" if k in self.buckets
            else k
            for k in self.columns
        ]  # fmt: skip
        return " × ".join([*parts, *filter(None, (self.expression, self.slice_keys_sql))]) or "Overall"


@dataclass(frozen=True)
class CrossSlicingSpec:
    """Pairs of slices whose metrics are subtracted: the baseline slice's value minus each compared slice's.

    Attributes:
        baseline_spec: describes the slice on the left.
        slicing_specs: the slices on the right; none given means every other slice.
    """

    baseline_spec: SlicingSpec = field(default_factory=lambda: SlicingSpec())
    slicing_specs: tuple[SlicingSpec, ...] = ()

    def __post_init__(self) -> None:
        freeze(self)


def _value_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

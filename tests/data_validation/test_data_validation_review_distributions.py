"""A comparison that cannot be made is told: it does not pass in silence."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from trueline.data_validation import generate_statistics
from trueline.data_validation.distribution import validate_distributions


def _types(data: Any, baseline: Any, kind: str) -> list[str]:
    sides = [generate_statistics(pa.table({"x": values})) for values in (data, baseline)]
    found = validate_distributions(*sides, {"x": {kind: 0.5}}).anomaly_info
    return [info.Type.Name(reason.type) for info in found.values() for reason in info.reason]


_NONE = pa.nulls(3, pa.float64())
_EMPTY = pa.array([[], [], []], pa.list_(pa.float64()))


@pytest.mark.parametrize(
    ("data", "baseline", "kind"),
    [
        (_NONE, [1.0, 2.0, 3.0], "jensen_shannon_divergence"),
        ([1.0, 2.0, 3.0], _NONE, "jensen_shannon_divergence"),
        (pa.nulls(3, pa.string()), ["a", "b", "a"], "infinity_norm"),
        (["1", "2", "1"], [1, 2, 1], "jensen_shannon_divergence"),
        ([1.0, 2.0], [5.0, 6.0], "infinity_norm"),
        ([1, 2], [5, 6], "normalized_abs_difference"),
        (_EMPTY, [[1.0], [2.0], []], "jensen_shannon_divergence"),
    ],
)
def test_a_distance_that_cannot_be_told_is_an_anomaly(data: Any, baseline: Any, kind: str) -> None:
    assert "STATS_NOT_AVAILABLE" in _types(data, baseline, kind)


@pytest.mark.parametrize("empty", [_NONE, _EMPTY], ids=["missing", "empty lists"])
def test_two_sides_without_values_do_not_differ(empty: pa.Array) -> None:
    assert _types(empty, empty, "jensen_shannon_divergence") == []


def test_what_can_be_told_is_told_as_before() -> None:
    assert _types(["a", "b"], ["a", "b"], "infinity_norm") == []
    assert _types(["a", "b"], ["c", "c"], "infinity_norm") == ["COMPARATOR_L_INFTY_HIGH"]
    assert _types([1.0, 2.0], [7.0, 8.0], "jensen_shannon_divergence") == ["COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH"]

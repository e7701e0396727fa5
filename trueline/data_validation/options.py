"""The options of a statistics pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trueline._core.errors import ConfigError

__all__ = ["StatsOptions"]

_AT_LEAST = {
    "num_top_values": 1,
    "frequency_threshold": 1,
    "num_rank_histogram_buckets": 1,
    "num_values_histogram_buckets": 2,
    "num_histogram_buckets": 1,
    "num_quantiles_histogram_buckets": 1,
    "max_quantile_points": 16,
    "max_distinct": 16,
    "max_distinct_bytes": 1024,
}


@dataclass(frozen=True)
class StatsOptions:
    """What a statistics pass computes, and how much memory it may use for it.

    Attributes:
        num_top_values: length of `top_values`.
        frequency_threshold: least count with which a value appears in `top_values` and `rank_histogram`.
        num_rank_histogram_buckets: most buckets of `rank_histogram`.
        num_values_histogram_buckets: buckets of the histogram of list lengths.
        num_histogram_buckets: equal-width buckets of the STANDARD histogram.
        num_quantiles_histogram_buckets: buckets of the QUANTILES histogram.
        feature_allowlist: the only columns to look at, or None for all.
        schema: a tensorflow-metadata `Schema`: integers that it declares categorical get string statistics, byte
            columns with an image domain get byte statistics.
        max_quantile_points: distinct numbers a column up to which quantiles and histograms are exact; beyond it a
            summary of so many weighted points is kept, see `trueline.data_validation.quantiles`.
        max_distinct: distinct strings a column up to which counts are exact; beyond it see
            `trueline.data_validation.frequencies`.
        max_distinct_bytes: the same bound for the bytes of the distinct strings.

    Raises:
        ConfigError: naming every option that is out of range.
    """

    num_top_values: int = 20
    frequency_threshold: int = 1
    num_rank_histogram_buckets: int = 1000
    num_values_histogram_buckets: int = 10
    num_histogram_buckets: int = 10
    num_quantiles_histogram_buckets: int = 10
    feature_allowlist: tuple[str, ...] | None = None
    schema: Any = None
    max_quantile_points: int = 4096
    max_distinct: int = 200_000
    max_distinct_bytes: int = 64 * 2**20

    def __post_init__(self) -> None:
        problems = [
            f"{name} is {getattr(self, name)!r}, it must be an integer of at least {least}"
            for name, least in _AT_LEAST.items()
            if not isinstance(getattr(self, name), int) or getattr(self, name) < least
        ]
        allowlist: Any = self.feature_allowlist
        if isinstance(allowlist, str):
            problems.append("feature_allowlist is a string, it must be a list of column names")
        if problems:
            raise ConfigError("these options of StatsOptions cannot be used", problems=problems)
        if self.feature_allowlist is not None:
            object.__setattr__(self, "feature_allowlist", tuple(self.feature_allowlist))

    def numbers(self) -> dict[str, int]:
        """The numeric options as JSON: what the accumulators need."""
        return {name: int(getattr(self, name)) for name in _AT_LEAST}

"""What a row-by-row comparison found: counts by feature, of identifiers and of values, and pairs that differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ConfusionCount",
    "FeatureSkew",
    "FeatureSkewResult",
    "MatchStats",
    "SkewPair",
    "get_confusion_count_dataframes",
    "get_match_stats_dataframe",
    "get_skew_result_dataframe",
]


@dataclass(frozen=True)
class FeatureSkew:
    """One feature over all pairs of rows with the same identifiers.

    Attributes:
        feature_name: the column.
        base_count, test_count: pairs in which the base (test) row has a value.
        match_count: pairs whose values are equal (two empty lists are).
        base_only, test_only: pairs in which one side alone has a value.
        mismatch_count: pairs with two values that differ.
    """

    feature_name: str
    base_count: int = 0
    test_count: int = 0
    match_count: int = 0
    base_only: int = 0
    test_only: int = 0
    mismatch_count: int = 0

    @property
    def diff_count(self) -> int:
        """Pairs that differ in any way."""
        return self.base_only + self.test_only + self.mismatch_count


@dataclass(frozen=True)
class MatchStats:
    """How well the identifiers of both data sets meet; counts of rows, of distinct identifiers, and of pairs."""

    base_with_id_count: int = 0
    test_with_id_count: int = 0
    identifiers_count: int = 0
    ids_missing_in_base_count: int = 0
    ids_missing_in_test_count: int = 0
    matching_pairs_count: int = 0
    base_missing_id_count: int = 0
    test_missing_id_count: int = 0
    duplicate_id_count: int = 0


@dataclass(frozen=True)
class SkewPair:
    """A pair of rows that differ, and in which features."""

    base: Mapping[str, Any]
    test: Mapping[str, Any]
    base_only_features: tuple[str, ...] = ()
    test_only_features: tuple[str, ...] = ()
    matched_features: tuple[str, ...] = ()
    mismatched_features: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConfusionCount:
    """How often a base value met a test value in one feature."""

    feature_name: str
    base: str
    test: str
    count: int


@dataclass(frozen=True)
class FeatureSkewResult:
    """What `detect_feature_skew` found; features by name, confusion counts by feature and values."""

    skew_results: tuple[FeatureSkew, ...]
    match_stats: MatchStats
    skew_pairs: tuple[SkewPair, ...] = ()
    confusion: tuple[ConfusionCount, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """All counts as JSON values, without the rows of the pairs."""
        results = [{**asdict(r), "diff_count": r.diff_count} for r in self.skew_results]
        confusion = [asdict(c) for c in self.confusion]
        return {"skew_results": results, "match_stats": asdict(self.match_stats), "confusion": confusion}


def _frame(records: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    from trueline.data_validation.frames import frame_of

    return frame_of([[record[c] for c in columns] for record in records], columns)


def get_skew_result_dataframe(result: FeatureSkewResult) -> pd.DataFrame:
    """One row a feature, those with most differences first.

    Raises:
        ConfigError: when pandas is not installed.
    """
    counts = ("base_count", "test_count", "match_count", "base_only", "test_only", "mismatch_count", "diff_count")
    records = sorted(result.to_json()["skew_results"], key=lambda r: (-r["diff_count"], r["feature_name"]))
    return _frame(records, ("feature_name", *counts))


def get_match_stats_dataframe(result: FeatureSkewResult) -> pd.DataFrame:
    """One row with the counts of identifiers.

    Raises:
        ConfigError: when pandas is not installed.
    """
    stats = asdict(result.match_stats)
    return _frame([stats], tuple(stats))


def get_confusion_count_dataframes(result: FeatureSkewResult) -> dict[str, pd.DataFrame]:
    """By feature: base value, test value, count.

    Raises:
        ConfigError: when pandas is not installed.
    """
    names = dict.fromkeys(c.feature_name for c in result.confusion)
    columns = ("base", "test", "count")
    return {n: _frame([asdict(c) for c in result.confusion if c.feature_name == n], columns) for n in names}

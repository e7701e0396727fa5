"""One feature's statistics as plain values that the views draw: read from tensorflow-metadata's messages."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from trueline.display.html import number
from trueline.display.svg import Bucket

__all__ = [
    "TIMES",
    "DatasetFacts",
    "FeatureFacts",
    "Numbers",
    "Strings",
    "dataset_facts",
    "shown_duration",
    "shown_number",
]

_TYPES = {0: "int", 1: "float", 2: "string", 3: "bytes", 4: "struct"}
_KINDS = {"num_stats": "numeric", "string_stats": "categorical", "bytes_stats": "other", "struct_stats": "other"}
_QUANTILES = 1
TIMES = {"timestamp", "date"}


@dataclass(frozen=True)
class Numbers:
    """What is known of a numeric feature; `source` is its Arrow type where that says more than int or float."""

    mean: float
    std_dev: float
    zeros: int
    min: float
    median: float
    max: float
    nan: int
    standard: tuple[Bucket, ...]
    quantiles: tuple[float, ...]
    source: str = ""

    @property
    def infinite(self) -> float:
        """How many values are infinite: buckets of their own."""
        return sum(b.count for b in self.standard if b.low == b.high and math.isinf(b.low))


@dataclass(frozen=True)
class Strings:
    """What is known of a categorical feature; `top` are its most frequent values, best first."""

    unique: int
    mean_length: float
    invalid_utf8: int
    top: tuple[tuple[str, float], ...]
    ranked: tuple[float, ...] = ()


@dataclass(frozen=True)
class FeatureFacts:
    """One feature.

    Attributes:
        name: its path, steps joined by dots.
        type: int, float, string, bytes or struct, or its Arrow type where that says more (bool, timestamp).
        kind: ``numeric``, ``categorical`` or ``other``.
        present, missing: rows (or structs around it) that hold it and that lack it.
        least, most, mean_values: how many values a present row has.
        total: all values.
        numbers, strings: what is known of its values.
        extra: names and values of custom statistics, for people.
    """

    name: str
    type: str
    kind: str
    present: int
    missing: int
    least: int
    most: int
    mean_values: float
    total: int
    numbers: Numbers | None = None
    strings: Strings | None = None
    extra: tuple[tuple[str, str], ...] = ()

    @property
    def missing_share(self) -> float:
        """The fraction of rows that lack it; 0 where there are no rows."""
        rows = self.present + self.missing
        return self.missing / rows if rows else 0.0

    @property
    def is_list(self) -> bool:
        """Whether rows hold other numbers of values than one."""
        return self.present > 0 and (self.least, self.most) != (1, 1)


@dataclass(frozen=True)
class DatasetFacts:
    """One data set (or slice): its name, rows, features by name in their order, and the weight of its rows if any."""

    name: str
    rows: int
    features: dict[str, FeatureFacts] = field(default_factory=dict)
    weight: float = 0.0


def dataset_facts(dataset: Any) -> DatasetFacts:
    """The facts of a ``DatasetFeatureStatistics``."""
    found = [_feature(f) for f in dataset.features]
    return DatasetFacts(
        str(dataset.name), int(dataset.num_examples), {f.name: f for f in found}, float(dataset.weighted_num_examples)
    )


def _feature(proto: Any) -> FeatureFacts:
    name = ".".join(proto.path.step) if proto.path.step else str(proto.name)
    which = proto.WhichOneof("stats")
    custom = {stat.name: _custom(stat) for stat in proto.custom_stats}
    source = custom.pop("arrow_type", "")
    kind = source or _TYPES.get(proto.type, "?")
    if which is None:
        return FeatureFacts(name, kind, "other", 0, 0, 0, 0, 0.0, 0, extra=tuple(custom.items()))
    stats = getattr(proto, which)
    common = stats.common_stats
    return FeatureFacts(
        name=name,
        type=kind,
        kind=_KINDS[which],
        present=int(common.num_non_missing),
        missing=int(common.num_missing),
        least=int(common.min_num_values),
        most=int(common.max_num_values),
        mean_values=float(common.avg_num_values),
        total=int(common.tot_num_values),
        numbers=_numbers(stats, source) if which == "num_stats" else None,
        strings=_strings(stats) if which == "string_stats" else None,
        extra=(*custom.items(), *_more(which, stats)),
    )


def _custom(stat: Any) -> str:
    """A custom statistic for people; messages and histograms only by their kind."""
    which = stat.WhichOneof("val")
    if which == "num":
        return number(stat.num)
    if which == "str":
        return str(stat.str)
    if which == "rank_histogram":
        return ", ".join(f"{b.label}: {number(b.sample_count)}" for b in stat.rank_histogram.buckets[:20])
    return f"({which})" if which else ""


def _more(which: str, stats: Any) -> list[tuple[str, str]]:
    if which == "bytes_stats":
        lengths = (stats.min_num_bytes, stats.avg_num_bytes, stats.max_num_bytes)
        return [("bytes (least, mean, most)", ", ".join(number(float(n)) for n in lengths))]
    weighted = stats.common_stats.weighted_common_stats if which != "struct_stats" else None
    if weighted is None or not stats.common_stats.HasField("weighted_common_stats"):
        return []
    found = [("weight of present rows", number(float(weighted.num_non_missing)))]
    if which == "num_stats" and stats.HasField("weighted_numeric_stats"):
        by_weight = stats.weighted_numeric_stats
        found += [("weighted mean", number(by_weight.mean)), ("weighted median", number(by_weight.median))]
    return found


def _numbers(stats: Any, source: str) -> Numbers:
    standard: tuple[Bucket, ...] = ()
    quantiles: tuple[float, ...] = ()
    nan = 0
    for found in stats.histograms:
        nan = max(nan, int(found.num_nan))
        if found.type == _QUANTILES:
            quantiles = tuple(
                [found.buckets[0].low_value, *(b.high_value for b in found.buckets)] if found.buckets else ()
            )
        else:
            standard = tuple(Bucket(b.low_value, b.high_value, b.sample_count) for b in found.buckets)
    figures = (stats.mean, stats.std_dev, int(stats.num_zeros), stats.min, stats.median, stats.max)
    return Numbers(*figures, nan, standard, quantiles, source)


def _strings(stats: Any) -> Strings:
    top = tuple((v.value, float(v.frequency)) for v in stats.top_values)
    ranked = tuple(float(b.sample_count) for b in stats.rank_histogram.buckets)
    return Strings(int(stats.unique), float(stats.avg_length), int(stats.invalid_utf8_count), top, ranked)


def shown_number(value: float, source: str = "") -> str:
    """A value of a feature for people: microseconds of a point in time as a date."""
    if source in TIMES and math.isfinite(value):
        try:
            moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(microseconds=value)
        except OverflowError:
            return number(value)
        return moment.strftime("%Y-%m-%d" if source == "date" else "%Y-%m-%d %H:%M")
    if not math.isfinite(value) or abs(value) < 1e9:
        return number(value)
    return f"{int(value):,}" if value == int(value) and abs(value) < 1e13 else f"{value:.4g}"


def shown_duration(value: float, source: str = "") -> str:
    """A distance between two values of a feature for people: microseconds between points in time as days or less."""
    if source not in TIMES or not math.isfinite(value):
        return shown_number(value)
    for unit, size in (("d", 86_400e6), ("h", 3_600e6), ("min", 60e6), ("s", 1e6), ("ms", 1e3)):
        if abs(value) >= size:
            return f"{number(value / size)} {unit}"
    return f"{number(value)} µs" if value else "0"


def overall(statistics: Any, slice_name: str | None = None) -> Any | None:
    """The dataset of a list that is to be shown: the named slice, else the one of all examples, else the first.

    Raises:
        KeyError: when there is no such slice; its text tells which there are.
    """
    datasets: Sequence[Any] = statistics.datasets
    if slice_name is not None:
        for dataset in datasets:
            if dataset.name == slice_name:
                return dataset
        raise KeyError(f"there is no slice {slice_name!r}, there are {[d.name for d in datasets]}")
    if not datasets:
        return None
    return next((d for d in datasets if d.name in ("", "All Examples")), datasets[0])

"""The part of a card about the data: rows, statistics, schema and anomalies."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AnomalyFacts", "DataFacts", "SchemaFacts", "SourceFacts", "SplitFacts", "StatisticsFacts"]


@dataclass(frozen=True)
class SplitFacts:
    """A split and how many rows it has."""

    name: str
    rows: int


@dataclass(frozen=True)
class SourceFacts:
    """Where rows came from: its name without its place, rows, and rows that could not be read."""

    name: str
    rows: int
    rejects: int = 0


@dataclass(frozen=True)
class StatisticsFacts:
    """A feature's statistics.

    Attributes:
        name: its path.
        type: int, float, string, bytes or struct.
        rows: rows of the split.
        missing: rows that lack it.
        unique: how many different values, for texts.
        mean, std_dev, min, median, max: of numbers.
        zeros: share of numbers that are 0, from 0 to 1.
        top: the most frequent value, for texts.
        top_share: its share of all values, from 0 to 1.
    """

    name: str
    type: str
    rows: int = 0
    missing: int = 0
    unique: int | None = None
    mean: float | None = None
    std_dev: float | None = None
    min: float | None = None
    median: float | None = None
    max: float | None = None
    zeros: float | None = None
    top: str | None = None
    top_share: float | None = None

    @property
    def missing_share(self) -> float:
        """Share of rows that lack the feature, from 0 to 1; 0 for no rows at all."""
        return self.missing / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class SchemaFacts:
    """What the schema promises of a feature, in words."""

    name: str
    type: str
    presence: str = ""
    domain: str = ""


@dataclass(frozen=True)
class AnomalyFacts:
    """Where data and schema part."""

    split: str
    feature: str
    severity: str
    short: str
    long: str = ""


@dataclass(frozen=True)
class DataFacts:
    """The data. A part that is None was not given; an empty one was, and is empty.

    Attributes:
        splits: of the rows that the line read.
        sources: where they came from; the first ones, see `sources_left`.
        sources_left: how many more sources there are.
        span, version: of the rows, where they have one.
        statistics: by feature, of the split `statistics_split`; the first ones.
        statistics_left: how many more features there are.
        schema: by feature; the first ones.
        schema_left: how many more features there are.
        anomalies: of all splits.
        examples_fingerprint: the rows' contents.
    """

    splits: tuple[SplitFacts, ...] | None = None
    sources: tuple[SourceFacts, ...] = ()
    sources_left: int = 0
    span: int | None = None
    version: int | None = None
    statistics: tuple[StatisticsFacts, ...] | None = None
    statistics_split: str = ""
    statistics_left: int = 0
    schema: tuple[SchemaFacts, ...] | None = None
    schema_left: int = 0
    anomalies: tuple[AnomalyFacts, ...] | None = None
    examples_fingerprint: str = ""

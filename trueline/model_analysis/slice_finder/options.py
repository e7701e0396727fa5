"""What a search is asked for, checked at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline.model_analysis.slice_finder.contrasts import ADJUSTMENTS

__all__ = ["Options"]


@dataclass(frozen=True)
class Options:
    """The options of `find_slices`, which describes them.

    Raises:
        ConfigError: every problem at once.
    """

    max_order: int
    min_rows: int | None
    max_share: float
    min_effect: float
    top_k: int
    alpha: float
    multiplicity: str
    confirm: bool
    buckets: int
    max_values: int
    max_overlap: float
    seed: int

    def __post_init__(self) -> None:
        checks = (
            ("max_order", self.max_order in (1, 2, 3), "it is 1, 2 or 3"),
            ("min_rows", self.min_rows is None or self.min_rows >= 20, "at least 20 rows are needed for a test"),
            ("max_share", 0 < self.max_share <= 1, "it is above 0 and at most 1"),
            ("min_effect", self.min_effect >= 0, "it is 0 or more"),
            ("top_k", self.top_k >= 1, "it is 1 or more"),
            ("alpha", 0 < self.alpha < 0.5, "it lies between 0 and 0.5"),
            ("multiplicity", self.multiplicity in ADJUSTMENTS, did_you_mean(self.multiplicity, ADJUSTMENTS)),
            ("buckets", 4 <= self.buckets <= 10, "it is 4 to 10"),
            ("max_values", 1 <= self.max_values <= 200, "it is 1 to 200"),
            ("max_overlap", 0 < self.max_overlap <= 1, "it is above 0 and at most 1"),
        )
        problems = [f"{name} is {getattr(self, name)!r}; {why}" for name, holds, why in checks if not holds]
        if problems:
            raise ConfigError("the search for slices cannot run", problems=problems)

    def to_json(self) -> dict[str, Any]:
        """JSON values alone."""
        return asdict(self)

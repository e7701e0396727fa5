"""What permutation importance found: how much worse a metric gets without each raw feature, slice by slice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from trueline.model_analysis.explain.explanation import Explanation

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.display.html import Html

__all__ = ["Importance", "PermutationImportance"]


@dataclass(frozen=True)
class Importance:
    """One group of features on one slice.

    Attributes:
        name: the feature, or the group.
        features: its raw features.
        slice: the slice's name, ``Overall`` for all rows.
        rows: labelled rows of the slice.
        value: by how much the metric gets worse; below 0 where it gets better; None where it is undefined.
        standard_error: of rows and dealings together.
        low, high: the two-sided interval.
        repeats: the value of each dealing.
        undefined: why there is no value.
    """

    name: str
    features: tuple[str, ...]
    slice: str
    rows: int
    value: float | None
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None
    repeats: tuple[float | None, ...] = ()
    undefined: str | None = None


@dataclass(frozen=True, eq=False)
class PermutationImportance(Explanation):
    """What `permutation_importance` found.

    Attributes:
        metric: what got worse.
        scores: the metric as the data are, by slice: value and standard error.
        entries: every group on every slice, slice by slice, the most important first.
        unlabelled: rows without a usable label, which are left out.
    """

    KIND: ClassVar[str] = "permutation_importance"
    TITLE: ClassVar[str] = "Permutation importance"
    metric: str
    scores: Mapping[str, tuple[float | None, float | None]]
    entries: tuple[Importance, ...]
    unlabelled: int

    def importance(self, slice: str = "Overall") -> dict[str, float]:
        """Feature or group -> importance on a slice, the greatest first; undefined ones are left out."""
        return {e.name: e.value for e in self.entries if e.slice == slice and e.value is not None}

    def content(self) -> dict[str, Any]:
        """JSON values."""
        entries = [{**vars(e), "features": list(e.features), "repeats": list(e.repeats)} for e in self.entries]
        scores = {k: list(v) for k, v in self.scores.items()}
        return {"metric": self.metric, "scores": scores, "entries": entries, "unlabelled": self.unlabelled}

    @classmethod
    def of_content(cls, model: Mapping[str, Any], options: Mapping[str, Any], content: Mapping[str, Any]) -> Self:
        """What `content` described."""
        entries = tuple(
            Importance(**{**e, "features": tuple(e["features"]), "repeats": tuple(e["repeats"])})
            for e in content["entries"]
        )
        scores = {str(k): (v[0], v[1]) for k, v in content["scores"].items()}
        return cls(model, options, str(content["metric"]), scores, entries, int(content["unlabelled"]))

    def to_table(self) -> pa.Table:
        """``slice, rows, feature, importance, standard_error, low, high, undefined``."""
        import pyarrow as pa

        e = self.entries
        return pa.table(
            {
                "slice": pa.array([x.slice for x in e], pa.string()),
                "rows": pa.array([x.rows for x in e], pa.int64()),
                "feature": pa.array([x.name for x in e], pa.string()),
                "importance": pa.array([x.value for x in e], pa.float64()),
                "standard_error": pa.array([x.standard_error for x in e], pa.float64()),
                "low": pa.array([x.low for x in e], pa.float64()),
                "high": pa.array([x.high for x in e], pa.float64()),
                "undefined": pa.array([x.undefined for x in e], pa.string()),
            }
        )

    def body(self) -> Html:
        """Bars with intervals, a picture a slice."""
        from trueline.model_analysis.explain.html_global import permutation_body

        return permutation_body(self)

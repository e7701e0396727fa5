"""What a search for counterfactuals found: the changed rows, what the model says of them, and a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from trueline.model_analysis.explain.explanation import Explanation

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.display.html import Html

__all__ = ["Counterfactual", "Counterfactuals"]


@dataclass(frozen=True)
class Counterfactual:
    """A changed row.

    Attributes:
        changes: feature -> (value before, value after), JSON values, None for missing.
        distance: Gower's distance from the row, 0 to 1.
        prediction: what the model says of it: a class or a number.
        probability: of that class.
    """

    changes: Mapping[str, tuple[Any, Any]]
    distance: float
    prediction: Any
    probability: float | None


@dataclass(frozen=True, eq=False)
class Counterfactuals(Explanation):
    """What `counterfactuals` found; `sentence` says it, also where nothing was found.

    Attributes:
        row: the ``__row__`` of the row.
        values: its raw values.
        prediction: what the model says of it.
        probability: of that class.
        wanted: what was looked for.
        found: changed rows: few changes first, then the nearest.
        asked: how many rows the search asked the model for.
        refused: changed rows that reached the goal and broke the schema.
    """

    KIND: ClassVar[str] = "counterfactuals"
    TITLE: ClassVar[str] = "Counterfactuals"
    row: int | None
    values: Mapping[str, Any]
    prediction: Any
    probability: float | None
    wanted: str
    found: tuple[Counterfactual, ...]
    asked: int
    refused: int

    def __bool__(self) -> bool:
        return bool(self.found)

    @property
    def sentence(self) -> str:
        """What was found, or that nothing was."""
        if not self.found:
            more = f"; {self.refused} changed rows reached it and broke the schema" if self.refused else ""
            return (
                f"No row with at most {self.options['max_changes']} changes within the bounds has {self.wanted}: "
                f"{self.asked:,} changed rows were asked{more}. This is no proof that there is none."
            )
        best = self.found[0]
        steps = ", ".join(f"{n} {_said(a)} to {_said(b)}" for n, (a, b) in best.changes.items())
        return f"{_said(self.prediction)} becomes {_said(best.prediction)} with {steps}."

    def content(self) -> dict[str, Any]:
        """JSON values."""
        found = [{**vars(f), "changes": {n: list(c) for n, c in f.changes.items()}} for f in self.found]
        names = ("row", "values", "prediction", "probability", "wanted", "asked", "refused")
        return {**{n: getattr(self, n) for n in names}, "found": found}

    @classmethod
    def of_content(cls, model: Mapping[str, Any], options: Mapping[str, Any], content: Mapping[str, Any]) -> Self:
        """What `content` described."""
        found = tuple(
            Counterfactual(**{**f, "changes": {n: (a, b) for n, (a, b) in f["changes"].items()}})
            for f in content["found"]
        )
        rest = {n: content[n] for n in ("row", "values", "prediction", "probability", "wanted", "asked", "refused")}
        return cls(model, options, found=found, **rest)

    def to_table(self) -> pa.Table:
        """``rank, distance, prediction, probability, feature, before, after`` of each change; values as JSON texts."""
        import json

        import pyarrow as pa

        def text(value: Any) -> str:
            return json.dumps(value, ensure_ascii=False)

        records = [
            (i + 1, f.distance, text(f.prediction), f.probability, name, text(before), text(after))
            for i, f in enumerate(self.found)
            for name, (before, after) in f.changes.items()
        ]
        names = ["rank", "distance", "prediction", "probability", "feature", "before", "after"]
        types = [pa.int64(), pa.float64(), pa.string(), pa.float64(), pa.string(), pa.string(), pa.string()]
        return pa.table({n: pa.array([r[i] for r in records], types[i]) for i, n in enumerate(names)})

    def body(self) -> Html:
        """The sentence, and a table of changes."""
        from trueline.model_analysis.explain.html_local import counterfactuals_body

        return counterfactuals_body(self)


def _said(value: Any) -> str:
    return "missing" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)

"""What partial dependence found: mean scores over the values of a feature or a pair by slice, and single rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from trueline._core.errors import ConfigError, did_you_mean
from trueline.model_analysis.explain.explanation import Explanation, plain
from trueline.model_analysis.explain.target import Floats

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.display.html import Html

__all__ = ["Dependence", "PartialDependence"]


@dataclass(frozen=True, eq=False)
class Dependence:
    """The dependence on one feature, or on a pair.

    Attributes:
        features: one or two raw features.
        numeric: whether each is a number.
        grid: the values of each, as JSON values; None is missing.
        shares: the share of the rows that each value stands for.
        average: slice name -> ``[K, G]`` or ``[K, G1, G2]`` means.
        errors: slice name -> standard errors of the means, rows as drawn at random.
        individual: ``[N, K, G]`` curves of single rows; None where they were not asked for, or of a pair.
        rows: ``__row__`` of those rows.
    """

    features: tuple[str, ...]
    numeric: tuple[bool, ...]
    grid: tuple[tuple[Any, ...], ...]
    shares: tuple[tuple[float, ...], ...]
    average: Mapping[str, Floats]
    errors: Mapping[str, Floats]
    individual: Floats | None = None
    rows: tuple[int | None, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "features": list(self.features),
            "numeric": list(self.numeric),
            "grid": [list(g) for g in self.grid],
            "shares": [list(s) for s in self.shares],
            "average": {k: v.tolist() for k, v in self.average.items()},
            "errors": {k: plain(v) for k, v in self.errors.items()},
            "individual": None if self.individual is None else self.individual.tolist(),
            "rows": list(self.rows),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` described."""
        curves = data["individual"]
        return cls(
            tuple(map(str, data["features"])), tuple(map(bool, data["numeric"])), tuple(map(tuple, data["grid"])),
            tuple(map(tuple, data["shares"])), {k: np.array(v, np.float64) for k, v in data["average"].items()},
            {k: np.array(v, np.float64) for k, v in data["errors"].items()},
            None if curves is None else np.array(curves, np.float64), tuple(data["rows"]),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class PartialDependence(Explanation):
    """What `partial_dependence` found.

    Attributes:
        outputs: what each of the K scores is.
        parts: one for each feature or pair that was asked for.
        counts: slice name -> rows.
        centred: whether every curve starts at 0, at the grid's first value.
    """

    KIND: ClassVar[str] = "partial_dependence"
    TITLE: ClassVar[str] = "Partial dependence"
    outputs: tuple[str, ...]
    parts: tuple[Dependence, ...]
    counts: Mapping[str, int]
    centred: bool

    def part(self, *features: str) -> Dependence:
        """The dependence on a feature, or on a pair.

        Raises:
            ConfigError: it was not asked for.
        """
        found = next((p for p in self.parts if p.features == features), None)
        if found is None:
            names = [" × ".join(p.features) for p in self.parts]
            raise ConfigError(
                f"no dependence on {' × '.join(features)}", hint=did_you_mean(" × ".join(features), names)
            )
        return found

    def content(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outputs": list(self.outputs),
            "parts": [p.to_json() for p in self.parts],
            "counts": dict(self.counts),
            "centred": self.centred,
        }

    @classmethod
    def of_content(cls, model: Mapping[str, Any], options: Mapping[str, Any], content: Mapping[str, Any]) -> Self:
        """What `content` described."""
        parts = tuple(Dependence.from_json(p) for p in content["parts"])
        counts = {str(k): int(v) for k, v in content["counts"].items()}
        return cls(model, options, tuple(map(str, content["outputs"])), parts, counts, bool(content["centred"]))

    def to_table(self) -> pa.Table:
        """``slice, output, feature, value, second_feature, second_value, average, standard_error`` of the means.

        Values of features are JSON texts, for they are of many types.
        """
        import json

        import pyarrow as pa

        def text(value: Any) -> str:
            return json.dumps(value, ensure_ascii=False)

        records: list[tuple[Any, ...]] = []
        for part in self.parts:
            second = part.features[1] if len(part.features) > 1 else None
            places = list(np.ndindex(*(len(g) for g in part.grid)))
            for slice, means in part.average.items():
                for k, output in enumerate(self.outputs):
                    for place in places:
                        other = None if second is None else text(part.grid[1][place[1]])
                        value, error = float(means[k][place]), float(part.errors[slice][k][place])
                        records.append(
                            (slice, output, part.features[0], text(part.grid[0][place[0]]), second, other, value, error)
                        )
        types = [pa.string()] * 6 + [pa.float64()] * 2
        names = ["slice", "output", "feature", "value", "second_feature", "second_value", "average", "standard_error"]
        return pa.table({n: pa.array([r[i] for r in records], types[i]) for i, n in enumerate(names)})

    def body(self) -> Html:
        """A picture for each feature and output; a pair as a map."""
        from trueline.model_analysis.explain.html_global import dependence_body

        return dependence_body(self)

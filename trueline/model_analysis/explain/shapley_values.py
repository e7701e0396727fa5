"""SHAP values as an object: importance by output and slice, tables, a page, and the library shap's own form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from trueline._core.errors import ConfigError, did_you_mean
from trueline.model_analysis.explain.explanation import Explanation
from trueline.model_analysis.explain.target import Floats

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.display.html import Html

__all__ = ["ShapValues"]


@dataclass(frozen=True, eq=False)
class ShapValues(Explanation):
    """What `shap_values` found.

    Attributes:
        method: how.
        features: raw features, F, in the signature's order.
        outputs: what each of the K scores is.
        values: ``[N, K, F]``; over the features they add up to `scores` less `base`.
        scores: ``[N, K]``.
        base: the mean score of the background, ``[K]``.
        errors: standard errors of sampled values ``[N, K, F]``; None where the values are exact.
        rows: ``__row__`` of each row, None where it has none.
        raw: the raw values of each row, as JSON values.
        slices: slice name -> places of its rows.
    """

    KIND: ClassVar[str] = "shap_values"
    TITLE: ClassVar[str] = "SHAP values"
    method: str
    features: tuple[str, ...]
    outputs: tuple[str, ...]
    values: Floats
    scores: Floats
    base: Floats
    errors: Floats | None
    rows: tuple[int | None, ...]
    raw: tuple[tuple[Any, ...], ...]
    slices: Mapping[str, tuple[int, ...]]

    def output(self, name: str | int | None = None) -> int | None:
        """The place of an output; None for all.

        Raises:
            ConfigError: there is no such output.
        """
        if name is None or isinstance(name, int):
            if name is not None and not 0 <= name < len(self.outputs):
                raise ConfigError(f"there is no output {name}", hint=f"there are {len(self.outputs)}, from 0 on.")
            return name
        if name not in self.outputs:
            raise ConfigError(f"there is no output {name!r}", hint=did_you_mean(name, self.outputs))
        return self.outputs.index(name)

    def importance(self, output: str | int | None = None, slice: str = "Overall") -> dict[str, float]:
        """Feature -> mean absolute value, the greatest first; of several outputs the sum over them.

        Raises:
            ConfigError: there is no such output or slice.
        """
        if slice not in self.slices:
            raise ConfigError(f"there is no slice {slice!r}", hint=did_you_mean(slice, self.slices))
        place = self.output(output)
        chosen = self.values[list(self.slices[slice])]
        chosen = chosen if place is None else chosen[:, [place]]
        size = np.abs(chosen).mean(axis=0).sum(axis=0) if len(chosen) else np.zeros(len(self.features))
        return {self.features[i]: float(size[i]) for i in np.argsort(-size, kind="stable")}

    def summary(self) -> pa.Table:
        """``slice, output, feature, rows, mean_absolute, mean, least, greatest`` of the values."""
        import pyarrow as pa

        records = []
        for slice, places in self.slices.items():
            for k, output in enumerate(self.outputs):
                v = self.values[list(places), k]
                for f, feature in enumerate(self.features):
                    found = [np.abs(v[:, f]).mean(), v[:, f].mean(), v[:, f].min(), v[:, f].max()]
                    records.append([slice, output, feature, len(places), *map(float, found)])
        names = ["slice", "output", "feature", "rows", "mean_absolute", "mean", "least", "greatest"]
        return pa.table({n: [r[i] for r in records] for i, n in enumerate(names)})

    def to_table(self) -> pa.Table:
        """One row for each row and output: ``__row__, output, score, base`` and ``attribution:<feature>``."""
        import pyarrow as pa

        n, k, _ = self.values.shape
        columns: dict[str, Any] = {
            "__row__": pa.array(np.repeat(np.array(self.rows, object), k).tolist(), pa.int64()),
            "output": pa.array(list(self.outputs) * n, pa.string()),
            "score": self.scores.reshape(-1),
            "base": np.tile(self.base, n),
        }
        flat = self.values.reshape(n * k, -1)
        return pa.table(columns | {f"attribution:{f}": flat[:, i] for i, f in enumerate(self.features)})

    def to_shap(self) -> Any:
        """The values as a ``shap.Explanation``, for the plots of the library shap (extra ``explain``).

        Raises:
            ConfigError: shap is not installed.
        """
        import importlib

        try:
            shap = importlib.import_module("shap")
        except ImportError as error:
            raise ConfigError("the library shap is not installed", hint="pip install 'trueline[explain]'") from error
        one = len(self.outputs) == 1
        raw = np.array([[np.nan if v is None else v for v in row] for row in self.raw], object)
        values = self.values[:, 0] if one else self.values.transpose(0, 2, 1)
        return shap.Explanation(
            values=values,
            base_values=np.tile(self.base, (len(values), 1))[:, 0] if one else np.tile(self.base, (len(values), 1)),
            data=raw,
            feature_names=list(self.features),
            output_names=None if one else list(self.outputs),
        )

    def content(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "method": self.method,
            "features": list(self.features),
            "outputs": list(self.outputs),
            "values": self.values.tolist(),
            "scores": self.scores.tolist(),
            "base": self.base.tolist(),
            "errors": None if self.errors is None else self.errors.tolist(),
            "rows": list(self.rows),
            "raw": [list(r) for r in self.raw],
            "slices": {k: list(v) for k, v in self.slices.items()},
        }

    @classmethod
    def of_content(cls, model: Mapping[str, Any], options: Mapping[str, Any], content: Mapping[str, Any]) -> Self:
        """What `content` described."""
        c = content
        n, k, f = len(c["rows"]), len(c["outputs"]), len(c["features"])
        errors = None if c["errors"] is None else np.array(c["errors"], np.float64).reshape(n, k, f)
        return cls(
            model, options, str(c["method"]), tuple(map(str, c["features"])), tuple(map(str, c["outputs"])),
            np.array(c["values"], np.float64).reshape(n, k, f), np.array(c["scores"], np.float64).reshape(n, k),
            np.array(c["base"], np.float64).reshape(k), errors, tuple(c["rows"]), tuple(tuple(r) for r in c["raw"]),
            {str(name): tuple(map(int, places)) for name, places in c["slices"].items()},
        )  # fmt: skip

    def body(self) -> Html:
        """Importance by output and slice, the spread of the values, and the first rows as waterfalls."""
        from trueline.model_analysis.explain.html_shapley import shap_body

        return shap_body(self)

"""A local surrogate: a weighted ridge regression that says, near one row, what the model does.

After LIME (Ribeiro, Singh and Guestrin 2016). Samples keep some of the row's raw features and take the others from rows
of the background, each feature from a row of its own; they weigh ``exp(-d^2 / width^2)`` with the Euclidean norm ``d``
of Gower's distances by feature. The fit says how good it is: read the local R2 first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ConfigError, DataError, did_you_mean
from trueline.model_analysis.explain.distance import Gower, numbers_of
from trueline.model_analysis.explain.explanation import Explanation, plain
from trueline.model_analysis.explain.grids import is_number
from trueline.model_analysis.explain.rows import Pool, row_numbers, sample_rows
from trueline.model_analysis.explain.target import Floats, Target, model_facts, target_of

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.display.html import Html
    from trueline.model_analysis.explain.rows import Ints

__all__ = ["REPRESENTATIONS", "LocalSurrogate", "lime_surrogate"]

REPRESENTATIONS = ("binary", "standardised")


@dataclass(frozen=True, eq=False)
class LocalSurrogate(Explanation):
    """What `lime_surrogate` found.

    Attributes:
        features: raw features, F, in the signature's order.
        outputs: what each of the K scores is.
        values: the row's raw values, as JSON values.
        row: its ``__row__``.
        coefficients: ``[K, F]``; 0 for features that were not chosen. Of ``binary``: what the row's own value adds over
            values of the background. Of ``standardised``: for numbers, what one standard deviation more adds.
        intercept: ``[K]``.
        scores: the model's own scores of the row, ``[K]``.
        fitted: what the surrogate says of the row, ``[K]``.
        r2: the weighted share of the variance near the row that the surrogate explains, ``[K]``; NaN where the score
            does not vary.
    """

    KIND: ClassVar[str] = "lime_surrogate"
    TITLE: ClassVar[str] = "Local surrogate"
    features: tuple[str, ...]
    outputs: tuple[str, ...]
    values: tuple[Any, ...]
    row: int | None
    coefficients: Floats
    intercept: Floats
    scores: Floats
    fitted: Floats
    r2: Floats

    def content(self) -> dict[str, Any]:
        """JSON values."""
        arrays = {n: getattr(self, n) for n in _ARRAYS}
        head = {"features": list(self.features), "outputs": list(self.outputs), "values": list(self.values)}
        return {**head, "row": self.row, **{n: plain(a) for n, a in arrays.items()}}

    @classmethod
    def of_content(cls, model: Mapping[str, Any], options: Mapping[str, Any], content: Mapping[str, Any]) -> Self:
        """What `content` described."""
        c = content
        shape = {"coefficients": (len(c["outputs"]), len(c["features"]))}
        arrays = [np.array(c[n], np.float64).reshape(shape.get(n, (len(c["outputs"]),))) for n in _ARRAYS]
        named = dict(zip(_ARRAYS, arrays, strict=True))
        features, outputs = tuple(map(str, c["features"])), tuple(map(str, c["outputs"]))
        return cls(model, options, features, outputs, tuple(c["values"]), c["row"], *(named[n] for n in _ARRAYS))

    def to_table(self) -> pa.Table:
        """``output, feature, value, coefficient, score, fitted, r2``; values as JSON texts."""
        import json

        import pyarrow as pa

        k, f = self.coefficients.shape
        return pa.table(
            {
                "output": np.repeat(np.array(self.outputs, object), f).tolist(),
                "feature": list(self.features) * k,
                "value": [json.dumps(v, ensure_ascii=False) for v in self.values] * k,
                "coefficient": self.coefficients.reshape(-1),
                "score": np.repeat(self.scores, f),
                "fitted": np.repeat(self.fitted, f),
                "r2": np.repeat(self.r2, f),
            }
        )

    def body(self) -> Html:
        """Bars for each output, with how good the fit is."""
        from trueline.model_analysis.explain.html_local import surrogate_body

        return surrogate_body(self)


_ARRAYS = ("coefficients", "intercept", "scores", "fitted", "r2")


def lime_surrogate(
    model: Any,
    row: Any,
    background: Any,
    *,
    samples: int = 2000,
    representation: str = "binary",
    max_features: int | None = None,
    kernel_width: float | None = None,
    ridge: float = 1.0,
    output_class: Any = None,
    link: str = "identity",
    background_rows: int = 1000,
    seed: int = 0,
) -> LocalSurrogate:
    """What the model does near one row, as a linear function of few raw features.

    Args:
        model: a Model, or a model's folder.
        row: one raw row, in any form.
        background: rows that the changed features come from; of more than `background_rows` that many.
        samples: rows that are made around the row, itself among them.
        representation: ``binary`` (does a feature have the row's value?) or ``standardised`` (numbers as distances from
            the row's value in standard deviations of the background, where missing stands at the background's mean; all
            others as in ``binary``).
        max_features: only so many features, those that matter most in a first fit; all if None.
        kernel_width: how wide "near" is; ``0.75 * sqrt(F)`` if None.
        ridge: the weight of the squared coefficients.
        output_class, link: see `shap_values`.
        background_rows: background rows at most.
        seed: of the samples.

    Raises:
        ConfigError: a number or name that does not fit.
        DataError: no row or several, or columns that are not there.
    """
    target = target_of(model, output_class, link)
    count = len(target.features)
    width = 0.75 * float(np.sqrt(count)) if kernel_width is None else float(kernel_width)
    if representation not in REPRESENTATIONS:
        raise ConfigError(
            f"there is no representation {representation!r}", hint=did_you_mean(str(representation), REPRESENTATIONS)
        )
    if samples < 10 or not width > 0 or ridge < 0 or (max_features is not None and max_features < 1):
        raise ConfigError(
            f"samples={samples}, kernel_width={width:g}, ridge={ridge:g}, max_features={max_features}",
            hint="at least 10 samples, a width above 0, a ridge of 0 or more, at least one feature.",
        )
    own = sample_rows(row, target, None, seed, (), "the row to explain")
    if own.num_rows != 1:
        raise DataError(f"{own.num_rows} rows where one is to be explained", hint="give one row.")
    others = sample_rows(background, target, background_rows, seed, (), "the background")
    design, weights, scores = _samples(target, own, others, samples, representation, width, seed)
    coefficients, intercept, r2 = _fit(design, weights, scores, ridge, max_features)
    fitted = intercept + np.einsum("kf,f->k", coefficients, design[0])
    options = {
        "samples": samples, "representation": representation, "max_features": max_features, "kernel_width": width,
        "ridge": ridge, "output_class": plain(output_class), "link": link, "seed": seed,
    }  # fmt: skip
    names = target.feature_names
    values = tuple(plain(own.column(n)[0].as_py()) for n in names)
    return LocalSurrogate(
        model_facts(target), options, names, target.names, values, row_numbers(own)[0],
        coefficients, intercept, scores[0], fitted, r2,
    )  # fmt: skip


def _samples(
    target: Target, own: pa.Table, others: pa.Table, samples: int, representation: str, width: float, seed: int
) -> tuple[Floats, Floats, Floats]:
    """Design ``[S, F]``, weights ``[S]`` and scores ``[S, K]``; the first sample is the row itself."""
    import pyarrow as pa

    from trueline.models.model_data import as_table

    count = len(target.features)
    pool = Pool(target, pa.concat_tables([as_table(own, target.features), as_table(others, target.features)]))
    rng = np.random.default_rng([seed, count])
    kept: npt.NDArray[np.bool_] = rng.random((samples, count)) < 0.5
    kept[0] = True
    places: Ints = np.where(kept, 0, rng.integers(1, len(pool), (samples, count)))
    gower = Gower(target.features, pool.table.slice(1))
    encoded = gower.encode(pool.table)
    each = gower.each([type(e)(e.values[:1], e.present[:1]) for e in encoded], encoded)[0]  # [P, F]
    apart = np.take_along_axis(each, places, axis=0)
    weights = np.exp(-np.square(apart).sum(axis=1) / width**2)
    design = (apart == 0).astype(np.float64)
    if representation == "standardised":
        for f, feature in enumerate(target.features):
            if is_number(feature):
                design[:, f] = _standardised(numbers_of(pool.table.column(feature.name), feature.dtype))[places[:, f]]
    return design, weights, pool.scores(places)


def _standardised(values: Floats) -> Floats:
    """Distances from the first value in standard deviations of the others; what is missing stands at their mean."""
    others = values[1:][np.isfinite(values[1:])]
    mean, spread = (float(others.mean()), float(others.std())) if len(others) else (0.0, 0.0)
    filled = np.where(np.isfinite(values), values, mean)
    apart: Floats = (filled - filled[0]) / (spread or 1.0)
    return apart


def _fit(
    design: Floats, weights: Floats, scores: Floats, ridge: float, most: int | None
) -> tuple[Floats, Floats, Floats]:
    """Coefficients ``[K, F]``, intercepts and weighted R2 ``[K]``; sums without BLAS, which may add in any order."""
    total = weights.sum()
    centre, middle = (weights[:, None] * design).sum(axis=0) / total, (weights[:, None] * scores).sum(axis=0) / total
    x, y = design - centre, scores - middle
    coefficients = _ridge(x, y, weights, ridge)
    if most is not None and most < x.shape[1]:
        size = np.abs(coefficients) * np.sqrt((weights[:, None] * x * x).sum(axis=0) / total)
        for k, order in enumerate(np.argsort(-size, axis=1, kind="stable")):
            chosen = np.sort(order[:most])
            coefficients[k] = 0.0
            coefficients[k, chosen] = _ridge(x[:, chosen], y[:, [k]], weights, ridge)[0]
    rest = y - np.einsum("sf,kf->sk", x, coefficients)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = (weights[:, None] * y * y).sum(axis=0)
        r2 = np.where(spread > 1e-18 * total, 1 - (weights[:, None] * rest * rest).sum(axis=0) / spread, np.nan)
    return coefficients, middle - np.einsum("kf,f->k", coefficients, centre), r2


def _ridge(x: Floats, y: Floats, weights: Floats, ridge: float) -> Floats:
    gram = np.einsum("s,sf,sg->fg", weights, x, x) + ridge * np.eye(x.shape[1])
    right = np.einsum("s,sf,sk->fk", weights, x, y)
    if ridge == 0:
        found: Floats = np.linalg.lstsq(gram, right, rcond=None)[0].T
        return found
    solved: Floats = np.linalg.solve(gram, right).T
    return solved

"""Calibration in numpy against scikit-learn, its laws, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from trueline._core.errors import ModelError
from trueline.models import Calibration, fit_calibration


def scores(rows: int, seed: int = 3) -> tuple[Any, Any, Any]:
    """Overconfident probabilities, labels, weights."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 2, rows)
    y = rng.random(rows) < 1 / (1 + np.exp(-(0.5 * z + 0.3)))
    return (1 / (1 + np.exp(-2 * z))).astype(np.float32).astype(np.float64), y, rng.uniform(0.2, 3, rows)


def test_sigmoid_is_the_logistic_regression_of_log_odds_on_platts_targets() -> None:
    """Every row stands twice there, once as each class, weighted by its target: the same loss."""
    p, y, w = scores(800)
    made = fit_calibration(p, y, w)
    ones, zeros = w[y].sum(), w[~y].sum()
    target = np.where(y, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    rest = np.maximum(1 - p, 1e-7)
    z = np.log(np.maximum(p, 1e-7)) - np.log(rest)
    both = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000, solver="newton-cholesky").fit(
        np.tile(z, 2)[:, None], np.repeat([1, 0], len(z)), np.concatenate([w * target, w * (1 - target)])
    )
    np.testing.assert_allclose(made.curves[0]["a"], both.coef_[0, 0], rtol=1e-6)
    np.testing.assert_allclose(made.curves[0]["b"], both.intercept_[0], rtol=1e-6)
    np.testing.assert_allclose(made.apply(p), both.predict_proba(z[:, None])[:, 1], atol=1e-7)


def test_isotonic_is_scikit_learns_with_weights_and_equal_scores() -> None:
    p, y, w = scores(900)
    p = np.round(p, 2).astype(np.float32).astype(np.float64)  # many rows share a score
    made = fit_calibration(p, y, w, method="isotonic")
    theirs = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(p, y, w)
    asked = np.linspace(0, 1, 777)
    np.testing.assert_allclose(made.apply(asked), theirs.predict(asked), atol=1e-7)
    assert len(made.curves[0]["x"]) < len(np.unique(p))


def test_temperature_is_the_least_log_loss() -> None:
    rng = np.random.default_rng(5)
    z = rng.normal(0, 1, (700, 4))
    y = (z + rng.gumbel(0, 1, z.shape)).argmax(axis=1)
    hot = np.exp(z * 3)
    p = hot / hot.sum(axis=1, keepdims=True)
    made = fit_calibration(p, y, method="temperature")
    assert 2.5 < made.curves[0]["temperature"] < 3.6  # the logits were made three times too large

    def loss(t: float) -> float:
        q = Calibration("temperature", ({"temperature": t},)).apply(p)
        return float(-np.log(q[np.arange(len(y)), y]).mean())

    best = made.curves[0]["temperature"]
    assert loss(best) <= min(loss(best * 1.001), loss(best * 0.999))


def test_rows_without_a_label_are_left_out() -> None:
    import pyarrow as pa

    p, y, w = scores(60)
    gaps = pa.array([None if i % 5 == 0 else bool(v) for i, v in enumerate(y)])
    kept = np.arange(60) % 5 != 0
    made = fit_calibration(p, gaps, w, classes=[False, True])
    assert made == fit_calibration(p[kept], y[kept], w[kept])
    assert made.rows == 48


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_more_classes_sum_to_one_and_a_refit_gives_the_same_bits(method: Any) -> None:
    rng = np.random.default_rng(2)
    p = rng.dirichlet([1, 1, 1], 300)
    y = np.array(["a", "b", "c"])[[rng.choice(3, p=row) for row in p]]
    made = fit_calibration(p, y, method=method, classes=["a", "b", "c"])
    np.testing.assert_allclose(made.apply(p).sum(axis=1), 1)
    assert made == fit_calibration(p, y, method=method, classes=["a", "b", "c"])
    assert Calibration.from_json(made.to_json()) == made


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans(), st.floats(0.1, 10)), min_size=2, max_size=60))
def test_calibrated_probabilities_rise_with_the_models_own(rows: list[tuple[float, bool, float]]) -> None:
    """Law: isotonic never falls, stays in 0..1 and keeps the weighted mean of the labels; sigmoid stays in 0..1."""
    p, y, w = (np.array(column) for column in zip(*rows, strict=True))
    if y.all() or not y.any():
        with pytest.raises(ModelError, match="one class alone"):
            fit_calibration(p, y, w)
        return
    made = fit_calibration(p, y, w, method="isotonic")
    asked = np.linspace(0, 1, 101)
    assert (np.diff(made.apply(asked)) >= 0).all()
    assert ((made.apply(asked) >= 0) & (made.apply(asked) <= 1)).all()
    np.testing.assert_allclose(np.average(made.apply(p), weights=w), np.average(y, weights=w), rtol=1e-9)
    curve = fit_calibration(p, y, w).apply(asked)
    assert ((curve >= 0) & (curve <= 1)).all()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"probabilities": [0.1, 1.7], "labels": [0, 1]}, "outside 0..1"),
        ({"probabilities": [0.1, 0.7], "labels": [0, 1, 1]}, "2 rows of probabilities, 3 labels"),
        ({"probabilities": [0.1, 0.7], "labels": [0, 2]}, "places 0 to 1"),
        ({"probabilities": [0.1, 0.7], "labels": ["a", "z"], "classes": ["a", "b"]}, "'z'"),
        ({"probabilities": [0.1, 0.7], "labels": [0, 1], "weights": [1, -1]}, "negative"),
        ({"probabilities": [0.1, 0.7], "labels": [0, 1], "method": "sigmoyd"}, "Did you mean 'sigmoid'"),
    ],
)
def test_rows_that_cannot_be_fitted_are_refused(arguments: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        fit_calibration(**arguments)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"method": "isotonic", "curves": [{"x": [0.5, 0.2], "y": [0, 1]}]}, "x must rise"),
        ({"method": "isotonic", "curves": [{"x": [0.2], "y": [0, 1]}]}, "one length"),
        ({"method": "sigmoid", "curves": [{"a": float("nan"), "b": 0}]}, "not finite"),
        ({"method": "temperature", "curves": [{"temperature": 0}]}, "not positive"),
        ({"method": "temperature", "curves": []}, "no curve"),
        ({"method": "os:system", "curves": []}, "no calibration"),
        ({"method": "sigmoid"}, "does not parse"),
        ({"method": "sigmoid", "curves": [{"a": "x", "b": []}]}, "does not parse"),
        ({"method": ["sigmoid"], "curves": []}, "does not parse"),
    ],
)
def test_a_description_that_does_not_hold_together_is_refused(data: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        Calibration.from_json(data)

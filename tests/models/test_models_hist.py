"""scikit-learn's histogram gradient boosting by our own hand: categories, unknown ones, missing values, every loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tree_cases import CATEGORY, four, near_thresholds, positive, rows, run, target, two

from trueline._core.errors import ModelError
from trueline.models.exporters.boosters import booster_model, is_booster
from trueline.models.exporters.sklearn_hist import hist_gradient_model

ensemble = pytest.importorskip("sklearn.ensemble")

SMALL = {"max_iter": 12, "max_leaf_nodes": 15, "min_samples_leaf": 5}
X = rows()


def own(model: Any, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """scikit-learn's prediction."""
    return np.asarray(model.predict_proba(x) if hasattr(model, "predict_proba") else model.predict(x), np.float64)


def same(model: Any, base: npt.NDArray[np.float32], *, infinite: bool) -> None:
    """The graph says what scikit-learn says on thousands of rows beside thresholds, within two float32 steps."""
    made = hist_gradient_model(model)
    x = near_thresholds(made, base, infinite=infinite)
    expected = own(model, x)
    found = run(made, x)
    assert found.shape == expected.shape
    np.testing.assert_array_less(np.abs(found - expected) / np.maximum(1.0, np.abs(expected)), 2.5e-7)


def odd_categories() -> npt.NDArray[np.float32]:
    """Two columns of categories that are no small integers: negative ones and halves."""
    x = X.copy()
    x[:, CATEGORY] = X[:, CATEGORY] * 3 - 7
    x[:, 4] = np.nan_to_num(X[:, CATEGORY] % 3) + 0.5
    return x


@pytest.mark.parametrize(
    ("categorical", "base"),
    [
        pytest.param(None, X, id="numbers"),
        pytest.param([CATEGORY], X, id="categories"),
        pytest.param([CATEGORY, 4], odd_categories(), id="odd-categories"),
    ],
)
def test_predictions_agree_beside_every_threshold(categorical: Any, base: npt.NDArray[np.float32]) -> None:
    more = SMALL | {"categorical_features": categorical}
    infinite = categorical is None  # its encoder of categories refuses them
    same(ensemble.HistGradientBoostingClassifier(**more).fit(base, two(X)), base, infinite=infinite)
    same(ensemble.HistGradientBoostingClassifier(**more).fit(base, four(X)), base, infinite=infinite)
    same(ensemble.HistGradientBoostingRegressor(**more).fit(base, target(X)), base, infinite=infinite)


@pytest.mark.parametrize(
    ("loss", "labels"),
    [("absolute_error", target), ("quantile", target), ("poisson", positive), ("gamma", positive)],
)
def test_losses(loss: str, labels: Callable[[Any], Any]) -> None:
    more = {"quantile": 0.3} if loss == "quantile" else {}
    same(ensemble.HistGradientBoostingRegressor(loss=loss, **more, **SMALL).fit(X, labels(X)), X, infinite=True)


def test_missing_and_unknown_categories_of_columns_that_had_none() -> None:
    whole = rows(gaps=0.0)
    model = ensemble.HistGradientBoostingClassifier(categorical_features=[CATEGORY], **SMALL).fit(whole, two(whole))
    asked = whole.copy()
    asked[:, CATEGORY] = np.resize([np.nan, 99.0, -1.0, 0.5, 3.0], len(asked))
    np.testing.assert_allclose(run(hist_gradient_model(model), asked), model.predict_proba(asked), atol=2.5e-7)


def test_two_hundred_and_fifty_categories() -> None:
    x = rows(3000, categories=250)
    label = np.random.default_rng(3).normal(size=250)[np.nan_to_num(x[:, CATEGORY]).astype(int)]
    same(
        ensemble.HistGradientBoostingRegressor(categorical_features=[CATEGORY], **SMALL).fit(x, label),
        x,
        infinite=False,
    )


def test_early_stopping_keeps_what_was_built() -> None:
    more = SMALL | {"max_iter": 100}
    noise = np.random.default_rng(0).normal(size=len(X))
    model = ensemble.HistGradientBoostingRegressor(early_stopping=True, n_iter_no_change=2, random_state=0, **more)
    assert model.fit(X, noise).n_iter_ < 100
    same(model, X, infinite=True)


def test_the_booster_function_takes_it_and_names_input_and_output() -> None:
    model = ensemble.HistGradientBoostingClassifier(**SMALL).fit(X, np.array(["b", "a"])[two(X)])
    assert is_booster(model)
    made = booster_model(model, input_name="features")
    assert [i.name for i in made.graph.input] == ["features"]
    assert [o.name for o in made.graph.output] == ["probabilities"]
    assert made == hist_gradient_model(model, input_name="features")


def test_an_unfitted_estimator_and_text_categories_are_refused() -> None:
    import pandas as pd

    with pytest.raises(ModelError, match="HistGradientBoostingRegressor is not fitted"):
        hist_gradient_model(ensemble.HistGradientBoostingRegressor())
    frame = pd.DataFrame({"a": pd.Categorical(np.array(["u", "v"])[two(X)]), "b": X[:, 0]})
    model = ensemble.HistGradientBoostingRegressor(categorical_features="from_dtype", **SMALL).fit(frame, target(X))
    with pytest.raises(ModelError, match="categories that are no numbers"):
        hist_gradient_model(model)

"""The local surrogate: exact where the model is linear, honest about its fit where it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trueline._core.errors import ConfigError, DataError
from trueline.model_analysis.explain import lime_surrogate, load_explanation
from trueline.models import Model


def test_a_linear_model_is_found_again(sum_model: Model, room: Any) -> None:
    row, background = room.table.slice(0, 1), room.table.filter(room.table["size"].is_valid())
    found = lime_surrogate(sum_model, row, background, representation="standardised", ridge=0.0)
    assert found.r2[0] == pytest.approx(1, abs=1e-6)
    assert found.fitted[0] == pytest.approx(found.scores[0], abs=1e-4)
    for name, coefficient in {"size": 0.8, "depth": -0.5, "count": 0.3, "idle": 0.0}.items():
        spread = np.std(np.array(background[name].to_pylist(), float))
        assert found.coefficients[0, found.features.index(name)] == pytest.approx(coefficient * spread, abs=2e-3)


def test_the_row_s_own_value_counts_against_the_background_s(sum_model: Model, room: Any) -> None:
    """Of a sum, what the own value adds is coefficient times distance from the mean, but for sampling noise."""
    row = room.table.slice(2, 1)
    found = lime_surrogate(sum_model, row, room.table, samples=6000, kernel_width=50.0)
    own, mean = row["depth"][0].as_py(), np.mean(room.table["depth"].to_pylist())
    assert found.coefficients[0, found.features.index("depth")] == pytest.approx(-0.5 * (own - mean), abs=0.08)


def test_fit_seed_and_choice(tree_model_: Model, room: Any, tmp_path: Any) -> None:
    row = room.table.slice(5, 1)
    found, again = (lime_surrogate(tree_model_, row, room.table, seed=1) for _ in range(2))
    assert found.to_json() == again.to_json()
    assert 0 < found.r2[0] < 1
    assert lime_surrogate(tree_model_, row, room.table, seed=2).to_json() != found.to_json()
    few = lime_surrogate(tree_model_, row, room.table, max_features=2, seed=1)
    assert np.count_nonzero(few.coefficients) == 2
    assert few.r2[0] < found.r2[0]
    found.save(str(tmp_path / "l.json"))
    assert load_explanation(str(tmp_path / "l.json")).to_html() == found.to_html()
    assert found.to_table().num_rows == len(found.features)


def test_a_score_that_does_not_vary_has_no_fit(room: Any) -> None:
    from sklearn.linear_model import LinearRegression

    fitted = LinearRegression().fit(*room.matrix(("depth",), "price"))
    fitted.coef_ = np.zeros(1)
    model = room.build("flat", fitted, "price", ("depth",))
    found = lime_surrogate(model, room.table.slice(0, 1), room.table)
    assert np.isnan(found.r2[0])
    assert "does not vary" in found.to_html()


def test_every_class_has_a_line(class_model: Model, room: Any) -> None:
    found = lime_surrogate(class_model, room.table.slice(0, 1), room.table, samples=300)
    assert found.coefficients.shape == (3, len(found.features))
    np.testing.assert_allclose(found.coefficients.sum(axis=0), 0, atol=1e-6)  # probabilities add up to 1


def test_what_cannot_be_fitted_is_told(sum_model: Model, room: Any) -> None:
    def refused(match: str, row: Any = None, **more: Any) -> None:
        with pytest.raises((ConfigError, DataError), match=match):
            lime_surrogate(sum_model, room.table.slice(0, 1) if row is None else row, room.table, **more)

    refused("2 rows where one", room.table.slice(0, 2))
    refused("at least 10 samples", samples=3)
    refused("Did you mean 'binary'", representation="binari")
    refused("a width above 0", kernel_width=0)

"""SHAP values: they add up, keep Shapley's laws, equal known sums and each other, and refuse what they cannot do."""

from __future__ import annotations

from itertools import permutations
from math import factorial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueline._core.errors import ConfigError, DataError, ModelError
from trueline.model_analysis.explain import load_explanation, shap_values
from trueline.models import Model

COEFFICIENTS = {"size": 0.8, "depth": -0.5, "count": 0.3, "twin": -0.5, "idle": 0.0}


def added_up(found: Any) -> None:
    np.testing.assert_allclose(found.values.sum(axis=2), found.scores - found.base, atol=1e-12)


@pytest.mark.parametrize("method", ["exact", "sampling", "linear", "auto"])
def test_values_of_a_sum_are_coefficient_times_distance_from_the_mean(sum_model: Model, room: Any, method: str) -> None:
    """And so a feature without a coefficient gets 0, and features that do the same get the same."""
    rows, background = room.table.slice(0, 20), room.table.slice(100, 50)
    found = shap_values(sum_model, rows, background, method=method)
    added_up(found)
    for name, coefficient in COEFFICIENTS.items():
        own, mean = (
            np.array(t[name].fill_null(10.0) if name == "size" else t[name], float) for t in (rows, background)
        )
        expected = coefficient * (own - mean.mean())
        np.testing.assert_allclose(found.values[:, 0, found.features.index(name)], expected, atol=2e-5)
    assert np.abs(found.values[:, 0, found.features.index("idle")]).max() < 1e-6
    if found.errors is not None:
        assert found.errors.max() < 1e-5


def test_values_of_a_logistic_regression_are_those_of_its_log_odds(log_model: Model, room: Any) -> None:
    rows, background = room.table.slice(0, 20), room.table.slice(100, 50)
    found = shap_values(log_model, rows, background, method="linear")
    assert found.outputs == ("log odds of True",)
    added_up(found)
    expected = -0.5 * (np.array(rows["depth"]) - np.array(background["depth"]).mean())
    np.testing.assert_allclose(found.values[:, 0, found.features.index("depth")], expected, atol=1e-4)
    with pytest.raises(ModelError, match="no sum of functions of single raw features"):
        shap_values(log_model, rows, background, method="linear", link="identity")


def test_exact_values_are_the_mean_over_all_orders(forest_model: Model, room: Any) -> None:
    """The definition itself: every order of the features, every background row, one row at a time."""
    row, others = room.table.slice(3, 1), room.table.slice(50, 4)
    found = shap_values(forest_model, row, others, method="exact")
    names, taken = found.features, others
    expected = np.zeros(len(names))
    for order in permutations(range(len(names))):
        table = taken.select(list(names))
        before = forest_model.predict(table)["prediction"].to_numpy().mean()
        for f in order:
            own = pa.chunked_array([pa.concat_arrays([row[names[f]].chunk(0)] * 4)])
            table = table.set_column(f, names[f], own)
            after = forest_model.predict(table)["prediction"].to_numpy().mean()
            expected[f] += (after - before) / factorial(len(names))
            before = after
    np.testing.assert_allclose(found.values[0, 0], expected, atol=1e-6)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.integers(0, 300), rows=st.integers(1, 5), background=st.integers(1, 20), seed=st.integers(0, 9),
    method=st.sampled_from(["exact", "sampling"]), name=st.sampled_from(["tree_model_", "class_model", "rank_model"]),
)  # fmt: skip
def test_values_always_add_up(
    room: Any, request: pytest.FixtureRequest, start: int, rows: int, background: int, seed: int, method: str, name: str
) -> None:
    """Whatever the task, the sample and the method: texts, flags, lists and gaps included."""
    model = request.getfixturevalue(name)
    found = shap_values(
        model, room.table.slice(start, rows), room.table, method=method, background_rows=background,
        permutations=2, seed=seed,
    )  # fmt: skip
    added_up(found)
    assert np.isfinite(found.values).all()


def test_equal_features_get_equal_values(sum_model: Model, room: Any) -> None:
    same = room.table.set_column(room.table.column_names.index("twin"), "twin", room.table["depth"])
    found = shap_values(sum_model, same.slice(0, 10), same, method="sampling", permutations=3)
    depth, twin = (found.values[:, 0, found.features.index(n)] for n in ("depth", "twin"))
    np.testing.assert_allclose(depth, twin, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("tree_model_", "log odds of True"),
        ("class_model", "centred log probability of 'low'"),
        ("forest_model", "prediction"),
    ],
)
def test_trees_give_what_all_coalitions_of_raw_columns_give(
    name: str, output: str, room: Any, request: pytest.FixtureRequest
) -> None:
    """Though a one-hot column is many columns of the trees, and gaps go their own way through them."""
    model = request.getfixturevalue(name)
    rows, background = room.table.slice(0, 15), room.table.slice(100, 40)
    trees = shap_values(model, rows, background, method="tree")
    assert trees.outputs[0] == output
    added_up(trees)
    link = "identity" if name == "forest_model" else "log_odds"
    exact = shap_values(model, rows, background, method="exact", link=link)
    np.testing.assert_allclose(trees.values, exact.values, atol=5e-6)
    np.testing.assert_allclose(trees.scores, exact.scores, atol=5e-6)
    assert np.abs(trees.values).max() > 0.1


def test_trees_of_one_class(class_model: Model, room: Any) -> None:
    rows, background = room.table.slice(0, 5), room.table.slice(100, 20)
    every = shap_values(class_model, rows, background, method="tree")
    one = shap_values(class_model, rows, background, method="tree", output_class="mid")
    assert one.outputs == ("centred log probability of 'mid'",)
    np.testing.assert_array_equal(one.values[:, 0], every.values[:, 1])
    added_up(one)


def test_trees_of_several_raw_columns_at_once_are_refused(room: Any) -> None:
    from sklearn.tree import DecisionTreeRegressor

    features = ("mixture", "size")
    model = room.build(
        "mixture", DecisionTreeRegressor(max_depth=3).fit(*room.matrix(features, "price")), "price", features
    )
    with pytest.raises(ModelError, match="is made from 'count', 'depth'"):
        shap_values(model, room.table.slice(0, 3), room.table, method="tree")
    added_up(shap_values(model, room.table.slice(0, 3), room.table))  # the whole model may be asked all the same


def test_sampled_values_lie_within_their_errors(tree_model_: Model, room: Any) -> None:
    rows, background = room.table.slice(0, 12), room.table.slice(100, 30)
    exact = shap_values(tree_model_, rows, background, method="exact")
    few = shap_values(tree_model_, rows, background, method="sampling", permutations=8)
    many = shap_values(tree_model_, rows, background, method="sampling", permutations=64)
    for found in (few, many):
        z = np.abs(found.values - exact.values) / np.maximum(found.errors, 1e-6)
        assert np.quantile(z, 0.9) < 3.5
    assert np.abs(many.values - exact.values).mean() < np.abs(few.values - exact.values).mean()


def test_a_row_does_not_depend_on_the_others_nor_on_blocks(tree_model_: Model, room: Any) -> None:
    from trueline.engine import Dataset

    background = room.table.slice(100, 30)
    one = shap_values(tree_model_, room.table.slice(4, 1), background, method="sampling", permutations=4)
    more = shap_values(tree_model_, room.table.slice(0, 9), background, method="sampling", permutations=4)
    place = more.rows.index(one.rows[0])
    np.testing.assert_array_equal(more.values[place], one.values[0])
    first, again = (
        shap_values(tree_model_, Dataset.from_table(room.table, n), max_rows=7, permutations=2) for n in (50, 200)
    )
    assert first.rows == again.rows
    np.testing.assert_array_equal(first.values, again.values)


def test_rows_of_every_form_are_the_same_rows(tree_model_: Model, room: Any) -> None:
    names = [f.name for f in tree_model_.runtime.inputs]
    table, background = room.table.slice(0, 5).select(names), room.table.slice(100, 20)
    expected = shap_values(tree_model_, table, background)
    for rows in (table.to_pylist(), table.to_pydict(), table.to_batches()[0]):
        np.testing.assert_array_equal(shap_values(tree_model_, rows, background).values, expected.values)
    frame = table.drop_columns(["tags"]).to_pandas().assign(tags=table["tags"].to_pylist())
    np.testing.assert_array_equal(shap_values(tree_model_, frame, background).values, expected.values)


def test_importance_by_output_and_slice(class_model: Model, room: Any, tmp_path: Any) -> None:
    found = shap_values(class_model, room.table, max_rows=40, background_rows=10, slices=["color"])
    assert found.outputs == tuple(f"probability of {c!r}" for c in ("low", "mid", "top"))
    assert found.importance()["size"] == pytest.approx(sum(found.importance(k)["size"] for k in range(3)))
    by_name = found.importance("probability of 'top'", "color=red")
    places = list(found.slices["color=red"])
    f = found.features.index("size")
    assert by_name["size"] == pytest.approx(np.abs(found.values[places, 2, f]).mean())
    assert sum(len(p) for n, p in found.slices.items() if n != "Overall") <= 40
    table = found.to_table()
    assert table.num_rows == 120
    assert [c for c in table.column_names if c.startswith("attribution:")] == [
        f"attribution:{n}" for n in found.features
    ]
    assert found.summary().num_rows == len(found.slices) * 3 * len(found.features)
    found.save(str(tmp_path / "s.json"))
    again = load_explanation(str(tmp_path / "s.json"))
    np.testing.assert_array_equal(again.values, found.values)
    assert again.to_html() == found.to_html()
    with pytest.raises(ConfigError, match="there is no output"):
        found.importance("probability of 'best'")
    with pytest.raises(ConfigError, match="Did you mean 'color=red'"):
        found.importance(slice="color=rde")


def test_many_features_are_sampled_and_trees_read(
    room: Any, forest_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    import trueline.model_analysis.explain.shapley as shapley
    import trueline.model_analysis.explain.shapley_games as games

    monkeypatch.setattr(shapley, "_FEW", 3)
    assert shap_values(forest_model, room.table.slice(0, 2), room.table).method == "tree"
    monkeypatch.setattr(shapley, "MOST_EXACT", 3)
    assert games.MOST_EXACT == 12
    with pytest.raises(ModelError, match="4 raw features have 16 coalitions"):
        shap_values(forest_model, room.table.slice(0, 2), room.table, method="exact")


def test_what_cannot_be_explained_is_told(sum_model: Model, log_model: Model, room: Any) -> None:
    def refused(match: str, model: Model = log_model, rows: Any = room.table, **more: Any) -> None:
        with pytest.raises((ConfigError, DataError, ModelError), match=match):
            shap_values(model, rows, **more)

    refused("Did you mean 'exact'", method="exakt")
    refused("is no class of the model", output_class="good")
    refused("no class", sum_model, output_class=True)
    refused("log odds", sum_model, link="log_odds")
    refused("Did you mean 'log_odds'", link="log_ods")
    refused("has no rows", rows=room.table.slice(0, 0))
    refused("no column 'depth'", rows=room.table.drop_columns(["depth"]))
    refused("no feature 'dpeth'", rows=[{"dpeth": 1.0}])
    refused("0 tree ensembles", method="tree")
    refused("at least 1 each", permutations=0)
    refused("cannot explain a str|cannot explain a int", 3)


@pytest.mark.frameworks
def test_the_library_shap_gives_the_same_where_each_column_is_one_raw_column(room: Any) -> None:
    shap = pytest.importorskip("shap")
    from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor

    features = ("size", "depth", "count", "twin")
    x, y = room.matrix(features, "price")
    for i, estimator in enumerate((RandomForestRegressor(8, max_depth=5), GradientBoostingRegressor(n_estimators=15))):
        fitted = estimator.fit(x, y)
        model = room.build(f"shap{i}", fitted, "price", features)
        found = shap_values(model, room.table.slice(0, 10), room.table.slice(100, 40), method="tree")
        places = [found.features.index(n) for n in features]
        x = x.astype(np.float64)  # of float32 the library makes other splits than scikit-learn
        explainer = shap.TreeExplainer(fitted, x[100:140], feature_perturbation="interventional")
        np.testing.assert_allclose(found.values[:, 0, places], explainer.shap_values(x[:10]), atol=2e-4)
        assert found.to_shap().values.shape == (10, 4)


def test_shap_is_asked_for_where_it_is_not_installed(
    sum_model: Model, room: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "shap", None)
    with pytest.raises(ConfigError, match=r"trueline\[explain\]"):
        shap_values(sum_model, room.table.slice(0, 1), room.table).to_shap()

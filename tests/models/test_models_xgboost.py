"""XGBoost down the line: margins with the library's own bits, every objective, categories, missing values, refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tree_cases import CATEGORY, TYPES, agrees, four, near_thresholds, positive, rows, run, share, target, two

from trueline._core.errors import ModelError
from trueline._core.values import RawFeature
from trueline.models import Fitted
from trueline.models.exporters.boosters import boosted_model, booster_model, is_booster
from trueline.models.exporters.registry import exporter_of
from trueline.models.inputs import model_inputs

xgboost = pytest.importorskip("xgboost")

FILLED = ["length_filled", "depth", "mass", "island_hot", "ringed"]
GAPPY = ["length", "depth", "mass", "island_hot", "island", "ringed"]
SMALL = {"n_estimators": 12, "max_depth": 4, "n_jobs": 1}
PARTITIONS = {"feature_types": TYPES, "enable_categorical": True, "max_cat_to_onehot": 1}
ONE_HOT = {"feature_types": TYPES, "enable_categorical": True, "max_cat_to_onehot": 50}
KINDS = [
    pytest.param({}, id="trees"),
    pytest.param(PARTITIONS, id="partitions-of-categories"),
    pytest.param(ONE_HOT, id="one-category-a-split"),
    pytest.param({"booster": "dart", "rate_drop": 0.3}, id="dart"),
    pytest.param({"num_parallel_tree": 3, "subsample": 0.5}, id="forests"),
    pytest.param({"missing": -1.0}, id="missing-is-minus-one"),
    pytest.param({"missing": 0.0}, id="missing-is-zero"),
    pytest.param({"base_score": 0.3}, id="base-score"),
]
X = rows()


@pytest.mark.parametrize("kind", KINDS)
def test_margins_have_the_librarys_own_bits(kind: dict[str, Any]) -> None:
    for model, labels in (
        (xgboost.XGBClassifier(**SMALL, **kind), two(X)),
        (xgboost.XGBClassifier(**SMALL, **kind), four(X)),
        (xgboost.XGBRegressor(**SMALL, **kind), target(X) * 1000 + 50_000 * ("base_score" not in kind)),
    ):
        booster = model.fit(X, labels).get_booster()
        read = replace(exporter_of(Fitted(model)).boosted, link="identity")
        several = len(read.body.base) > 1
        made = boosted_model(read, "x", "probabilities" if several else "prediction")
        x = near_thresholds(made, X, infinite=False)
        data = xgboost.DMatrix(x, missing=model.missing, feature_types=booster.feature_types, enable_categorical=True)
        np.testing.assert_array_equal(run(made, x), booster.predict(data, output_margin=True))


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_agree_beside_every_threshold(kind: dict[str, Any]) -> None:
    agrees(xgboost.XGBClassifier(**SMALL, **kind).fit(X, two(X)), X, "probabilities", infinite=False)
    agrees(xgboost.XGBClassifier(**SMALL, **kind).fit(X, four(X)), X, "probabilities", infinite=False)
    agrees(xgboost.XGBRegressor(**SMALL, **kind).fit(X, target(X)), X, "prediction", infinite=False)


@pytest.mark.parametrize(
    ("objective", "labels"),
    [
        ("reg:absoluteerror", target),
        ("reg:pseudohubererror", target),
        ("reg:quantileerror", target),
        ("reg:squaredlogerror", positive),
        ("count:poisson", positive),
        ("reg:gamma", positive),
        ("reg:tweedie", positive),
        ("reg:logistic", share),
    ],
)
def test_regression_objectives(objective: str, labels: Callable[[Any], Any]) -> None:
    more = {"quantile_alpha": 0.3} if "quantile" in objective else {}
    model = xgboost.XGBRegressor(**SMALL, objective=objective, **more).fit(X, labels(X))
    agrees(model, X, "prediction", infinite=False)


@pytest.mark.parametrize("objective", ["rank:ndcg", "rank:pairwise", "rank:map"])
def test_rankers_give_scores(objective: str) -> None:
    model = xgboost.XGBRanker(**SMALL, objective=objective).fit(X, two(X), qid=np.repeat(np.arange(50), 10))
    agrees(model, X, "score", infinite=False)


@pytest.mark.parametrize("labels", [two, four, target])
def test_linear_boosters(labels: Callable[[Any], Any]) -> None:
    kind = xgboost.XGBRegressor if labels is target else xgboost.XGBClassifier
    model = kind(n_estimators=5, n_jobs=1, booster="gblinear").fit(X, labels(X))
    made = booster_model(model)
    own = exporter_of(Fitted(model)).predict({"x": X.copy()})
    np.testing.assert_allclose(run(made, X), own, rtol=1e-6, atol=1e-6)


def test_early_stopping_predicts_with_the_best_iteration() -> None:
    model = xgboost.XGBClassifier(n_estimators=60, max_depth=3, n_jobs=1, early_stopping_rounds=4, learning_rate=0.8)
    model.fit(X[:300], two(X[:300]), eval_set=[(X[300:], two(X[300:]))], verbose=False)
    built = model.get_booster().num_boosted_rounds()
    assert 0 < model.best_iteration < built - 1
    agrees(model, X, "probabilities", infinite=False)
    assert len(exporter_of(Fitted(model)).boosted.body.trees) == model.best_iteration + 1
    # A raw Booster predicts with every tree, as XGBoost's own predict does.
    assert len(exporter_of(Fitted(model.get_booster())).boosted.body.trees) == built


@pytest.mark.parametrize(
    ("parameters", "labels", "output"),
    [
        ({"objective": "binary:logistic"}, two, "probabilities"),
        ({"objective": "multi:softmax", "num_class": 4}, four, "probabilities"),
        ({"objective": "multi:softprob", "num_class": 4}, four, "probabilities"),
        ({"objective": "rank:pairwise"}, two, "score"),
        ({}, target, "prediction"),
    ],
)
def test_raw_boosters(parameters: dict[str, Any], labels: Callable[[Any], Any], output: str) -> None:
    booster = xgboost.train({"nthread": 1, **parameters}, xgboost.DMatrix(X, labels(X)), 5)
    agrees(booster, X, output, infinite=False)


def test_survival_objectives() -> None:
    signed = np.where(two(X) == 1, positive(X), -positive(X))
    agrees(xgboost.XGBRegressor(**SMALL, objective="survival:cox").fit(X, signed), X, "prediction", infinite=False)
    data = xgboost.DMatrix(X)
    data.set_float_info("label_lower_bound", positive(X))
    data.set_float_info("label_upper_bound", positive(X) * 2)
    agrees(xgboost.train({"objective": "survival:aft", "nthread": 1}, data, 5), X, "prediction", infinite=False)


def test_models_that_were_read_from_files(tmp_path: Path) -> None:
    path = str(tmp_path / "model.ubj")
    xgboost.XGBClassifier(**SMALL).fit(X, four(X)).save_model(path)
    read = xgboost.XGBClassifier()
    read.load_model(path)
    for model in (read, xgboost.Booster(model_file=path)):
        agrees(model, X, "probabilities", infinite=False)


def test_a_custom_objective_is_a_raw_prediction_or_refused() -> None:
    def squared(y: Any, p: Any) -> Any:
        return p - y, np.ones_like(p)

    agrees(xgboost.XGBRegressor(**SMALL, objective=squared).fit(X, target(X)), X, "prediction", infinite=False)
    with pytest.raises(ModelError, match="an objective of its own"):
        booster_model(xgboost.XGBClassifier(**SMALL, objective=squared).fit(X, two(X)))


def test_trees_of_one_leaf_and_no_trees() -> None:
    for model in (xgboost.XGBRegressor(n_estimators=3, gamma=1e9, n_jobs=1), xgboost.XGBRegressor(n_estimators=0)):
        agrees(model.fit(X, target(X)), X, "prediction", infinite=False)


def test_more_categories_than_any_bit_mask_of_a_runtime() -> None:
    x = rows(3000, categories=300)
    more = PARTITIONS | {"max_cat_threshold": 200}
    model = xgboost.XGBRegressor(**SMALL, **more).fit(
        x, np.random.default_rng(3).normal(size=300)[np.nan_to_num(x[:, CATEGORY]).astype(int)]
    )
    sets = [p for t in exporter_of(Fitted(model)).boosted.body.trees for p in t.pieces.values()]
    assert max(len(p.bounds) for p in sets) > 64
    agrees(model, x, "prediction", infinite=False)


def frame(values: Any) -> Any:
    import pandas as pd

    return pd.DataFrame({"a": np.nan_to_num(X[:, 0]), "b": pd.Categorical(values)})


def test_categories_of_a_data_frame_must_be_their_own_places() -> None:
    codes = np.nan_to_num(X[:, CATEGORY]).astype(int)
    more = SMALL | {"enable_categorical": True}
    for values in (codes * 2, [f"c{c}" for c in codes]):
        with pytest.raises(ModelError, match="column 1 holds categories that are not 0, 1, 2"):
            booster_model(xgboost.XGBClassifier(**more).fit(frame(values), two(X)))
    model = xgboost.XGBClassifier(**more).fit(frame(codes), two(X))
    x = np.stack([np.nan_to_num(X[:, 0]), codes], axis=1).astype(np.float32)
    np.testing.assert_allclose(run(booster_model(model), x), model.predict_proba(frame(codes)), atol=2.5e-7)


def refused(label: str) -> tuple[Any, str]:
    pairs = np.stack([target(X), target(X)], axis=1)
    cases: dict[str, Callable[[], tuple[Any, str]]] = {
        "unfitted": lambda: (xgboost.XGBClassifier(), "XGBClassifier is not fitted"),
        "hinge": lambda: (
            xgboost.XGBClassifier(**SMALL, objective="binary:hinge").fit(X, two(X)),
            "the objective 'binary:hinge'",
        ),
        "two labels": lambda: (xgboost.XGBRegressor(**SMALL).fit(X, pairs), "predicts 2 numbers a row"),
        "two quantiles": lambda: (
            xgboost.XGBRegressor(**SMALL, objective="reg:quantileerror", quantile_alpha=[0.1, 0.9]).fit(X, target(X)),
            "predicts 2 numbers a row",
        ),
    }
    return cases[label]()


@pytest.mark.parametrize("case", ["unfitted", "hinge", "two labels", "two quantiles"])
def test_what_cannot_be_exported_is_refused_by_name(case: str) -> None:
    model, reason = refused(case)
    with pytest.raises(ModelError, match=reason):
        exporter_of(Fitted(model))


def test_infinities_are_the_librarys_own_refusal() -> None:
    exporter = exporter_of(Fitted(xgboost.XGBRegressor(**SMALL).fit(X, target(X))))
    with pytest.raises(ModelError, match=r"XGBRegressor refuses rows.*inf"):
        exporter.predict({"x": np.full((1, 6), np.inf, np.float32)})


def test_classes_outputs_and_widths_must_fit() -> None:
    model = xgboost.XGBClassifier(**SMALL).fit(X, four(X))
    text = RawFeature("y", "utf8")
    with pytest.raises(ModelError, match=r"classes of label 'y' \(utf8\) are not known"):
        exporter_of(Fitted(model)).head(text)
    assert exporter_of(Fitted(model, classes=list("abcd"))).head(text).classes == ("a", "b", "c", "d")
    with pytest.raises(ModelError, match="4 output columns"):
        exporter_of(Fitted(model, classes=["a", "b"])).head(text)
    with pytest.raises(ModelError, match="gives probabilities and Fitted says output='score'"):
        exporter_of(Fitted(model, output="score")).head(text)
    number = RawFeature("y", "float64")
    regressor = xgboost.XGBRegressor(**SMALL).fit(X, target(X))
    assert exporter_of(Fitted(regressor, output="score")).head(number).task == "ranking"
    with pytest.raises(ModelError, match="gives a prediction and Fitted names classes"):
        exporter_of(Fitted(regressor, classes=[0, 1])).head(number)
    narrow = model_inputs([RawFeature("a", "float32"), RawFeature("b", "float32")])
    with pytest.raises(ModelError, match="fitted on 6 columns and its features are 2 columns wide"):
        exporter_of(Fitted(regressor)).inputs(narrow)
    with pytest.raises(ModelError, match="has one input and was given 2"):
        exporter_of(Fitted(regressor)).inputs(narrow + narrow)
    with pytest.raises(ModelError, match="the model's input is named 'prediction', as its output is"):
        booster_model(regressor, input_name="prediction")
    made = booster_model(xgboost.XGBRegressor(**SMALL, missing=0.0).fit(X, target(X)), input_name="sum")
    assert [i.name for i in made.graph.input] == ["sum"]


def test_is_booster_and_its_model() -> None:
    assert is_booster(xgboost.XGBRFRegressor())
    assert not is_booster(object())
    with pytest.raises(ModelError, match="object is no booster"):
        booster_model(object())


SPECIES = ["Adelie", "Chinstrap", "Gentoo"]
LINES = [
    pytest.param("big_tipper", {}, None, [False, True], "binary", id="bool"),
    pytest.param("species", {}, SPECIES, SPECIES, "multiclass", id="text"),
    pytest.param("grade", {"missing": -9.0}, [0, 10, 20], [0, 10, 20], "multiclass", id="int"),
]


@pytest.mark.parametrize(("label", "more", "declared", "classes", "task"), LINES)
def test_classifiers_go_from_raw_rows_to_the_librarys_probabilities(
    line: Any, tmp_path: Path, label: str, more: Any, declared: Any, classes: Any, task: str
) -> None:
    x, y, _ = line.fn_args(label, GAPPY).train.arrays()
    codes = np.array([classes.index(v) for v in np.asarray(y).tolist()])
    model = xgboost.XGBClassifier(**SMALL, **more).fit(x, codes)
    built = line.build(Fitted(model, classes=declared), tmp_path / "m", label, GAPPY)
    assert (built.task, built.classes, built.info["framework"]) == (task, classes, "xgboost")
    assert built.info["parity"]["max_difference"] < 2.5e-7
    assert built.info["parity"]["missing_tried"] == ["length"]
    assert built.info["parity"]["missing_refused"] == []
    native = xgboost.Booster(model_file=str(tmp_path / "m" / "native" / "model.ubj"))
    assert native.num_boosted_rounds() == 12


def test_categorical_ids_of_the_transform_are_split_as_sets(line: Any, tmp_path: Path) -> None:
    features = ["length", "island", "mass"]
    x, y, _ = line.fn_args("tips", features).train.arrays()
    types = {"feature_types": ["q", "c", "q"], "enable_categorical": True, "max_cat_to_onehot": 1}
    model = xgboost.XGBRegressor(**SMALL, **types).fit(x, y + 3 * (x[:, 1] % 2))
    assert any(t.pieces for t in exporter_of(Fitted(model)).boosted.body.trees)
    built = line.build(model, tmp_path / "m", "tips", features)
    assert (built.task, built.info["parity"]["missing_tried"]) == ("regression", ["length"])


def test_rankers_go_down_the_line(line: Any, tmp_path: Path) -> None:
    x, y, _ = line.fn_args("tip_bucket", FILLED).train.arrays()
    model = xgboost.XGBRanker(**SMALL).fit(x, y, qid=np.arange(len(x)) // 10)
    built = line.build(model, tmp_path / "m", "tip_bucket", FILLED)
    assert built.task == "ranking"
    found = built.predict(line.table).column("score").to_numpy()
    assert found.shape == (line.table.num_rows,)
    assert built.info["parity"]["max_difference"] == 0.0

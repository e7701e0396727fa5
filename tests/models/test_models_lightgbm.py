"""LightGBM down the line: every boosting, objective and missing type, categories, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tree_cases import CATEGORY, agrees, four, positive, rows, run, share, target, two

from trueline._core.errors import ModelError
from trueline._core.values import RawFeature
from trueline.models import Fitted
from trueline.models.exporters import boosters
from trueline.models.exporters.boosters import booster_model
from trueline.models.exporters.registry import exporter_of

lightgbm = pytest.importorskip("lightgbm")

GAPPY = ["length", "depth", "mass", "island_hot", "island", "ringed"]
SMALL = {"n_estimators": 12, "num_leaves": 12, "n_jobs": 1, "verbose": -1, "min_child_samples": 5}
X = rows()
KINDS = [
    pytest.param({}, id="gbdt"),
    pytest.param({"boosting_type": "dart"}, id="dart"),
    pytest.param({"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}, id="random-forest"),
    pytest.param({"zero_as_missing": True}, id="zero-is-missing"),
    pytest.param({"use_missing": False}, id="nothing-is-missing"),
    pytest.param({"sigmoid": 2.0}, id="steeper-sigmoid"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("categorical", [[], [CATEGORY]], ids=["numbers", "categories"])
def test_predictions_agree_beside_every_threshold(kind: dict[str, Any], categorical: list[int]) -> None:
    more = {"categorical_feature": categorical} if categorical else {}
    text = np.array(["no", "yes"])[two(X)]
    agrees(lightgbm.LGBMClassifier(**SMALL, **kind).fit(X, text, **more), X, "probabilities")
    agrees(lightgbm.LGBMClassifier(**SMALL, **kind).fit(X, four(X), **more), X, "probabilities")
    agrees(lightgbm.LGBMRegressor(**SMALL, **kind).fit(X, target(X), **more), X, "prediction")


@pytest.mark.parametrize(
    ("objective", "labels"),
    [
        ("regression_l1", target),
        ("huber", target),
        ("fair", target),
        ("quantile", target),
        ("mape", positive),
        ("poisson", positive),
        ("gamma", positive),
        ("tweedie", positive),
        ("cross_entropy", share),
        ("cross_entropy_lambda", share),
    ],
)
def test_regression_objectives(objective: str, labels: Callable[[Any], Any]) -> None:
    agrees(lightgbm.LGBMRegressor(**SMALL, objective=objective).fit(X, labels(X)), X, "prediction")


def test_roots_of_the_label_are_squared_again() -> None:
    agrees(lightgbm.LGBMRegressor(**SMALL, reg_sqrt=True).fit(X, target(X) * 5), X, "prediction")


def test_one_against_all_keeps_the_librarys_own_probabilities() -> None:
    model = lightgbm.LGBMClassifier(**SMALL, objective="multiclassova").fit(X, four(X))
    agrees(model, X, "probabilities")
    assert abs(run(booster_model(model), X).sum(axis=1) - 1).max() > 0.01


@pytest.mark.parametrize("objective", ["lambdarank", "rank_xendcg"])
def test_rankers_give_scores(objective: str) -> None:
    model = lightgbm.LGBMRanker(**SMALL, objective=objective).fit(X, two(X), group=[10] * 50)
    agrees(model, X, "score")


def test_columns_without_gaps_read_a_missing_value_as_zero() -> None:
    whole = rows(gaps=0.0)
    for more in ({}, {"categorical_feature": [CATEGORY]}):
        agrees(lightgbm.LGBMRegressor(**SMALL).fit(whole, target(whole), **more), whole, "prediction")


def test_numbers_that_lightgbm_takes_for_zero() -> None:
    """A threshold between -1e-35 and 0 parts no values for LightGBM, which reads such values as zero first."""
    x = np.repeat(np.array([[-1.0], [0.0], [1.0]], np.float32), 40, axis=0)
    for more in ({}, {"zero_as_missing": True}):
        model = lightgbm.LGBMRegressor(**SMALL, **more).fit(x, np.ravel(x) ** 2 + x[:, 0])
        tiny = np.array([0.0, -0.0, 1e-36, -1e-36, 1e-35, -1e-35, 2e-35, -2e-35, np.nan], np.float32)
        asked = np.tile(tiny, 5)[:, None]
        np.testing.assert_allclose(run(booster_model(model), asked), model.predict(asked), rtol=1e-6, atol=1e-7)


@pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")
def test_early_stopping_predicts_with_the_best_iteration() -> None:
    model = lightgbm.LGBMClassifier(**SMALL | {"n_estimators": 60, "learning_rate": 0.8})
    stop = lightgbm.early_stopping(4, verbose=False)
    model.fit(X[:300], two(X[:300]), eval_set=[(X[300:], two(X[300:]))], callbacks=[stop])
    assert 0 < model.best_iteration_ < 60
    agrees(model, X, "probabilities")
    assert len(exporter_of(Fitted(model)).boosted.body.trees) == model.best_iteration_
    booster = lightgbm.train({"num_threads": 1, "verbose": -1}, lightgbm.Dataset(X, target(X)), 9)
    booster.best_iteration = 3
    agrees(booster, X, "prediction")
    assert len(exporter_of(Fitted(booster)).boosted.body.trees) == 3


@pytest.mark.parametrize(
    ("parameters", "labels", "output"),
    [
        ({"objective": "binary"}, two, "probabilities"),
        ({"objective": "multiclass", "num_class": 4}, four, "probabilities"),
        ({"objective": "regression"}, target, "prediction"),
    ],
)
def test_raw_boosters(parameters: dict[str, Any], labels: Callable[[Any], Any], output: str) -> None:
    more = {"num_threads": 1, "verbose": -1}
    agrees(lightgbm.train(parameters | more, lightgbm.Dataset(X, labels(X)), 5), X, output)


def test_models_that_were_read_from_files(tmp_path: Path) -> None:
    path = str(tmp_path / "model.txt")
    lightgbm.LGBMClassifier(**SMALL).fit(X, four(X)).booster_.save_model(path)
    agrees(lightgbm.Booster(model_file=path), X, "probabilities")


def squared(y: Any, p: Any) -> Any:
    return p - y, np.ones_like(p)


def test_a_custom_objective_is_a_raw_prediction_or_refused() -> None:
    agrees(lightgbm.LGBMRegressor(**SMALL, objective=squared).fit(X, target(X)), X, "prediction")
    with pytest.raises(ModelError, match="an objective of its own"):
        booster_model(lightgbm.LGBMClassifier(**SMALL, objective=squared).fit(X, two(X)))


def test_classes_whose_sums_are_in_the_thousands(monkeypatch: pytest.MonkeyPatch) -> None:
    """What every class has alike changes no probability, and would leave float32 sums no digits for the rest."""
    model = lightgbm.LGBMClassifier(**SMALL).fit(X, four(X))
    booster = model.booster_
    for tree in range(4):
        for leaf in range(booster.dump_model()["tree_info"][tree]["num_leaves"]):
            booster.set_leaf_output(tree, leaf, booster.get_leaf_output(tree, leaf) + 1000)
    assert model.predict(X, raw_score=True).min() > 990
    agrees(model, X, "probabilities")
    monkeypatch.setattr(boosters, "_LARGE_SUM", np.inf)
    with pytest.raises(AssertionError, match="strictly ordered"):
        agrees(model, X, "probabilities", tolerance=1e-5)


def test_trees_of_one_leaf() -> None:
    model = lightgbm.LGBMRegressor(**SMALL | {"min_child_samples": 900}).fit(X, target(X))
    agrees(model, X, "prediction")


def test_more_categories_than_any_bit_mask_of_a_runtime() -> None:
    x = rows(3000, categories=300)
    label = np.random.default_rng(3).normal(size=300)[np.nan_to_num(x[:, CATEGORY]).astype(int)]
    more = {"max_cat_threshold": 300, "cat_smooth": 1, "min_data_per_group": 1}
    model = lightgbm.LGBMRegressor(**SMALL, **more).fit(x, label, categorical_feature=[CATEGORY])
    sets = [p for t in exporter_of(Fitted(model)).boosted.body.trees for p in t.pieces.values()]
    assert max(len(p.bounds) for p in sets) > 64
    agrees(model, x, "prediction")


def test_categories_of_a_data_frame_must_be_their_own_places() -> None:
    import pandas as pd

    codes = np.nan_to_num(X[:, CATEGORY]).astype(int)
    frame = pd.DataFrame({"a": np.nan_to_num(X[:, 0]), "b": pd.Categorical(codes * 2)})
    with pytest.raises(ModelError, match="categories that are not 0, 1, 2"):
        booster_model(lightgbm.LGBMClassifier(**SMALL).fit(frame, two(X)))
    frame["b"] = pd.Categorical(codes)
    model = lightgbm.LGBMClassifier(**SMALL).fit(frame, two(X))
    x = np.stack([np.nan_to_num(X[:, 0]), codes], axis=1).astype(np.float32)
    np.testing.assert_allclose(run(booster_model(model), x), model.predict_proba(frame), atol=2.5e-7)


def test_linear_leaves_and_unfitted_models_are_refused_by_name() -> None:
    whole = rows(gaps=0.0)
    with pytest.raises(ModelError, match="linear_tree=True"):
        booster_model(lightgbm.LGBMRegressor(**SMALL, linear_tree=True).fit(whole, target(whole)))
    with pytest.raises(ModelError, match="LGBMClassifier is not fitted"):
        booster_model(lightgbm.LGBMClassifier())


def test_classes_are_the_models_own_and_cannot_be_reordered() -> None:
    model = lightgbm.LGBMClassifier(**SMALL).fit(X, np.array(["no", "yes"])[two(X)])
    text = RawFeature("y", "utf8")
    assert exporter_of(Fitted(model)).head(text).classes == ("no", "yes")
    with pytest.raises(ModelError, match="in another order"):
        exporter_of(Fitted(model, classes=["yes", "no"])).head(text)
    with pytest.raises(ModelError, match="3 classes are declared and LGBMClassifier knows 2"):
        exporter_of(Fitted(model, classes=["a", "b", "c"])).head(text)
    coded = lightgbm.LGBMClassifier(**SMALL).fit(X, two(X))
    assert exporter_of(Fitted(coded, classes=["no", "yes"])).head(text).classes == ("no", "yes")


@pytest.mark.parametrize(
    ("label", "classes", "task"),
    [
        ("species", ["Adelie", "Chinstrap", "Gentoo"], "multiclass"),
        ("big_tipper", [False, True], "binary"),
        ("grade", [0, 10, 20], "multiclass"),
    ],
)
def test_classifiers_go_from_raw_rows_to_the_librarys_probabilities(
    line: Any, tmp_path: Path, label: str, classes: list[Any], task: str
) -> None:
    x, y, _ = line.fn_args(label, GAPPY).train.arrays()
    model = lightgbm.LGBMClassifier(**SMALL).fit(x, y, categorical_feature=[7])
    built = line.build(model, tmp_path / "m", label, GAPPY)
    assert (built.task, built.classes, built.info["framework"]) == (task, classes, "lightgbm")
    assert built.info["parity"]["max_difference"] < 2.5e-7
    assert built.info["parity"]["missing_tried"] == ["length"]
    native = lightgbm.Booster(model_file=str(tmp_path / "m" / "native" / "model.txt"))
    assert native.num_trees() == model.booster_.num_trees()


def test_regressors_and_rankers_go_down_the_line(line: Any, tmp_path: Path) -> None:
    x, y, _ = line.fn_args("tips", GAPPY).train.arrays()
    built = line.build(lightgbm.LGBMRegressor(**SMALL, objective="gamma").fit(x, y), tmp_path / "a", "tips", GAPPY)
    assert (built.task, built.info["parity"]["missing_tried"]) == ("regression", ["length"])
    x, y, _ = line.fn_args("tip_bucket", GAPPY).train.arrays()
    ranker = lightgbm.LGBMRanker(**SMALL).fit(x, y, group=[10] * (len(x) // 10))
    built = line.build(ranker, tmp_path / "b", "tip_bucket", GAPPY)
    assert built.task == "ranking"
    np.testing.assert_allclose(
        built.predict(line.table).column("score").to_numpy(), ranker.predict(np.asarray(x)), rtol=1e-6, atol=1e-7
    )

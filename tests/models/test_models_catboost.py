"""CatBoost down the line: every way of growing trees, every loss, missing values, refusals of its own encodings."""

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
from trueline.models.exporters.boosters import booster_model
from trueline.models.exporters.catboost import _symmetric
from trueline.models.exporters.registry import exporter_of

catboost = pytest.importorskip("catboost")
pytestmark = pytest.mark.frameworks

GAPPY = ["length", "depth", "mass", "island_hot", "island", "ringed"]
SMALL = {"iterations": 12, "depth": 4, "thread_count": 1, "verbose": 0, "allow_writing_files": False}
X = rows()


@pytest.mark.parametrize("policy", ["SymmetricTree", "Depthwise", "Lossguide"])
@pytest.mark.parametrize("nan_mode", ["Min", "Max"])
def test_predictions_agree_beside_every_threshold(policy: str, nan_mode: str) -> None:
    more = SMALL | {"grow_policy": policy, "nan_mode": nan_mode}
    text = np.array(["no", "yes"])[two(X)]
    agrees(catboost.CatBoostClassifier(**more).fit(X, text), X, "probabilities")
    agrees(catboost.CatBoostClassifier(**more).fit(X, four(X)), X, "probabilities")
    agrees(catboost.CatBoostRegressor(**more).fit(X, target(X)), X, "prediction")


@pytest.mark.parametrize(
    ("loss", "labels"),
    [
        ("MAE", target),
        ("Quantile:alpha=0.3", target),
        ("MAPE", positive),
        ("Poisson", positive),
        ("Tweedie:variance_power=1.5", positive),
        ("LogLinQuantile:alpha=0.4", positive),
        ("Huber:delta=1", target),
        ("Expectile:alpha=0.3", target),
        ("Lq:q=3", target),
        ("LogCosh", target),
    ],
)
def test_regression_losses(loss: str, labels: Callable[[Any], Any]) -> None:
    agrees(catboost.CatBoostRegressor(loss_function=loss, **SMALL).fit(X, labels(X)), X, "prediction")


def test_classification_losses() -> None:
    agrees(catboost.CatBoostClassifier(loss_function="MultiClassOneVsAll", **SMALL).fit(X, four(X)), X, "probabilities")
    agrees(catboost.CatBoostClassifier(loss_function="CrossEntropy", **SMALL).fit(X, share(X)), X, "probabilities")
    agrees(catboost.CatBoost(SMALL | {"loss_function": "Logloss"}).fit(X, two(X)), X, "probabilities")


@pytest.mark.parametrize("loss", ["YetiRank", "QueryRMSE", "PairLogit", "QuerySoftMax", "StochasticRank:metric=NDCG"])
def test_rankers_give_scores(loss: str) -> None:
    groups = np.repeat(np.arange(50), 10)
    agrees(catboost.CatBoostRanker(loss_function=loss, **SMALL).fit(X, two(X), group_id=groups), X, "score")


def test_columns_without_gaps_take_missing_values_as_catboost_does() -> None:
    whole = rows(gaps=0.0)
    for mode in ("Min", "Forbidden"):
        model = catboost.CatBoostRegressor(nan_mode=mode, **SMALL).fit(whole, target(whole))
        agrees(model, whole, "prediction", nan=False)
        agrees(model, whole, "prediction")


def test_the_best_iteration_is_what_is_kept() -> None:
    model = catboost.CatBoostClassifier(**SMALL | {"iterations": 60, "learning_rate": 0.9})
    model.fit(X[:300], two(X[:300]), eval_set=(X[300:], two(X[300:])), use_best_model=True)
    assert 0 < model.tree_count_ < 60
    agrees(model, X, "probabilities")
    assert len(exporter_of(Fitted(model)).boosted.body.trees) == model.tree_count_


def test_models_that_were_read_from_files(tmp_path: Path) -> None:
    path = str(tmp_path / "model.cbm")
    catboost.CatBoostClassifier(**SMALL).fit(X, np.array(list("abcd"))[four(X)]).save_model(path)
    model = catboost.CatBoostClassifier().load_model(path)
    agrees(model, X, "probabilities")
    assert exporter_of(Fitted(model)).head(RawFeature("y", "utf8")).classes == ("a", "b", "c", "d")


def test_trees_without_a_split() -> None:
    model = catboost.CatBoostRegressor(**SMALL | {"depth": 1}).fit(X, target(X))
    agrees(model, X, "prediction")
    alone = catboost.CatBoostRegressor(**SMALL | {"iterations": 1, "l2_leaf_reg": 1e9}).fit(X, target(X))
    agrees(alone, X, "prediction")
    tree = _symmetric({"splits": None, "leaf_values": [1.5]}, np.zeros(0, np.int64), np.zeros(0, bool), 2.0, 1)
    assert (tree.feature.tolist(), tree.values.tolist()) == ([-1], [[3.0]])


def test_its_own_encodings_are_refused_with_the_remedy() -> None:
    mixed = np.nan_to_num(X).astype(object)
    mixed[:, CATEGORY] = [f"c{int(v)}" for v in mixed[:, CATEGORY]]
    model = catboost.CatBoostClassifier(cat_features=[CATEGORY], **SMALL).fit(mixed, two(X))
    with pytest.raises(ModelError, match="which ONNX cannot") as caught:
        booster_model(model)
    assert caught.value.problems == (
        "categorical features ['2']: use compute_and_apply_vocabulary and one_hot, or target means in preprocessing_fn",
    )


def test_losses_of_several_numbers_and_unfitted_models_are_refused_by_name() -> None:
    pairs = np.stack([target(X), target(X)], axis=1)
    for loss, labels in (("MultiRMSE", pairs), ("RMSEWithUncertainty", target(X))):
        model = catboost.CatBoostRegressor(loss_function=loss, **SMALL).fit(X, labels)
        with pytest.raises(ModelError, match=f"the loss '{loss}'"):
            booster_model(model)
    with pytest.raises(ModelError, match="CatBoostClassifier is not fitted"):
        exporter_of(Fitted(catboost.CatBoostClassifier()))


def test_classes_are_the_models_own() -> None:
    model = catboost.CatBoostClassifier(**SMALL).fit(X, np.array(["no", "yes"])[two(X)])
    text = RawFeature("y", "utf8")
    assert exporter_of(Fitted(model)).head(text).classes == ("no", "yes")
    with pytest.raises(ModelError, match="in another order"):
        exporter_of(Fitted(model, classes=["yes", "no"])).head(text)


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
    model = catboost.CatBoostClassifier(**SMALL).fit(x, y)
    built = line.build(model, tmp_path / "m", label, GAPPY)
    assert (built.task, built.classes, built.info["framework"]) == (task, classes, "catboost")
    assert built.info["parity"]["max_difference"] < 2.5e-7
    assert built.info["parity"]["missing_tried"] == ["length"]
    native = catboost.CatBoost().load_model(str(tmp_path / "m" / "native" / "model.cbm"))
    np.testing.assert_array_equal(native.predict(x), model.predict(x, prediction_type="RawFormulaVal"))


def test_regressors_and_rankers_go_down_the_line(line: Any, tmp_path: Path) -> None:
    x, y, _ = line.fn_args("tips", GAPPY).train.arrays()
    model = catboost.CatBoostRegressor(loss_function="Poisson", **SMALL).fit(x, y)
    assert line.build(model, tmp_path / "a", "tips", GAPPY).info["parity"]["missing_tried"] == ["length"]
    x, y, _ = line.fn_args("tip_bucket", GAPPY).train.arrays()
    ranker = catboost.CatBoostRanker(loss_function="YetiRank", **SMALL).fit(x, y, group_id=np.arange(len(x)) // 10)
    built = line.build(ranker, tmp_path / "b", "tip_bucket", GAPPY)
    assert built.task == "ranking"
    np.testing.assert_allclose(built.predict(line.table).column("score").to_numpy(), ranker.predict(x), atol=2.5e-7)


def test_no_file_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = catboost.CatBoostRegressor(**SMALL).fit(X, target(X))
    run(booster_model(model), X)
    assert not list(tmp_path.iterdir())

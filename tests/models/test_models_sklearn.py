"""Every supported scikit-learn estimator goes from raw rows to the prediction its framework gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from trueline._core.errors import ModelError
from trueline.models import Fitted, Model
from trueline.models.inputs import input_arrays, model_inputs, select_features

FILLED = ["length_filled", "depth", "mass", "island_hot", "ringed"]
GAPPY = ["length", "depth", "mass", "island_hot", "island", "ringed"]

CLASSIFIERS = [
    pytest.param(LogisticRegression(max_iter=300), FILLED, id="logistic"),
    pytest.param(GradientBoostingClassifier(n_estimators=10, random_state=0), FILLED, id="gradient-boosting"),
    pytest.param(RandomForestClassifier(15, random_state=0), FILLED, id="forest"),
    pytest.param(RandomForestClassifier(15, random_state=0), GAPPY, id="forest-missing"),
    pytest.param(ExtraTreesClassifier(10, random_state=0), GAPPY, id="extra-trees-missing"),
    pytest.param(DecisionTreeClassifier(random_state=0), GAPPY, id="tree-missing"),
    pytest.param(HistGradientBoostingClassifier(max_iter=15), GAPPY, id="hist-missing"),
    pytest.param(MLPClassifier((8,), max_iter=200, tol=1e-2, random_state=0), FILLED, id="mlp"),
    pytest.param(make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)), FILLED, id="pipeline"),
    pytest.param(
        VotingClassifier([("a", LogisticRegression(max_iter=300)), ("b", GaussianNB())], voting="soft"),
        FILLED,
        id="voting",
    ),
    pytest.param(
        GridSearchCV(RandomForestClassifier(5, random_state=0), {"max_depth": [3, 6]}, cv=2), GAPPY, id="search"
    ),
    pytest.param(make_pipeline(SimpleImputer(), DecisionTreeClassifier(random_state=0)), GAPPY, id="imputer"),
    pytest.param(
        make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=10)), GAPPY, id="pipeline-missing"
    ),
]
LABELS = [
    pytest.param("species", ["Adelie", "Chinstrap", "Gentoo"], "multiclass", id="text"),
    pytest.param("big_tipper", [False, True], "binary", id="bool"),
    pytest.param("grade", [0, 10, 20], "multiclass", id="int"),
]


def own_prediction(line: Any, estimator: Any, features: list[str], proba: bool) -> Any:
    """The framework's prediction on its own arrays, all rows."""
    specs = model_inputs(select_features(line.transform.outputs, "species", None, features))
    x = input_arrays(line.transform.transform(line.table), specs)["x"]
    return estimator.predict_proba(x) if proba else estimator.predict(x)


@pytest.mark.parametrize(("label", "classes", "task"), LABELS)
@pytest.mark.parametrize(("estimator", "features"), CLASSIFIERS)
def test_classifier_predicts_from_raw_rows_what_its_framework_does(
    line: Any, tmp_path: Path, estimator: Any, features: list[str], label: str, classes: list[Any], task: str
) -> None:
    fitted = line.fit(estimator, label, features)
    model = line.build(fitted, tmp_path / "m", label, features)
    assert (model.classes, model.task) == (classes, task)
    own = own_prediction(line, fitted, features, proba=True)
    table = model.predict(line.table)
    np.testing.assert_allclose(model.predict_proba(line.table), own, rtol=1e-5, atol=1e-5)
    expected = [classes[i] for i in np.argmax(own, axis=1)]
    found = table.column("label").to_pylist()
    assert sum(a != b for a, b in zip(expected, found, strict=True)) == len(model.info["parity"]["class_changes"])
    assert type(found[0]) is type(classes[0])
    assert model.info["parity"]["rows"] == line.table.num_rows
    assert table.column("__row__").equals(line.table.column("__row__"))


REGRESSORS = [
    pytest.param(LinearRegression(), FILLED, id="linear"),
    pytest.param(make_pipeline(StandardScaler(), Ridge()), FILLED, id="pipeline"),
    pytest.param(GradientBoostingRegressor(n_estimators=10, random_state=0), FILLED, id="gradient-boosting"),
    pytest.param(HistGradientBoostingRegressor(max_iter=15), GAPPY, id="hist-missing"),
    pytest.param(HistGradientBoostingRegressor(loss="poisson", max_iter=10), GAPPY, id="hist-log-link"),
    pytest.param(RandomForestRegressor(10, random_state=0), GAPPY, id="forest-missing"),
]


@pytest.mark.parametrize(("estimator", "features"), REGRESSORS)
def test_regressor_predicts_from_raw_rows_what_its_framework_does(
    line: Any, tmp_path: Path, estimator: Any, features: list[str]
) -> None:
    fitted = line.fit(estimator, "tips", features)
    model = line.build(fitted, tmp_path / "m", "tips", features)
    assert (model.task, model.classes) == ("regression", None)
    own = own_prediction(line, fitted, features, proba=False)
    np.testing.assert_allclose(model.predict(line.table).column("prediction"), own, rtol=1e-5, atol=1e-5)
    with pytest.raises(ModelError, match="has no probabilities"):
        model.predict_proba(line.table)


def test_missing_features_are_tried_even_when_the_sample_has_none(line: Any, tmp_path: Path) -> None:
    """The gate's second half: a sample without gaps still proves how missing values are routed."""
    fitted = line.fit(RandomForestClassifier(10, random_state=0), "species", GAPPY)
    whole = line.table.filter(line.table.column("length").is_valid())
    from trueline.models import build_model

    model = build_model(
        fitted, uri=str(tmp_path / "m"), transform=line.transform, label="species", features=GAPPY, sample=whole
    )
    assert model.info["parity"]["missing_tried"] == ["length"]


def test_estimator_that_refuses_missing_values_is_reported(line: Any, tmp_path: Path) -> None:
    whole = line.table.filter(line.table.column("length").is_valid())
    x = np.nan_to_num(line.fn_args("species", ["length", "depth"]).train.arrays().x)
    y = line.fn_args("species", ["length", "depth"]).train.arrays().y
    fitted = LogisticRegression().fit(x, y)
    from trueline.models import build_model

    common = {"transform": line.transform, "label": "species", "features": ["length", "depth"]}
    model = build_model(fitted, uri=str(tmp_path / "m"), sample=whole, **common)
    assert model.info["parity"]["missing_refused"] == ["length"]
    with pytest.raises(ModelError, match=r"refuses rows(.|\n)*fill_missing"):
        build_model(fitted, uri=str(tmp_path / "n"), sample=line.table, **common)


def test_export_leaves_the_onnx_library_as_it_was(line: Any, tmp_path: Path) -> None:
    from onnx import helper

    before = helper.make_attribute
    fitted = line.fit(HistGradientBoostingClassifier(max_iter=3), "big_tipper", GAPPY)
    line.build(fitted, tmp_path / "m", "big_tipper", GAPPY)
    assert helper.make_attribute is before


WRONG = [
    pytest.param(LogisticRegression(), "species", "is not fitted", id="unfitted"),
    pytest.param(object(), "species", "no exporter takes a object", id="unknown"),
    pytest.param(LogisticRegression, "species", "no exporter takes the class", id="class"),
]


@pytest.mark.parametrize(("value", "label", "message"), WRONG)
def test_what_cannot_be_exported_is_said(
    line: Any, tmp_path: Path, nothing_written: Any, value: Any, label: str, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        line.build(value, tmp_path / "m", label, FILLED)
    assert nothing_written()


def test_width_class_type_and_probabilities_are_checked(line: Any, tmp_path: Path, nothing_written: Any) -> None:
    from sklearn.svm import LinearSVC

    fitted = line.fit(LogisticRegression(max_iter=300), "species", FILLED)
    with pytest.raises(ModelError, match="fitted on 8 columns and its features are 2 columns"):
        line.build(fitted, tmp_path / "a", "species", ["depth", "mass"])
    with pytest.raises(ModelError, match=r"not of the type of label 'grade', int64"):
        line.build(fitted, tmp_path / "b", "grade", FILLED)
    with pytest.raises(ModelError, match="gives no probabilities"):
        line.build(line.fit(LinearSVC(), "species", FILLED), tmp_path / "c", "species", FILLED)
    with pytest.raises(ModelError, match="predicts a number and label 'species' is utf8"):
        line.build(line.fit(LinearRegression(), "tips", FILLED), tmp_path / "d", "species", FILLED)
    assert nothing_written()


def test_splits_on_categories_are_exported(line: Any, tmp_path: Path) -> None:
    estimator = HistGradientBoostingClassifier(max_iter=5, categorical_features=[7])
    fitted = line.fit(estimator, "species", GAPPY)
    assert fitted.is_categorical_.tolist() == [False] * 7 + [True, False]
    model = line.build(fitted, tmp_path / "m", "species", GAPPY)
    own = own_prediction(line, fitted, GAPPY, proba=True)
    np.testing.assert_allclose(model.predict_proba(line.table), own, rtol=1e-5, atol=1e-5)


def test_declared_classes_name_encoded_labels(line: Any, tmp_path: Path) -> None:
    """A user who encoded the text label says what the codes stand for."""
    x, y, _ = line.fn_args("species", FILLED).train.arrays()
    names, codes = np.unique(y.astype(str), return_inverse=True)
    fitted = Fitted(LogisticRegression(max_iter=300).fit(x, codes), classes=[str(n) for n in names])
    model = line.build(fitted, tmp_path / "m", "species", FILLED)
    assert set(model.predict(line.table).column("label").to_pylist()) <= {"Adelie", "Chinstrap", "Gentoo"}


def test_declared_classes_in_another_order_are_refused(line: Any, tmp_path: Path, nothing_written: Any) -> None:
    """They would hand each class another's probability, which no comparison of scores can see."""
    x, y, _ = line.fn_args("species", FILLED).train.arrays()
    model = LogisticRegression(max_iter=300).fit(x, y)
    own = model.classes_.tolist()
    with pytest.raises(ModelError, match="in another order"):
        line.build(Fitted(model, classes=own[::-1]), tmp_path / "m", "species", FILLED)
    assert nothing_written()
    assert line.build(Fitted(model, classes=own), tmp_path / "m", "species", FILLED).classes == own


def test_batches_of_one_seven_and_many_agree(line: Any, logistic: Model) -> None:
    whole = logistic.predict_proba(line.table)
    for size in (1, 7):
        parts = [logistic.predict_proba(line.table.slice(s, size)) for s in range(0, 70, size)]
        np.testing.assert_allclose(np.concatenate(parts), whole[:70], rtol=1e-6, atol=1e-7)

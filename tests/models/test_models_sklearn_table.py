"""Every estimator that was tried is exported as it predicts, or refused with a sentence that names it; none is wrong.

The rows lie beside the thresholds that trees can have learned: midpoints of neighbouring values and the next float32
numbers on either side of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("skl2onnx")

import sklearn_classifiers
import sklearn_compositions
import sklearn_regressors
from sklearn.base import clone

from trueline._core.errors import ModelError
from trueline._core.sessions import make_session
from trueline._core.values import RawFeature
from trueline.models import Fitted, ModelInput
from trueline.models.exporters import exporter_of

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore")]

ROWS = 240
SPEC = ModelInput("x", tuple(RawFeature(n, "float32") for n in ("a", "b", "c", "d")))
KINDS = {"text": "utf8", "bool": "bool", "int": "int64"}
CLASSIFIERS = [
    pytest.param(case, label, id=f"{case.name}-{label}")
    for case in (*sklearn_classifiers.CASES, *sklearn_compositions.CASES)
    for label in case.labels
]
REGRESSORS = [pytest.param(case, id=case.name) for case in sklearn_regressors.CASES]


def training() -> tuple[Any, Any]:
    """Four columns, the last of few whole numbers; and the score that labels are made of."""
    rng = np.random.default_rng(0)
    columns = [rng.normal(size=ROWS), rng.gamma(2, 2, ROWS), rng.integers(0, 50, ROWS) / 7, rng.integers(0, 5, ROWS)]
    x = np.stack(columns, axis=1).astype(np.float32)
    return x, x[:, 0] + 0.3 * x[:, 1] - 0.2 * x[:, 2] + rng.normal(0, 0.3, ROWS)


X, SCORE = training()
PLACES = np.digitize(SCORE, np.quantile(SCORE, [0.33, 0.7]))
LABELS = {
    "text": np.array(["Gentoo", "Adelie", "Chinstrap"], object)[PLACES],
    "bool": np.median(SCORE) < SCORE,
    "int": PLACES * 10,
}


def near(column: Any) -> Any:
    """Values, the midpoints between them, and the float32 numbers beside those."""
    values = np.unique(column)
    middle = ((values[1:].astype(np.float64) + values[:-1]) / 2).astype(np.float32)
    return np.concatenate([middle, np.nextafter(middle, -np.inf), np.nextafter(middle, np.inf), values])


def rows() -> Any:
    """The training rows, rows at the edges of trees, and rows far away."""
    rng = np.random.default_rng(1)
    edges = np.stack([rng.choice(near(X[:, i]), 700) for i in range(4)], axis=1)
    edges[:, 3] = rng.choice(X[:, 3], 700)
    far = rng.normal(0, 4, (60, 4))
    far[:, 3] = 0
    return np.concatenate([X, edges, far]).astype(np.float32)


ROWS_ASKED = rows()


def check(case: Any, y: Any, label: RawFeature) -> None:
    """Fits, exports and compares: all rows, a few alone, and rows with a missing value where they are taken."""
    fitted = clone(case.estimator).fit(X, y)
    if case.refused:
        with pytest.raises(ModelError) as error:
            exporter_of(Fitted(fitted)).to_onnx((SPEC,), label)
        assert case.refused in str(error.value)
        assert error.value.hint
        return
    exporter = exporter_of(Fitted(fitted))
    made = exporter.to_onnx(exporter.inputs((SPEC,)), label)
    session = make_session(made.onnx.SerializeToString())
    own, found = exporter.predict({"x": ROWS_ASKED}), session.run(None, {"x": ROWS_ASKED})[0]
    allowed = {"rtol": 1e-3, "atol": 1e-3} if case.inexact else {"rtol": 1e-5, "atol": 1e-5}
    assert (found.dtype, found.shape) == (np.float32, own.shape)
    np.testing.assert_allclose(found, own, **allowed)
    for size in (1, 7):
        np.testing.assert_allclose(session.run(None, {"x": ROWS_ASKED[:size]})[0], found[:size], **allowed)
    with_gaps = ROWS_ASKED[:50].copy()
    with_gaps[::2, 1] = np.nan
    try:
        own = exporter.predict({"x": with_gaps})
    except ModelError:
        return
    np.testing.assert_allclose(session.run(None, {"x": with_gaps})[0], own, equal_nan=True, **allowed)


@pytest.mark.parametrize(("case", "label"), CLASSIFIERS)
def test_classifiers(case: Any, label: str) -> None:
    check(case, LABELS[label], RawFeature("y", KINDS[label]))


@pytest.mark.parametrize("case", REGRESSORS)
def test_regressors(case: Any) -> None:
    check(case, np.exp(0.3 * SCORE) + 0.1, RawFeature("y", "float32"))


def test_one_class_is_no_classifier() -> None:
    from sklearn.tree import DecisionTreeClassifier

    fitted = DecisionTreeClassifier().fit(X, np.zeros(ROWS, np.int64))
    with pytest.raises(ModelError, match="not two or more distinct values"):
        exporter_of(Fitted(fitted)).to_onnx((SPEC,), RawFeature("y", "int64"))


def test_a_class_of_the_users_own_is_not_taken_for_its_base() -> None:
    """A derived class may predict otherwise; its base's writer is not used, and the converter does not know it."""
    from sklearn.preprocessing import StandardScaler

    from trueline.models.exporters.sklearn_emit import own_writer

    class Doubling(StandardScaler):
        pass

    Doubling.__module__ = "mine"
    assert own_writer(StandardScaler()) is not None
    assert own_writer(Doubling()) is None


def boosters() -> list[Any]:
    """Boosters of other libraries within scikit-learn's compositions."""
    from lightgbm import LGBMClassifier, LGBMRegressor
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier, VotingRegressor
    from sklearn.model_selection import GridSearchCV
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.naive_bayes import GaussianNB
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from xgboost import XGBClassifier, XGBRegressor

    few = {"n_estimators": 5, "n_jobs": 1}
    light, extreme = LGBMClassifier(**few, verbose=-1), XGBClassifier(**few, max_depth=3)
    search = GridSearchCV(make_pipeline(StandardScaler(), light), {"lgbmclassifier__max_depth": [2, 3]}, cv=2)
    return [
        ("text", search),
        ("bool", make_pipeline(StandardScaler(), extreme)),
        ("text", VotingClassifier([("a", extreme), ("b", light), ("c", GaussianNB())], voting="soft")),
        ("text", CalibratedClassifierCV(light, cv=2, method="isotonic")),
        ("bool", CalibratedClassifierCV(extreme, cv=2)),
        ("text", StackingClassifier([("a", extreme), ("b", light)], cv=2)),
        ("text", BaggingClassifier(light, n_estimators=3, random_state=0)),
        ("text", OneVsRestClassifier(light)),
        ("number", make_pipeline(StandardScaler(), XGBRegressor(**few))),
        ("number", VotingRegressor([("a", XGBRegressor(**few)), ("b", LGBMRegressor(**few, verbose=-1))])),
        ("number", TransformedTargetRegressor(XGBRegressor(**few), func=np.log, inverse_func=np.exp)),
    ]


@pytest.mark.parametrize("number", range(11))
def test_boosters_within_compositions(number: int) -> None:
    from sklearn_case import Case

    pytest.importorskip("lightgbm")
    pytest.importorskip("xgboost")
    label, estimator = boosters()[number]
    if label == "number":
        check(Case("", estimator), np.exp(0.3 * SCORE), RawFeature("y", "float32"))
    else:
        check(Case("", estimator), LABELS[label], RawFeature("y", KINDS[label]))

"""skops beside the graph: no code in it, the same bytes for equal estimators, and a reason where there is none."""

from __future__ import annotations

import builtins
import io
import zipfile
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("skops")

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from skops import io as skops_io

from trueline.models.exporters.sklearn_native import native

X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
Y = X[:, 0] + X[:, 1] > 0


def test_it_is_read_back_as_it_was() -> None:
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    files, note = native(fitted)
    assert list(files) == ["model.skops"]
    assert "without executing code" in note
    again = skops_io.loads(files["model.skops"])
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    names = zipfile.ZipFile(io.BytesIO(files["model.skops"])).namelist()
    assert names[:2] == ["schema.json", "1.npy"]


@pytest.mark.parametrize("estimator", [LogisticRegression(), DecisionTreeClassifier(random_state=0)])
def test_equal_estimators_give_equal_bytes(estimator: Any) -> None:
    from sklearn.base import clone

    first, second = (native(clone(estimator).fit(X, Y)) for _ in range(2))
    assert first == second
    other = native(clone(estimator).fit(X, ~Y))
    assert other[0] != first[0]


def test_types_that_a_reader_must_trust_are_named() -> None:
    files, note = native(DecisionTreeClassifier().fit(X, Y))
    assert "sklearn.tree._tree.Tree" in note
    again = skops_io.loads(files["model.skops"], trusted=["sklearn.tree._tree.Tree"])
    np.testing.assert_array_equal(again.predict(X), Y)


def test_what_skops_refuses_is_said() -> None:
    fitted = make_pipeline(FunctionTransformer(lambda x: x), LogisticRegression()).fit(X, Y)
    files, note = native(fitted)
    assert files == {} or "to be trusted" in note
    generator = LogisticRegression().fit(X, Y)
    generator.odd = (i for i in range(3))
    files, note = native(generator)
    assert files == {}
    assert "skops does not take LogisticRegression" in note


def test_without_skops_the_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("skops"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    files, note = native(LogisticRegression().fit(X, Y))
    assert files == {}
    assert "skops is not installed" in note


@pytest.mark.filterwarnings("ignore")
def test_labels_that_differ_from_the_estimators_own_are_said() -> None:
    from sklearn.svm import SVC

    from trueline.models import Fitted
    from trueline.models.exporters import exporter_of

    fitted = make_pipeline(StandardScaler(), SVC(probability=True, random_state=0)).fit(X, Y)
    assert "SVC.predict may differ" in exporter_of(Fitted(fitted)).native_files()[1]
    assert "may differ" not in exporter_of(Fitted(LogisticRegression().fit(X, Y))).native_files()[1]

"""Where digits decide: forests whose votes are even, and naive Bayes on a feature that never varied in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trueline._core.sessions import make_session
from trueline._core.values import RawFeature
from trueline.models import Fitted
from trueline.models.exporters.registry import export
from trueline.models.exporters.sklearn import SklearnExporter
from trueline.models.inputs import ModelInput

FEATURES = ["length_filled", "depth", "mass", "ringed"]


@pytest.mark.parametrize("name", ["RandomForestClassifier", "ExtraTreesClassifier"])
def test_even_votes_of_a_forest_give_its_own_label(line: Any, tmp_path: Path, name: str) -> None:
    from sklearn import ensemble

    there = line.table.filter(line.table.column("species").is_valid())
    x, y, _ = line.fn_args("species", FEATURES).train.arrays()
    fitted = getattr(ensemble, name)(20, random_state=1).fit(x[:60], y[:60] == "Adelie")
    labels = np.where(fitted.predict(x), "Adelie", "Gentoo")
    assert (np.ptp(fitted.predict_proba(x), axis=1) == 0).sum() > 5
    model = line.build(Fitted(fitted, classes=["Gentoo", "Adelie"]), tmp_path / "m", "species", FEATURES)
    assert model.parity["class_changes"] == []
    assert model.predict(there).column("label").to_pylist() == labels.tolist()


@pytest.mark.parametrize("calibrated", [False, True])
def test_naive_bayes_keeps_its_digits_on_what_training_never_saw(calibrated: bool) -> None:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.naive_bayes import GaussianNB

    rng = np.random.default_rng(0)
    x = rng.normal(0, 3, (300, 3)).astype(np.float32)
    x[:, 2] = 0
    bayes = GaussianNB()
    made = CalibratedClassifierCV(bayes, method="isotonic") if calibrated else bayes
    fitted = Fitted(made.fit(x, x[:, 0] + rng.normal(0, 2, 300) > 0))
    spec = ModelInput("x", tuple(RawFeature(n, "float64", optional=False) for n in "abc"))
    graph = export(fitted, [spec], RawFeature("y", "bool", optional=False))
    x[:, 2] = 1
    (found,) = make_session(graph.SerializeToString()).run(None, {"x": x})
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found, made.predict_proba(x.astype(np.float64)), atol=1e-5)
    np.testing.assert_array_equal(SklearnExporter(fitted).predict({"x": x}), made.predict_proba(x.astype(np.float64)))

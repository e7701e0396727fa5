"""A model that was fitted on a frame is given its columns in that frame's order, or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import trueline.transform as tlt
from trueline._core.errors import ModelError
from trueline._core.values import RawFeature
from trueline.engine import Dataset
from trueline.models import build_model
from trueline.models.fitted_names import fitted_names


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200)}, dtype=np.float32)
    return frame.assign(good=frame.a > 2 * frame.b)


def build(model: Any, frame: pd.DataFrame, uri: Path) -> Any:
    features = [RawFeature("a", "float32", optional=False), RawFeature("b", "float32", optional=False)]
    features.append(RawFeature("good", "bool", optional=False))
    table = pa.Table.from_pandas(frame, preserve_index=False)
    transform = tlt.analyze(
        tlt.trace(lambda i: {n: i[n] for n in ("a", "b", "good")}, features), Dataset.from_table(table)
    )
    return build_model(model, uri=str(uri), transform=transform, label="good", sample=table)


def estimators() -> list[Any]:
    lightgbm, xgboost = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    boosted = [xgboost.XGBClassifier(n_estimators=3), lightgbm.LGBMClassifier(n_estimators=3, verbose=-1)]
    return [LogisticRegression(), *boosted]


def test_columns_in_another_order_are_refused_and_nothing_is_written(frame: pd.DataFrame, tmp_path: Path) -> None:
    for number, model in enumerate(estimators()):
        with pytest.raises(ModelError, match=r"fitted on the columns b, a, and is given them in the order a, b"):
            build(model.fit(frame[["b", "a"]], frame.good), frame, tmp_path / str(number))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_columns_in_the_features_order_and_matrices_without_names_pass(frame: pd.DataFrame, tmp_path: Path) -> None:
    for number, model in enumerate(estimators()):
        for form, x in enumerate((frame[["a", "b"]], frame[["a", "b"]].to_numpy())):
            made = build(model.fit(x, frame.good), frame, tmp_path / f"{number}-{form}")
            np.testing.assert_allclose(made.predict_proba(frame), model.predict_proba(x), atol=1e-5)


def test_bare_boosters_know_their_names_too(frame: pd.DataFrame) -> None:
    lightgbm, xgboost = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    x = frame[["b", "a"]]
    assert fitted_names(xgboost.train({}, xgboost.DMatrix(x, frame.good), 1)) == ["b", "a"]
    assert fitted_names(lightgbm.train({"verbose": -1}, lightgbm.Dataset(x, frame.good), 1)) == ["b", "a"]
    assert fitted_names(LogisticRegression().fit(x.to_numpy(), frame.good)) is None


def test_a_pipeline_that_selects_columns_by_name_is_told_to_take_numbers(frame: pd.DataFrame, tmp_path: Path) -> None:
    scaled = ColumnTransformer([("s", StandardScaler(), ["a"])], remainder="passthrough")
    model = make_pipeline(scaled, LogisticRegression()).fit(frame[["a", "b"]], frame.good)
    with pytest.raises(ModelError, match=r"by their number in fn_args\.features"):
        build(model, frame, tmp_path / "m")

"""Host steps in front of a model, and in front of its label: the code comes by name and only where it is allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import models_host_code
import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

import trueline.transform as tlt
from trueline._core.errors import ModelError
from trueline._core.values import RawFeature
from trueline.engine.base import Dataset
from trueline.models import Model, build_model

WORDS = pa.table({"text": ["a", "bb", None, "dddd", "eeeee", "ff"] * 5, "y": [0, 0, 1, 1, 1, 0] * 5})


def preprocessing(inputs: Any) -> dict[str, Any]:
    length = tlt.host(models_host_code.letters, inputs["text"], dtype="int64", name="length")
    return {"length": tlt.fill_missing(length, 3), "y": inputs["y"], "size": length}


@pytest.fixture(scope="module")
def transform() -> tlt.TransformOutput:
    raw = [RawFeature("text", "utf8"), RawFeature("y", "int64", optional=False)]
    return tlt.analyze(tlt.trace(preprocessing, raw), Dataset.from_table(WORDS))


def test_a_model_with_a_host_step_predicts_from_the_raw_text(transform: Any, tmp_path: Path) -> None:
    x = np.array([[3 if t is None else len(t)] for t in WORDS.column("text").to_pylist()], np.float32)
    fitted = LogisticRegression().fit(x, WORDS.column("y").to_numpy())
    uri = str(tmp_path / "m")
    model = build_model(fitted, uri=uri, transform=transform, label="y", features=["length"], sample=WORDS)
    (step,) = json.loads((tmp_path / "m" / "host.json").read_text())["steps"]
    assert step["function"] == "models_host_code:letters"
    assert [f["name"] for f in model.info["signature"]["inputs"]] == ["text"]
    assert [f["name"] for f in model.info["feeds"]] == ["host:length"]
    rows = [{"text": t} for t in WORDS.column("text").to_pylist()]
    np.testing.assert_allclose(model.predict_proba(rows), fitted.predict_proba(x), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(model.predict_proba(WORDS), model.predict_proba(rows))
    with pytest.raises(ModelError, match="models_host_code"):
        Model.load(uri, allow_host=())


def test_a_label_made_by_a_host_step(transform: Any, tmp_path: Path) -> None:
    x = WORDS.column("y").to_numpy().astype(np.float32)[:, None]
    fitted = LinearRegression().fit(x, np.arange(len(x)))
    uri = str(tmp_path / "m")
    model = build_model(fitted, uri=uri, transform=transform, label="size", features=["y"], sample=WORDS)
    label, _ = model.targets(WORDS)
    assert label.to_pylist() == [None if t is None else len(t) for t in WORDS.column("text").to_pylist()]
    assert json.loads((tmp_path / "m" / "host.json").read_text())["steps"] == []
    Model.load(uri, allow_host=()).predict([{"y": 1}])

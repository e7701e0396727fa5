"""What run_fn may return or write, what is refused and in which words, and the seeds of every framework."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import trueline.transform as tlt
from trueline._core.errors import ModelError
from trueline._core.values import RawFeature
from trueline.engine.base import Dataset
from trueline.models import Fitted
from trueline.training import FnArgs, run_training
from trueline.training.seeds import seeded

TABLE = pa.table({"a": np.arange(40.0), "y": np.arange(40) % 2})


@pytest.fixture(scope="module")
def transform() -> tlt.TransformOutput:
    features = [RawFeature("a", "float64", optional=False), RawFeature("y", "int64")]
    return tlt.analyze(tlt.trace(lambda i: {"a": i["a"], "y": i["y"]}, features), Dataset.from_table(TABLE))


@pytest.fixture
def fn_args(transform: Any, tmp_path: Path) -> FnArgs:
    rows = Dataset.from_table(transform.transform(TABLE))
    return FnArgs.create(train=rows, transform=transform, label="y", working_dir=str(tmp_path))


def model(fn_args: FnArgs) -> Any:
    from sklearn.linear_model import LogisticRegression

    x, y, _ = fn_args.train.arrays()
    return LogisticRegression().fit(x, y)


def forgets_to_fit(fn_args: FnArgs) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), model(fn_args).__class__())


REFUSED = [
    pytest.param(lambda a: type(model(a)), "returned the class LogisticRegression", "return the object", id="class"),
    pytest.param(
        lambda a: (model(a), {"auc": 1}), "returned a tuple of LogisticRegression, dict", "the model alone", id="tuple"
    ),
    pytest.param(lambda a: [], "returned a list of nothing", "a fitted estimator", id="list"),
    pytest.param(lambda a: model(a).predict, "returned a method, which no exporter takes", "Fitted", id="method"),
    pytest.param(lambda a: np.zeros(3), "returned a ndarray", "a fitted estimator", id="array"),
    pytest.param(lambda a: 0.9, "returned a float", "a fitted estimator", id="number"),
    pytest.param(forgets_to_fit, "returned a Pipeline that was never fitted", r"call its fit\(x, y\)", id="unfitted"),
    pytest.param(
        lambda a: Fitted(type(model(a))()), "LogisticRegression that was never fitted", "clone", id="unfitted wrapped"
    ),
    pytest.param(
        lambda a: None, "returned None and wrote nothing to fn_args.serving_model_dir", "return model", id="0"
    ),
]


@pytest.mark.parametrize(("run_fn", "what", "hint"), REFUSED)
def test_what_is_refused_is_told_in_one_sentence(fn_args: FnArgs, run_fn: Any, what: str, hint: str) -> None:
    with pytest.raises(ModelError, match=what) as caught:
        run_training(run_fn, fn_args)
    assert caught.value.hint is not None
    assert re.search(hint, caught.value.hint)


def test_a_run_fn_must_take_the_arguments(fn_args: FnArgs) -> None:
    with pytest.raises(TypeError, match="positional argument"):
        run_training(lambda: None, fn_args)


def writes(name: str, write: Any) -> Any:
    def run_fn(fn_args: FnArgs) -> None:
        folder = Path(fn_args.serving_model_dir)
        folder.mkdir(parents=True)
        write(fn_args, str(folder / name))

    return run_fn


def booster(fn_args: FnArgs) -> Any:
    import xgboost

    x, y, _ = fn_args.train.arrays()
    return xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(x, label=y), 2)


@pytest.mark.parametrize("name", ["model.json", "model.ubj"])
def test_an_xgboost_file_is_read(fn_args: FnArgs, name: str) -> None:
    pytest.importorskip("xgboost")
    found = run_training(writes(name, lambda a, path: booster(a).save_model(path)), fn_args)
    assert type(found.model).__name__ == "Booster"
    assert found.model.num_boosted_rounds() == 2


def test_a_lightgbm_file_is_read(fn_args: FnArgs) -> None:
    lightgbm = pytest.importorskip("lightgbm")

    def write(fn_args: FnArgs, path: str) -> None:
        x, y, _ = fn_args.train.arrays()
        options = {"objective": "binary", "num_threads": 1, "verbose": -1, "min_data_in_leaf": 2}
        lightgbm.train(options, lightgbm.Dataset(x, y), 3).save_model(path)

    found = run_training(writes("model.txt", write), fn_args)
    assert found.model.num_trees() == 3


def test_an_onnx_file_is_taken_by_its_path(fn_args: FnArgs) -> None:
    found = run_training(writes("model.onnx", lambda a, path: Path(path).write_bytes(b"...")), fn_args)
    assert str(found.model.source).endswith("serving_model_dir/model.onnx")


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "model.pt", "model.h5", "weights.bin"])
def test_pickles_are_refused_by_name(fn_args: FnArgs, name: str) -> None:
    with pytest.raises(ModelError, match=rf"holds {name}: pickles, or files that may hold code, are not read"):
        run_training(writes(name, lambda a, path: Path(path).write_bytes(b"cos\nsystem\n(S'false'\ntR.")), fn_args)


def test_files_that_are_no_model(fn_args: FnArgs, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model that is read: notes\.md"):
        run_training(writes("notes.md", lambda a, path: Path(path).write_bytes(b"")), fn_args)
    (tmp_path / "serving_model_dir" / "a.onnx").write_bytes(b"")
    (tmp_path / "serving_model_dir" / "b.json").write_bytes(b"{}")
    with pytest.raises(ModelError, match=r"several models: a\.onnx, b\.json"):
        run_training(lambda a: None, fn_args)
    (tmp_path / "serving_model_dir" / "a.onnx").unlink()
    with pytest.raises(ModelError, match="the file does not load: XGBoostError"):
        run_training(lambda a: None, fn_args)


def test_generators_are_put_back() -> None:
    torch = pytest.importorskip("torch")
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    drawn = []
    for seed in (4, 4, 5):
        with seeded(seed):
            drawn.append((random.random(), float(np.random.rand()), float(torch.rand(1))))
    assert drawn[0] == drawn[1] != drawn[2]
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before


def test_generators_are_put_back_after_an_error() -> None:
    before = random.getstate()
    with pytest.raises(KeyError), seeded(1):
        raise KeyError
    assert random.getstate() == before
    assert not any(type(finder).__name__ == "_SeedOnImport" for finder in sys.meta_path)


@pytest.mark.slow
def test_a_framework_imported_by_run_fn_is_seeded_then() -> None:
    pytest.importorskip("torch")
    script = """
from trueline.training.seeds import seeded
import sys
assert "torch" not in sys.modules
with seeded(int(sys.argv[1])):
    import torch
    print(torch.rand(3).tolist())
    print(torch.initial_seed())
"""
    said = [
        subprocess.run([sys.executable, "-c", script, s], capture_output=True, text=True, check=True).stdout
        for s in ("7", "8")
    ]
    assert said[0].splitlines()[1] == "7"
    assert said[1].splitlines()[1] == "8"
    import torch

    torch_state = torch.get_rng_state()
    torch.manual_seed(7)
    assert said[0].splitlines()[0] == str(torch.rand(3).tolist())
    torch.set_rng_state(torch_state)

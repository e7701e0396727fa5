"""The Trainer in a line: what run_fn finds, what is kept of the training, warm starts, TFX's style, clear errors."""

from __future__ import annotations

import inspect
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from trainer_line import nodes, run

from trueline import LocalRunner, Pipeline
from trueline._core.errors import ConfigError
from trueline._core.manifest import read_manifest
from trueline.cli.report import run_view
from trueline.components import Importer, Trainer
from trueline.display import run_report_html
from trueline.metadata import MetadataStore, RunStore
from trueline.models import Model
from trueline.pipeline.artifacts import Model as ModelType
from trueline.training import read_metrics

CODE = """
import json
from pathlib import Path

def run_fn(fn_args):
    from sklearn.linear_model import LogisticRegression

    x, y, _ = fn_args.train.arrays()
    raw = fn_args.raw("train").table()
    assert [int(v) for v in y] == raw.column("tall").to_pylist()
    assert fn_args.raw("eval").table().num_rows == fn_args.eval.num_rows
    assert all(Path(p).suffix == ".parquet" and Path(p).exists() for p in fn_args.train_files + fn_args.eval_files)
    assert {f.name for f in fn_args.schema.feature} == {"town", "height", "weight", "gap", "tall"}
    assert Path(fn_args.schema_path).name == "schema.pbtxt"
    assert Path(fn_args.transform_graph_path, "graph.json").exists()
    told = {"hyperparameters": fn_args.hyperparameters, "config": fn_args.custom_config, "epochs": fn_args.epochs,
            "steps": [fn_args.train_steps, fn_args.eval_steps], "seed": fn_args.seed, "device": fn_args.device,
            "base": fn_args.base_model and fn_args.base_model.name, "name": fn_args.name}
    Path(fn_args.model_run_dir, "told.json").write_text(json.dumps(told))
    for step in fn_args.progress(range(5)):
        fn_args.log("train/loss", 1 / (step + 1), step)
        fn_args.log("eval/loss", 1.5 / (step + 1), step)
    return LogisticRegression(C=fn_args.hyperparameters.get("C", 1.0)).fit(x, y)
"""
GIVEN: dict[str, Any] = {
    "hyperparameters": {"C": 0.5},
    "custom_config": {"a": [1]},
    "epochs": 3,
    "train_steps": 7,
    "eval_steps": 2,
    "seed": 11,
    "device": "cpu",
    "name": "tall people",
    "about": {"description": "who is tall", "owner": "the tailor"},
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A line that ran once."""
    home = tmp_path_factory.mktemp("trainer")
    return home, run(home, CODE, **GIVEN)


def output(result: Any, key: str) -> str:
    node = result.nodes["Trainer"]
    assert node.state == "COMPLETE", node.message
    return str(node.outputs[key][0].uri)


def test_run_fn_finds_all_that_was_given(ran: tuple[Path, Any]) -> None:
    told = json.loads(Path(output(ran[1], "model_run"), "told.json").read_text())
    assert told == {
        "hyperparameters": {"C": 0.5},
        "config": {"a": [1]},
        "epochs": 3,
        "steps": [7, 2],
        "seed": 11,
        "device": "cpu",
        "base": None,
        "name": "tall people",
    }


def test_the_model_remembers_its_training(ran: tuple[Path, Any]) -> None:
    info = Model.load(output(ran[1], "model")).info
    facts = info["training"]
    assert {k: facts[k] for k in ("seed", "epochs", "train_steps", "device", "world_size", "hyperparameters")} == {
        "seed": 11,
        "epochs": 3,
        "train_steps": 7,
        "device": "cpu",
        "world_size": 1,
        "hyperparameters": {"C": 0.5},
    }
    assert facts["metrics"]["train/loss"] == {"last": 0.2, "min": 0.2, "max": 1.0, "count": 5}
    assert facts["rows"] + facts["missing_labels"] + facts["eval_rows"] > 580
    assert facts["missing_labels"] > 0
    assert info["about"] == {"description": "who is tall", "owner": "the tailor"}


def test_what_was_logged_is_kept_and_shown(ran: tuple[Path, Any]) -> None:
    home, result = ran
    kept = output(result, "model_run")
    assert [e["step"] for e in read_metrics(kept) if e["metric"] == "eval/loss"] == [0, 1, 2, 3, 4]
    assert any(Path(kept, "tensorboard").iterdir())
    found = result.nodes["Trainer"].found
    assert found["eval/loss"] == 0.3
    assert not {"rate", "remaining", "step"} & set(found)
    with closing(MetadataStore(str(home / "line" / "metadata.db"), create=False)) as store:
        page = run_report_html(run_view(RunStore(store), result.run_id))
    assert 'class="curve c1"' in page
    assert "train/loss" in page


def test_the_same_work_is_the_same_model(ran: tuple[Path, Any], tmp_path: Path) -> None:
    again = run(tmp_path, CODE, **GIVEN)
    prints = [read_manifest(output(result, "model"), "sha256").fingerprint for result in (ran[1], again)]
    assert prints[0] == prints[1]


def test_nothing_stays_of_a_training_that_succeeded(ran: tuple[Path, Any]) -> None:
    assert list((ran[0] / "line" / ".trueline").rglob("checkpoints")) == []
    assert list((ran[0] / "line" / ".trueline").rglob("metrics*.jsonl")) == []


BOOSTED = """
def run_fn(fn_args):
    import xgboost

    x, y, _ = fn_args.train.arrays()
    base = None
    if fn_args.base_model is not None:
        base = xgboost.Booster(model_file=bytearray(fn_args.base_model.native().read("model.ubj")))
        assert base.num_boosted_rounds() == 3
    options = {"objective": "binary:logistic", "nthread": 1, "seed": fn_args.seed}
    booster = xgboost.train(options, xgboost.DMatrix(x, label=y), 3, xgb_model=base)
    booster.save_model(fn_args.serving_model_dir + ".ubj")
    import os
    os.makedirs(fn_args.serving_model_dir)
    os.rename(fn_args.serving_model_dir + ".ubj", fn_args.serving_model_dir + "/model.ubj")
"""


def test_a_booster_goes_on_from_a_base_model_and_is_written_as_in_tfx(tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    first = run(tmp_path, BOOSTED)
    base = Importer(source_uri=output(first, "model"), artifact_type=ModelType)
    line = [base, *nodes(tmp_path, base_model=base.outputs["result"])]
    second = LocalRunner().run(Pipeline("warm", line, root=str(tmp_path / "warm")))
    rounds = []
    for result in (first, second):
        native = Model.load(output(result, "model")).native()
        (name,) = native.files
        rounds.append(xgboost.Booster(model_file=bytearray(native.read(name))).num_boosted_rounds())
    assert rounds == [3, 6]
    assert Model.load(output(second, "model")).info["training"]["base_model"] == {
        "name": "tall",
        "framework": "xgboost",
    }


def test_wrong_numbers_are_told_all_at_once_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(CODE)
    line = nodes(
        tmp_path,
        epochs=0,
        train_steps=2.5,
        processes=0,
        device="gpu",
        distributed="mpi",
        seed=-1,
        about={"licens": "MIT", "owner": 3},
    )
    with pytest.raises(ConfigError) as caught:
        Pipeline("line", line, root=str(tmp_path / "line"))
    text = str(caught.value)
    for part in (
        "epochs=0: give a whole number",
        "train_steps=2.5",
        "processes=0",
        "device='gpu': give auto, cpu, cuda",
        "distributed='mpi'. There is: ray, torchrun",
        "seed=-1",
        "about has 'licens'. Did you mean 'licence'?",
        "about['owner'] is 3, which is no text",
    ):
        assert part in text
    assert "trainer_line.py:" in text


def test_an_absent_device_stops_before_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUELINE_DEVICE", "cuda:99")
    node = run(tmp_path, CODE).nodes["Trainer"]
    assert node.state == "FAILED"
    assert "TRUELINE_DEVICE='cuda:99': there is no such device here" in node.message


def test_scikit_learns_own_words_on_nan_come_with_the_features(tmp_path: Path) -> None:
    code = CODE.replace("for step", "x[0, 0]\n    for step")
    node = run(tmp_path, code, features=["z", "gap"]).nodes["Trainer"]
    assert node.state == "FAILED"
    assert "Input X contains NaN" in node.message
    assert "Hint: these features have missing or NaN values: gap; use tlt.fill_missing" in node.message


def test_every_argument_is_a_parameter_or_an_input(tmp_path: Path) -> None:
    """What is neither would be in no cache key."""
    names = set(inspect.signature(Trainer.__init__).parameters) - {"self", "node_id", "module_file"}
    (tmp_path / "model.py").write_text(CODE)
    made = nodes(tmp_path)[-1]
    assert names == set(made.params) | set(Trainer.INPUTS)


EMBEDDED = """
def run_fn(fn_args):
    from trueline import Fitted

    assert fn_args.label is None
    x, y, _ = fn_args.train.arrays()
    assert y is None
    assert x.shape == (fn_args.train.dataset.num_rows, 2)
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    import numpy as np

    weights = numpy_helper.from_array(np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2].T.copy(), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["e"])],
        "projection",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("e", TensorProto.FLOAT, [None, 2])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return Fitted(model, output="embedding")
"""


def test_a_model_without_a_label(tmp_path: Path) -> None:
    model = Model.load(output(run(tmp_path, EMBEDDED, label=None, name="place"), "model"))
    assert (model.task, model.name) == ("embedding", "place")
    assert model.info["training"]["missing_labels"] == 0

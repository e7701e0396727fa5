"""What is logged: lines that a kill cannot halve, TensorBoard's file format, an MLflow server, and all of it quick."""

from __future__ import annotations

import math
import struct
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import trueline.transform as tlt
from trueline._core.values import RawFeature
from trueline.data.tfrecord_crc import crc32c, masked_one
from trueline.engine.base import Dataset
from trueline.training import FnArgs, read_metrics, run_training
from trueline.training.facts import training_facts
from trueline.training.tracking_mlflow import URI_VARIABLE, plain_parameters
from trueline.training.tracking_tensorboard import TensorBoardFiles


@pytest.fixture(scope="module")
def transform() -> tlt.TransformOutput:
    table = pa.table({"a": np.arange(20.0), "y": np.arange(20) % 2})
    features = [RawFeature("a", "float64", optional=False), RawFeature("y", "int64")]
    return tlt.analyze(tlt.trace(lambda i: {"a": i["a"], "y": i["y"]}, features), Dataset.from_table(table))


def args(transform: Any, folder: Path, **more: Any) -> FnArgs:
    table = pa.table({"a": np.arange(20.0), "y": np.arange(20) % 2})
    rows = Dataset.from_table(transform.transform(table))
    return FnArgs.create(train=rows, transform=transform, label="y", working_dir=str(folder), **more)


def fitted(fn_args: FnArgs) -> Any:
    from sklearn.linear_model import LogisticRegression

    fn_args.log("train/loss", 0.5, 1)
    fn_args.log("train/loss", 0.25, 2)
    fn_args.log("seen", 7)
    fn_args.log("seen", math.nan)
    x, y, _ = fn_args.train.arrays()
    return LogisticRegression().fit(x, y)


def records(path: Path) -> list[bytes]:
    """The records of a TFRecord file, every checksum of which is right."""
    data, found, at = path.read_bytes(), [], 0
    while at < len(data):
        length, head = struct.unpack_from("<QI", data, at)
        body = data[at + 12 : at + 12 + length]
        assert masked_one(crc32c(data[at : at + 8])) == head
        assert masked_one(crc32c(body)) == struct.unpack_from("<I", data, at + 12 + length)[0]
        found.append(body)
        at += 16 + length
    return found


def test_event_files_are_tfrecords_of_events(transform: Any, tmp_path: Path) -> None:
    """Read back by hand; tests/tf_models has TensorBoard itself read them."""
    run_training(fitted, args(transform, tmp_path))
    (path,) = (tmp_path / "tensorboard").iterdir()
    assert ".tfevents." in path.name
    first, *events = records(path)
    assert first[9:] == b"\x1a\x0dbrain.Event:2"
    assert abs(struct.unpack_from("<d", first, 1)[0] - time.time()) < 60
    tags = [b"train/loss", b"train/loss", b"seen", b"seen"]
    steps, values = [1, 2, 0, 1], [0.5, 0.25, 7.0, math.nan]
    for event, tag, step, value in zip(events, tags, steps, values, strict=True):
        assert (event[9], event[10]) == (0x10, step)
        assert tag in event
        assert struct.unpack("<f", event[-4:])[0] == pytest.approx(value, nan_ok=True)


def test_numbers_of_any_size_go_into_events(tmp_path: Path) -> None:
    files = TensorBoardFiles(str(tmp_path))
    for step, value in ((0, 1e300), (300, -1e300), (2**40, 1.0), (-1, 0.0)):
        files.add("é" * 200, value, step)
    files.close()
    (path,) = tmp_path.iterdir()
    assert len(records(path)) == 5


def test_the_facts_hold_last_least_and_greatest(transform: Any, tmp_path: Path) -> None:
    fn_args = args(transform, tmp_path, hyperparameters={"depth": 3}, seed=4, epochs=2)
    run_training(fitted, fn_args)
    facts = training_facts(fn_args)
    assert facts["metrics"]["train/loss"] == {"last": 0.25, "min": 0.25, "max": 0.5, "count": 2}
    assert math.isnan(facts["metrics"]["seen"]["last"])
    assert (facts["metrics"]["seen"]["min"], facts["metrics"]["seen"]["count"]) == (7.0, 2)
    assert (facts["seed"], facts["epochs"], facts["rows"], facts["device"]) == (4, 2, 20, "cpu")
    assert facts["hyperparameters"] == {"depth": 3}
    assert str(tmp_path) not in str(facts)


def test_only_the_first_of_several_processes_writes(transform: Any, tmp_path: Path) -> None:
    other = args(transform, tmp_path, rank=1, world_size=2)
    other.log("loss", 1.0, 0)
    other.checkpoints.save(1, {"a": b"1"})
    assert list(tmp_path.iterdir()) == []


def test_many_values_cost_little(transform: Any, tmp_path: Path) -> None:
    """A hundred thousand took 3 s of CPU on the machine where this was written."""
    fn_args = args(transform, tmp_path)
    before = time.process_time()
    for step in range(20_000):
        fn_args.log("loss", 1.0 / (step + 1), step)
    fn_args.tracker.close()
    spent = time.process_time() - before
    assert spent < 4, f"{spent:.1f} s of CPU"
    assert (tmp_path / "metrics.jsonl").read_text().count("\n") == 20_000
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert len(records(events)) == 20_001


def test_values_and_parameters_reach_mlflow(transform: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real store of MLflow in a folder."""
    pytest.importorskip("mlflow")
    store = (tmp_path / "mlruns").as_uri()
    monkeypatch.setenv(URI_VARIABLE, store)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "taxi")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    secret = {"api_key": "hunter2", "store": {"password": "hunter3", "pool": 4}, "max_tokens": 9}
    fn_args = args(transform, tmp_path / "run", hyperparameters={"depth": 3, **secret}, seed=4, name="tips")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)
        run_training(fitted, fn_args)
        from mlflow.tracking import MlflowClient

        client = MlflowClient(store)
        (run,) = client.search_runs([client.get_experiment_by_name("taxi").experiment_id])
        history = client.get_metric_history(run.info.run_id, "train/loss")
    assert run.info.run_name == "tips"
    assert run.info.status == "FINISHED"
    assert sorted((m.step, m.value) for m in history) == [(1, 0.5), (2, 0.25)]
    assert run.data.params["depth"] == "3"
    assert (run.data.params["seed"], run.data.params["store.pool"], run.data.params["max_tokens"]) == ("4", "4", "9")
    assert "hunter" not in "".join(p.read_text() for p in (tmp_path / "mlruns").rglob("*") if p.is_file())


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_failed_training_is_a_failed_run(transform: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    store = (tmp_path / "mlruns").as_uri()
    monkeypatch.setenv(URI_VARIABLE, store)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")

    def breaks(fn_args: FnArgs) -> Any:
        fn_args.log("loss", 1.0, 0)
        raise KeyError("absent")

    fn_args = args(transform, tmp_path / "run")
    with pytest.raises(KeyError):
        run_training(breaks, fn_args)
    from mlflow.tracking import MlflowClient

    client = MlflowClient(store)
    (run,) = client.search_runs([client.get_experiment_by_name("trueline").experiment_id])
    assert (run.info.status, run.data.metrics) == ("FAILED", {"loss": 1.0})


def test_another_log_in_the_folder_is_none_of_this_run(transform: Any, tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text("somebody else's\n")
    fn_args = args(transform, tmp_path)
    run_training(fitted, fn_args)
    assert list(fn_args.tracker.summary) == ["train/loss", "seen"]


def test_a_broken_server_is_one_warning_without_its_address(
    transform: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv(URI_VARIABLE, "http://anna:hunter2@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.warns(UserWarning, match="not all, on the MLflow server") as caught:
        run_training(fitted, args(transform, tmp_path))
    assert len(caught) == 1
    assert "hunter2" not in str(caught[0].message)
    assert "127.0.0.1" not in str(caught[0].message)
    assert len(read_metrics(str(tmp_path))) == 4
    assert "hunter2" not in "".join(p.read_text("latin-1") for p in tmp_path.rglob("*") if p.is_file())


def test_parameters_as_mlflow_takes_them() -> None:
    long = plain_parameters({"a b": "x" * 900, "nested": {"c": [1, 2], "Access_Key": "k"}, "token": "t", "d%": None})
    assert len(long.pop("a b")) == 500
    assert long == {"nested.c": "[1, 2]", "d_": "None"}

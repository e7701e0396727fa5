"""Warm-up: recorded rows, TensorFlow Serving's recorded requests, what fails a load, and switching it off."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_helpers import taxi_graph, write_model

from trueline._core.errors import ModelError
from trueline.serving.grpc_descriptors import message
from trueline.serving.grpc_tensors import fill_tensor
from trueline.serving.loading import load_model
from trueline.serving.options import ServerOptions
from trueline.serving.warmup import REQUESTS_NAME
from trueline.serving.warmup_records import read_records, record_bytes

PREDICT = {"fare": np.array([1.0, 2.5]), "company": np.array(["Flash", "x"], object)}


def log(kind: str, **values: Any) -> Any:
    """A ``PredictionLog``."""
    made = message("tensorflow.serving.PredictionLog")()
    request = getattr(made, f"{kind}_log").request
    request.model_spec.name = "recorded under another name"
    request.model_spec.signature_name = values.get("signature", "")
    if kind == "predict":
        for name, array in values.get("inputs", PREDICT).items():
            fill_tensor(request.inputs[name], array)
    else:
        example = request.input.example_list.examples.add()
        example.features.feature["fare"].float_list.value.append(values.get("fare", 1.0))
    return made


def model_with(folder: Path, records: Sequence[bytes], tail: bytes = b"") -> str:
    """A model with recorded requests."""
    write_model(folder, taxi_graph(), manifest=False)
    (folder / "assets.extra").mkdir()
    (folder / REQUESTS_NAME).write_bytes(b"".join(map(record_bytes, records)) + tail)
    from trueline._core.manifest import write_manifest

    write_manifest(str(folder), "Model", 1)
    return str(folder)


def test_recorded_requests_are_answered_before_the_version_is_available(tmp_path: Path) -> None:
    logs = [log("predict"), log("classify"), log("predict", signature="serving_default")]
    uri = model_with(tmp_path / "m", [one.SerializeToString() for one in logs])
    assert load_model(uri, ServerOptions()).warmup_rows == 4 + 3
    assert load_model(uri, ServerOptions(num_request_iterations_for_warmup=3)).warmup_rows == 4 + 3
    assert load_model(uri, ServerOptions(enable_model_warmup=False)).warmup_rows == 0


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda: log("predict", inputs={"fare": PREDICT["fare"], "fair": PREDICT["fare"]}), "fair"),
        (lambda: log("predict", inputs={"fare": np.array(["x"], object)}), "fare"),
        (lambda: log("predict", signature="other"), '"other" not found'),
        (lambda: log("regress"), "recorded request 2 is not answered"),
        (lambda: message("tensorflow.serving.PredictionLog")(), "something else than predict"),
    ],
)
def test_a_recorded_request_that_is_not_answered_fails_the_load(tmp_path: Path, made: Any, why: str) -> None:
    uri = model_with(tmp_path / "m", [log("predict").SerializeToString(), made().SerializeToString()])
    with pytest.raises(ModelError) as caught:
        load_model(uri, ServerOptions())
    assert why in str(caught.value)
    assert "recorded request 2 is not answered" in str(caught.value)
    assert load_model(uri, ServerOptions(enable_model_warmup=False)).runtime.inputs


def test_damaged_and_too_many_records_fail_the_load(tmp_path: Path) -> None:
    record = log("predict").SerializeToString()
    for i, (records, tail, why) in enumerate(
        [
            ([record], record_bytes(record)[:-5], "is cut off"),
            ([record], b"\x01", "is cut off"),
            ([record], record_bytes(record)[:-1] + b"\x00", "its bytes have another checksum"),
            ([record], b"\xff" * 30, "its length has another checksum"),
            ([b"\xff\xff"], b"", "it is no PredictionLog"),
            ([record] * 1001, b"", "at most 1000 recorded requests"),
        ]
    ):
        with pytest.raises(ModelError, match=why):
            load_model(model_with(tmp_path / str(i), records, tail), ServerOptions())


def test_tfrecord_is_what_the_data_reader_writes(tmp_path: Path) -> None:
    tfrecord_write = pytest.importorskip("trueline.data.tfrecord_crc")
    for data in (b"", b"a", bytes(range(256)) * 9):
        length = len(data).to_bytes(8, "little")
        expected = b"".join(
            part + tfrecord_write.masked_one(tfrecord_write.crc32c(part)).to_bytes(4, "little")
            for part in (length, data)
        )
        assert record_bytes(data) == expected
    (tmp_path / "r").write_bytes(record_bytes(b"one") + record_bytes(b""))
    assert list(read_records(str(tmp_path / "r"))) == [b"one", b""]

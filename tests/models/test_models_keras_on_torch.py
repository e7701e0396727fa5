"""Keras models on torch down the line; the same cases as on TensorFlow and JAX in tests/tf_models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")
pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from keras_cases import KERAS_CASES, check_case  # noqa: E402

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.skipif(keras.backend.backend() != "torch", reason="Keras runs on another back end here"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning"),
]


@pytest.mark.parametrize("case", KERAS_CASES, ids=lambda c: c.name)
def test_a_keras_model_on_torch_comes_out_as_it_went_in(line: Any, tmp_path: Path, case: Any) -> None:
    check_case(line, tmp_path / "m", case)

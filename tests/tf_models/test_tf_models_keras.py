"""Keras models down the line, on the back end that KERAS_BACKEND names: heads, several inputs, native files, refusals.

The same cases run on JAX in `test_tf_models_keras_jax.py` and on torch in tests/models.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

keras = pytest.importorskip("keras", reason="NOT TESTED HERE: no Keras; run `make test-tensorflow`")

from keras_cases import KERAS_CASES, check_case  # noqa: E402

pytestmark = [
    pytest.mark.skipif(keras.backend.backend() == "torch", reason="the cases run on torch in tests/models"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning"),
]


@pytest.mark.parametrize("case", KERAS_CASES, ids=lambda c: c.name)
def test_a_keras_model_comes_out_as_it_went_in(line: Any, tmp_path: Path, case: Any) -> None:
    check_case(line, tmp_path / "m", case)

"""The Keras cases on JAX, in a process of their own: Keras has one back end for a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_CHOSEN = "sigmoid or int-labels or two-inputs or lstm or image or own-layer"

pytest.importorskip("jax", reason="NOT TESTED HERE: no JAX; run `make test-tensorflow`")


@pytest.mark.skipif(os.environ.get("KERAS_BACKEND") == "jax", reason="the cases run on JAX in this very process")
def test_the_keras_cases_hold_on_jax() -> None:
    cases = Path(__file__).with_name("test_tf_models_keras.py")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-k",
        _CHOSEN,
        str(cases),
    ]
    done = subprocess.run(
        command, env=os.environ | {"KERAS_BACKEND": "jax"}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert "6 passed" in done.stdout

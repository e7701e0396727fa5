"""TensorFlow's strategies: mirrored over two virtual CPU devices, the default over one, and what cannot be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

tf = pytest.importorskip("tensorflow", reason="NOT TESTED HERE: no TensorFlow; run `make test-tensorflow`")

from trueline._core.errors import ConfigError  # noqa: E402
from trueline.training.strategy import tensorflow_strategy  # noqa: E402


def test_two_devices_share_each_batch_and_end_where_one_does() -> None:
    script = Path(__file__).with_name("mirrored_training.py")
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["replicas"] == 2
    assert found["moved"] > 1e-3
    assert found["apart"] < 1e-6


def test_one_device_is_the_default_strategy_or_the_one_that_is_named() -> None:
    assert tensorflow_strategy("cpu").num_replicas_in_sync == 1
    named = tensorflow_strategy("cpu:0")
    with named.scope():
        assert "CPU:0" in tf.Variable(1.0).device


def test_several_processes_and_devices_that_are_not_there_are_refused() -> None:
    with pytest.raises(ConfigError, match="of one process, here are 2"):
        tensorflow_strategy("cpu", 2)
    with pytest.raises(ConfigError, match="sees no device 'cuda:7'"):
        tensorflow_strategy("cuda:7")

#!/usr/bin/env bash
# The environment of the tests that run in TensorFlow, Keras, JAX and LiteRT, apart from the others because of its size. Where it
# cannot be made, those tests are skipped and say so.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"
if [ -f .venvs/tensorflow/.made ] && [ ! constraints-tensorflow.txt -nt .venvs/tensorflow/.made ]; then
  exit 0
fi
rm -rf .venvs/tensorflow
if "$python" -m venv .venvs/tensorflow &&
  .venvs/tensorflow/bin/python -m pip --disable-pip-version-check -q install -c constraints.txt -c constraints-tensorflow.txt \
    -e '.[all-local]' tensorflow-cpu keras tf2onnx ai-edge-litert tensorboard jax jax2onnx flax optax pytest pytest-xdist hypothesis; then
  touch .venvs/tensorflow/.made
else
  echo "NOT TESTED HERE: TensorFlow could not be installed: the tests in TensorFlow, Keras, JAX and LiteRT will be skipped" >&2
fi

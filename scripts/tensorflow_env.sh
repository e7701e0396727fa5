#!/usr/bin/env bash
# The environment of the tests that run in TensorFlow and LiteRT, apart from the others because of its size.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"
if [ ! -f .venvs/tensorflow/.made ] || [ constraints-tensorflow.txt -nt .venvs/tensorflow/.made ]; then
  rm -rf .venvs/tensorflow
  "$python" -m venv .venvs/tensorflow
  .venvs/tensorflow/bin/python -m pip --disable-pip-version-check -q install -c constraints.txt -c constraints-tensorflow.txt \
    -e . tensorflow-cpu ai-edge-litert pytest pytest-xdist hypothesis
  touch .venvs/tensorflow/.made
fi

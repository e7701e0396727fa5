#!/usr/bin/env bash
# The environment of the slow test that talks to the server with KServe's own client and with Triton's, the official
# clients of the Open Inference Protocol. They need an older protobuf than trueline, so they stand alone.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -f .venvs/kserve/.made ] && exit 0
rm -rf .venvs/kserve
if "${KSERVE_PYTHON:-.venv/bin/python}" -m venv .venvs/kserve &&
  .venvs/kserve/bin/python -m pip --disable-pip-version-check -q install "kserve==0.21.0" "tritonclient[http,grpc]==2.73.0"; then
  touch .venvs/kserve/.made
else
  rm -rf .venvs/kserve # its test looks for the interpreter
  echo "NOT TESTED HERE: kserve and tritonclient could not be installed: their test will be skipped" >&2
fi

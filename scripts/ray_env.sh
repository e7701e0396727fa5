#!/usr/bin/env bash
# The environment of the tests that run on Ray: a cluster of two nodes on this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"
if [ ! -f .venvs/ray/.made ]; then
  rm -rf .venvs/ray
  "$python" -m venv .venvs/ray
  .venvs/ray/bin/python -m pip --disable-pip-version-check -q install -c constraints.txt -e '.[ray]' pytest hypothesis
  touch .venvs/ray/.made
fi

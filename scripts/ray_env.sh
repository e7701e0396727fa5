#!/usr/bin/env bash
# The environment of the tests that run on Ray: a cluster of two nodes on this machine. Where it cannot be made, those
# tests are skipped and say so.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"
[ -f .venvs/ray/.made ] && exit 0
rm -rf .venvs/ray
if "$python" -m venv .venvs/ray &&
  .venvs/ray/bin/python -m pip --disable-pip-version-check -q install -c constraints.txt -e '.[ray]' pytest hypothesis; then
  touch .venvs/ray/.made
else
  echo "NOT TESTED HERE: Ray could not be installed: the tests on a cluster will be skipped" >&2
fi

#!/usr/bin/env bash
# The environment of the slow test that opens our database with ML Metadata's own client. That client needs an older
# protobuf than trueline and Python 3.11, so it stands alone.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${MLMD_PYTHON:-}"
if [ -z "$python" ]; then
  for candidate in python3.11 python3 .venv/bin/python; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
      python="$candidate"
      break
    fi
  done
fi
if [ -z "$python" ]; then
  echo "mlmd: no Python 3.11 here (ml-metadata has no wheels for newer ones): its test will be skipped" >&2
  exit 0
fi
if [ ! -f .venvs/mlmd/.made ]; then
  rm -rf .venvs/mlmd
  "$python" -m venv .venvs/mlmd
  .venvs/mlmd/bin/python -m pip --disable-pip-version-check -q install "ml-metadata==1.17.1"
  touch .venvs/mlmd/.made
fi

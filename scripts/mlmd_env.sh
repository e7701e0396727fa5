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
  echo "NOT TESTED HERE: no Python 3.11 (ml-metadata has no wheels for newer ones): its test will be skipped" >&2
  exit 0
fi
[ -f .venvs/mlmd/.made ] && exit 0
rm -rf .venvs/mlmd
if "$python" -m venv .venvs/mlmd &&
  .venvs/mlmd/bin/python -m pip --disable-pip-version-check -q install "ml-metadata==1.17.1"; then
  touch .venvs/mlmd/.made
else
  rm -rf .venvs/mlmd # its test looks for the interpreter
  echo "NOT TESTED HERE: ml-metadata could not be installed: its test will be skipped" >&2
fi

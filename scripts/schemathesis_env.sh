#!/usr/bin/env bash
# The environment of the slow test that holds the server against its OpenAPI document with schemathesis.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -f .venvs/schemathesis/.made ] && exit 0
rm -rf .venvs/schemathesis
if "${SCHEMATHESIS_PYTHON:-.venv/bin/python}" -m venv .venvs/schemathesis &&
  .venvs/schemathesis/bin/python -m pip --disable-pip-version-check -q install "schemathesis==4.32.5"; then
  touch .venvs/schemathesis/.made
else
  rm -rf .venvs/schemathesis # its test looks for the interpreter
  echo "NOT TESTED HERE: schemathesis could not be installed: its test will be skipped" >&2
fi

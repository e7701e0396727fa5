#!/usr/bin/env bash
# onnxruntime-web, with which tests run graphs in node and in Chromium. Where node or its packages cannot be had, those
# tests are skipped and say so.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -f .venvs/web/.made ] && cmp -s tests/transform/web/package-lock.json .venvs/web/package-lock.json && exit 0
if ! command -v npm >/dev/null; then
  echo "NOT TESTED HERE: no npm: the tests in node and in the browser will be skipped" >&2
  exit 0
fi
rm -rf .venvs/web
mkdir -p .venvs/web
cp tests/transform/web/package.json tests/transform/web/package-lock.json .venvs/web/
if npm --prefix .venvs/web ci --ignore-scripts --no-audit --no-fund --silent; then
  touch .venvs/web/.made
else
  echo "NOT TESTED HERE: onnxruntime-web could not be installed: the tests in node and in the browser will be skipped" >&2
fi

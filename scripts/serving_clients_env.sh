#!/usr/bin/env bash
# The environment of the slow test that talks to the server with TensorFlow Serving's official Python stubs. The stubs
# ask for the whole of TensorFlow, of which they use the generated messages alone: those are unpacked beside them, out of
# the wheel or out of .venvs/tensorflow where that was made.
set -euo pipefail
cd "$(dirname "$0")/.."
env=.venvs/serving_clients
[ -f $env/.made ] && exit 0
rm -rf $env
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
pip="$env/bin/python -m pip --disable-pip-version-check -q"
framework=.venvs/tensorflow/lib/python3.*/site-packages/tensorflow
make_env() {
  "${PYTHON:-.venv/bin/python}" -m venv $env &&
    $pip install -c constraints.txt grpcio protobuf &&
    $pip download --no-deps -d "$wheels" "tensorflow-serving-api==2.21.0" || return 1
  # shellcheck disable=SC2086
  ls $framework >/dev/null 2>&1 || $pip download --no-deps -d "$wheels" "tensorflow-cpu==2.21.0" || return 1
  $env/bin/python - "$wheels" $framework <<'PY'
import sys, sysconfig
from pathlib import Path
from zipfile import ZipFile

site = Path(sysconfig.get_path("purelib"))


def put(name, data):
    target = site / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


for wheel in Path(sys.argv[1]).glob("*.whl"):
    with ZipFile(wheel) as packed:
        for name in packed.namelist():
            framework = name.startswith("tensorflow/") and name.endswith("_pb2.py")
            if framework or (name.startswith("tensorflow_serving/") and name.endswith(".py")):
                put(name, packed.read(name))
for folder in map(Path, sys.argv[2:]):
    for path in folder.rglob("*_pb2.py"):
        put(path.relative_to(folder.parent), path.read_bytes())
import tensorflow_serving.apis.prediction_service_pb2_grpc, tensorflow_serving.apis.model_service_pb2_grpc
PY
}
if make_env; then
  touch $env/.made
else
  rm -rf $env # its test looks for the interpreter
  echo "NOT TESTED HERE: TensorFlow Serving's stubs could not be installed: their test will be skipped" >&2
fi

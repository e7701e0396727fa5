"""A folder that any machine with Python can serve from: the model, the exact packages, and how to start.

The packages are the server's own and no more: no pandas, pyarrow or onnx, no framework. Each is pinned to the version
that is installed here, and `pip install --no-deps` takes exactly them: together at most 175 MB.
"""

from __future__ import annotations

import json
import sys
from importlib import metadata
from typing import TYPE_CHECKING

from trueline._core import store
from trueline._core.errors import ModelError
from trueline.models.foreign import extension_operators, python_code

if TYPE_CHECKING:
    from trueline.models.model import Model

__all__ = ["PACKAGES", "save_server"]

PACKAGES = (
    "numpy", "onnxruntime", "uvicorn", "h11", "click", "httptools", "orjson", "prometheus-client", "trueline",
)  # fmt: skip
"""What the server imports, all of it."""
_NOT_ON_WINDOWS = "uvloop"
_EXTENSIONS = "onnxruntime-extensions"

_INSTALL = """\
#!/bin/sh
# Makes the environment: wheels alone, and no package but those of requirements.txt.
set -eu
cd "$(dirname "$0")"
"${PYTHON:-python3}" -m venv --without-pip env
"${PYTHON:-python3}" -m pip --python env/bin/python install --no-deps --only-binary :all: --no-compile \\
  ${WHEELS:+--find-links "$WHEELS"} -r requirements.txt
"""
_START = '''\
"""Serves the model of this folder over REST: python serve.py --port 8501"""
import sys
from pathlib import Path

from trueline.serving.server import main

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.exit(main(["--model", f"@NAME@={HERE / 'models' / '@NAME@'}", *sys.argv[1:]]))
'''
_README = """\
# @NAME@, served

Needs Python @PYTHON@ on the same kind of machine (@PLATFORM@), and pip once.

    sh install.sh                  # an environment in env/; WHEELS=folder takes wheels from there besides the index
    env/bin/python serve.py --host 0.0.0.0 --port 8501

Without `install.sh`: `pip install --no-deps --only-binary :all: -r requirements.txt` in an environment of your own.
`--no-deps` is meant: the list is complete, and what packages name beyond it is not used by the server.

    curl -d @request.json http://127.0.0.1:8501/v1/models/@NAME@:predict

`/readyz` answers 200 once the model is loaded, `/metrics` has figures. A newer version goes into `models/@NAME@/2`,
written elsewhere and moved there; the server takes it over without a pause.
"""


def save_server(model: Model, uri: str) -> None:
    """Writes the folder.

    ``models/<name>/1/`` (the model), ``requirements.txt`` (exact versions, for ``pip install --no-deps``),
    ``install.sh``, ``serve.py``, ``request.json`` (a request that it answers) and ``README.md``.

    Args:
        model: the model.
        uri: the folder; made if need be.

    Raises:
        ModelError: Python code that the model names and does not hold, or a package of the server that is not
            installed here, so that its version is not known.
    """
    problems = python_code(model)
    if problems:
        raise ModelError(
            "a bundle cannot carry this model: its code is not in it",
            where=model.uri,
            problems=problems,
            hint="install that code on the server yourself and use trueline serve --allow-host.",
        )
    packages = [*PACKAGES, *([_EXTENSIONS] if extension_operators(model) else [])]
    requirements = _pinned(packages)
    name = "".join(c if c.isalnum() or c in "_-" else "_" for c in model.name) or "model"
    places = {
        "@NAME@": name,
        "@PYTHON@": f"{sys.version_info.major}.{sys.version_info.minor}",
        "@PLATFORM@": sys.platform,
    }
    files = {"requirements.txt": requirements, "install.sh": _INSTALL, "serve.py": _START, "README.md": _README}
    files["request.json"] = json.dumps({"instances": [_example(model)]}, ensure_ascii=False) + "\n"
    store.copy_tree(model.uri, store.join(uri, "models", name, "1"))
    for path, text in files.items():
        for place, value in places.items():
            text = text.replace(place, value)
        store.write_text(store.join(uri, path), text)


def _example(model: Model) -> dict[str, object]:
    given = {i["name"]: i.get("example") for i in model.info["signature"]["inputs"]}
    return {name: value for name, value in given.items() if value is not None}


def _pinned(packages: list[str]) -> str:
    """``name==version`` of what is installed here, one a line.

    Raises:
        ModelError: naming every package that is not installed.
    """
    lines, absent = [], []
    for name in packages:
        try:
            lines.append(f"{name}=={metadata.version(name)}")
        except metadata.PackageNotFoundError:
            absent.append(name)
    try:
        lines.append(f"{_NOT_ON_WINDOWS}=={metadata.version(_NOT_ON_WINDOWS)}; sys_platform != 'win32'")
    except metadata.PackageNotFoundError:
        absent.append(_NOT_ON_WINDOWS)
    if absent:
        raise ModelError(
            f"not installed here, so that no version can be pinned: {', '.join(absent)}",
            hint="pip install 'trueline[serving]'",
        )
    return "\n".join(sorted(lines)) + "\n"

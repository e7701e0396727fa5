"""The bundle of a server: what it holds, and that it installs into an empty environment, small, and answers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trueline._core.errors import ModelError
from trueline._core.manifest import read_manifest
from trueline.models import Model, server_bundle
from trueline.models.server_bundle import save_server

ROOT = Path(__file__).resolve().parents[2]


def test_the_folder_holds_model_packages_and_how_to_start(logistic: Model, tmp_path: Path) -> None:
    save_server(logistic, str(tmp_path))
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"README.md", "install.sh", "models", "request.json", "requirements.txt", "serve.py"}
    copied = read_manifest(str(tmp_path / "models" / "penguins" / "1"), "sha256")
    assert copied.fingerprint == read_manifest(logistic.uri).fingerprint
    lines = (tmp_path / "requirements.txt").read_text().splitlines()
    pinned = {line.partition("==")[0]: line.partition("==")[2].partition(";")[0] for line in lines}
    assert sorted(pinned) == sorted([*server_bundle.PACKAGES, "uvloop"])
    assert {name: metadata.version(name) for name in pinned} == pinned
    for path in ("README.md", "serve.py", "install.sh"):
        assert "@" not in re.sub(r"-d @request\.json", "", (tmp_path / path).read_text()), path
    (row,) = json.loads((tmp_path / "request.json").read_text())["instances"]
    assert set(row) <= {f.name for f in logistic.runtime.inputs}
    assert logistic.predict([row]).num_rows == 1


def test_a_package_whose_version_is_not_known_is_named(
    logistic: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_bundle, "PACKAGES", ("numpy", "nothing-of-this-name", "nor-of-this"))
    with pytest.raises(ModelError, match=r"not installed here, .*: nothing-of-this-name, nor-of-this") as caught:
        save_server(logistic, str(tmp_path / "out"))
    assert caught.value.hint == "pip install 'trueline[serving]'"
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_it_installs_into_an_empty_environment_and_answers(logistic: Model, line: Any, tmp_path: Path) -> None:
    """Exactly the packages that are listed; at most 175 MB of site-packages; no pip, pyarrow or onnx in it."""
    bundle = tmp_path / "bundle"
    save_server(logistic, str(bundle))
    wheels = tmp_path / "wheels"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(wheels), str(ROOT)], check=True, timeout=300)
    environment = os.environ | {"PYTHON": sys.executable, "WHEELS": str(wheels)}
    done = subprocess.run(
        ["sh", "install.sh"], cwd=bundle, env=environment, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    (site,) = (bundle / "env" / "lib").glob("python*/site-packages")
    files = [p for p in site.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    size = sum(p.lstat().st_size for p in files) / 1e6
    print(f"site-packages: {size:.0f} MB")
    assert size <= 175, f"{size:.0f} MB"
    listed = {line.partition("==")[0] for line in (bundle / "requirements.txt").read_text().splitlines()}
    installed = {
        p.name.removesuffix(".dist-info").rpartition("-")[0].replace("_", "-").lower() for p in site.glob("*.dist-info")
    }
    assert installed == {name.lower() for name in listed}
    _answers(bundle, logistic, line)


def _answers(bundle: Path, model: Model, line: Any) -> None:
    ready = bundle / "ready.json"
    command = [str(bundle / "env" / "bin" / "python"), "serve.py", "--port", "0", "--ready-file", str(ready)]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    process = subprocess.Popen(command, cwd=bundle, env=clean)
    try:
        deadline = time.monotonic() + 60
        while not ready.exists() and time.monotonic() < deadline:
            assert process.poll() is None, "the server ended: its error stands above"
            time.sleep(0.1)
        port = json.loads(ready.read_text())["port"]
        address = f"http://127.0.0.1:{port}/v1/models/penguins:predict"
        rows = line.table.slice(0, 5).select([f.name for f in model.runtime.inputs]).to_pylist()
        for body, table in ((json.dumps({"instances": rows}), line.table.slice(0, 5)), (None, None)):
            sent = (bundle / "request.json").read_text() if body is None else body
            with urllib.request.urlopen(address, sent.encode(), timeout=30) as answer:
                found = json.loads(answer.read())["predictions"]
            if table is not None:
                assert [p["label"] for p in found] == model.predict(table)["label"].to_pylist()
                scores = np.array([p["probabilities"] for p in found])
                np.testing.assert_allclose(scores, model.predict_proba(table), atol=1e-6)
            assert len(found) == (5 if table is not None else 1)
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0

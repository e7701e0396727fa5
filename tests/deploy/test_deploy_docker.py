"""The image's recipe: its packages are pinned and complete, and its install steps make a server that answers.

No image is built here: there is no daemon. What the build stage runs is run, in an empty environment.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from trueline._core.errors import ConfigError
from trueline.cli import main
from trueline.deploy import DockerOptions, docker_files
from trueline.deploy.packages import SERVING_PACKAGES, pinned_packages
from trueline.serving import Client

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 175_000_000


def test_every_package_is_pinned_to_what_is_installed():
    pins = pinned_packages(("s3fs",))
    assert set(SERVING_PACKAGES) < set(pins)
    assert pins.items() >= {(name, metadata.version(name)) for name in ("numpy", "onnxruntime", "botocore")}
    assert "pyarrow" not in pins
    with pytest.raises(ConfigError, match="no-such-package"):
        pinned_packages(("no-such-package",))


def test_the_files_and_what_they_say(tmp_path, capsys):
    wheel = tmp_path / "trueline-9.8-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    out = tmp_path / "image"
    assert main(["deploy", "docker", "-o", str(out), "--wheel", str(wheel), "--base", "python:3.12-slim"]) == 0
    assert "Dockerfile" in capsys.readouterr().out
    recipe = (out / "Dockerfile").read_text()
    assert "@" not in recipe.replace("@sha256:...", "")
    assert "ARG BASE=python:3.12-slim\n" in recipe
    assert "USER 10001:10001\n" in recipe
    entry = next(json.loads(line[11:]) for line in recipe.splitlines() if line.startswith("ENTRYPOINT "))
    assert entry[1:] == ["-m", "trueline.serving.hosted"]
    assert (out / "wheels" / wheel.name).read_bytes() == b"wheel"
    constraints = (out / "constraints.txt").read_text().splitlines()
    assert "trueline==9.8" in constraints
    assert [line.partition("==")[0] for line in constraints] == (out / "requirements.txt").read_text().splitlines()
    assert main(["deploy", "docker", "-o", str(out)]) != 0
    assert "not empty" in capsys.readouterr().err


def test_all_problems_at_once():
    with pytest.raises(ConfigError) as caught:
        docker_files(DockerOptions(base="x\nRUN evil", additions=("a b",), wheel="absent.whl"))
    assert len(caught.value.problems) == 3


def install_step(recipe: str) -> list[str]:
    """The arguments of pip in the build stage."""
    joined = recipe.replace("\\\n", " ")
    (line,) = [line for line in joined.splitlines() if line.startswith("RUN python -m pip ")]
    return shlex.split(line.removeprefix("RUN python -m pip "))


@pytest.mark.slow
def test_the_install_steps_make_a_server_of_175_megabytes(tmp_path):
    source = ROOT / "tests" / "serving"
    sys.path.insert(0, str(source))
    from serving_helpers import publish, taxi_graph, write_model

    built = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path / "dist"), str(ROOT)]
    subprocess.run(built, check=True, timeout=300)
    (wheel,) = (tmp_path / "dist").glob("trueline-*.whl")
    image, home = tmp_path / "image", tmp_path / "serving-env"
    assert main(["deploy", "docker", "-o", str(image), "--wheel", str(wheel)]) == 0
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True, timeout=120)
    step = [str(home / "bin" / "python") if a == "/opt/serving/bin/python" else a for a in
            install_step((image / "Dockerfile").read_text())]  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "pip", *step], cwd=image, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    (site,) = (home / "lib").glob("python*/site-packages")
    files = [p for p in site.rglob("*") if p.is_file()]
    assert not [p for p in files if p.suffix == ".pyc"]
    size = sum(p.stat().st_size for p in files)
    assert size <= LIMIT, f"{size / 1e6:.0f} MB"

    publish(write_model(tmp_path / "model", taxi_graph()), tmp_path / "models" / "taxi", 1)
    ready = tmp_path / "ready.json"
    variables = {"PATH": os.environ["PATH"], "MODEL_NAME": "taxi", "MODEL_BASE_PATH": str(tmp_path / "models")}
    command = [str(home / "bin" / "python"), "-I", "-m", "trueline.serving", "--port", "0", "--grpc-port", "0"]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--ready-file", str(ready)], env=variables, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert server.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.05)
        facts = json.loads(ready.read_text())
        with Client(f"http://127.0.0.1:{facts['port']}", "taxi") as client:
            assert client.predict([{"fare": 20.0, "company": "Flash"}]).outputs["label"] == [True]
        assert facts["grpc_port"] > 0
    finally:
        server.terminate()
        assert server.wait(30) == 0
        shutil.rmtree(home)
    print(f"site-packages: {size / 1e6:.1f} MB")

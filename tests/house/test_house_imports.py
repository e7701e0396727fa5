"""The house: what is public is visible, what is heavy is not loaded, using one framework imports no other."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = [
    "trueline", "trueline.schema", "trueline.data", "trueline.engine", "trueline.data_validation",
    "trueline.transform", "trueline.models", "trueline.training", "trueline.model_analysis", "trueline.serving",
    "trueline.metadata", "trueline.pipeline", "trueline.components", "trueline.runners", "trueline.display",
    "trueline.web", "trueline.interactive",
]  # fmt: skip
HEAVY = ["pyarrow", "onnx", "onnxruntime", "sqlalchemy", "sklearn", "torch", "tensorflow", "pandas", "skl2onnx", "jax"]


def loaded_after(code: str) -> dict[str, float | list[str]]:
    """The heavy modules that a fresh interpreter holds after running `code`, and its CPU seconds."""
    script = (
        "import time, sys, json\nstart = time.process_time()\n" + code + "\n"
        "spent = time.process_time() - start\n"
        f"print(json.dumps({{'loaded': [m for m in {HEAVY!r} if m in sys.modules], 'cpu': spent}}))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    answer: dict[str, float | list[str]] = json.loads(result.stdout.splitlines()[-1])
    return answer


@pytest.mark.parametrize("room", ROOMS)
def test_everything_in_all_is_there(room: str) -> None:
    module = importlib.import_module(room)
    assert module.__doc__
    assert len(module.__doc__) > 40, f"{room} says in its docstring what it is for"
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_importing_trueline_is_cheap_and_loads_nothing_heavy() -> None:
    answer = loaded_after("import trueline")
    assert answer["loaded"] == []
    best = min(float(loaded_after("import trueline")["cpu"]) for _ in range(3))  # type: ignore[arg-type]
    assert best < 0.3


def test_the_server_starts_without_arrow_onnx_and_sqlalchemy() -> None:
    assert set(loaded_after("import trueline.serving.server")["loaded"]) <= {"onnxruntime"}  # type: ignore[arg-type]


def test_a_scikit_learn_model_loads_no_torch() -> None:
    code = (
        "import numpy as np\nfrom sklearn.linear_model import LogisticRegression\n"
        "from trueline import Fitted, RawFeature\nfrom trueline.models import export, model_inputs\n"
        "m = LogisticRegression().fit(np.array([[0.], [1.]], np.float32), [0, 1])\n"
        "export(Fitted(m), model_inputs([RawFeature('x', 'float32')]), RawFeature('y', 'int64'))\n"
    )
    assert not {"torch", "tensorflow", "jax"} & set(loaded_after(code)["loaded"])  # type: ignore[arg-type]


def test_no_machine_path_no_session_no_registry_in_the_tree() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    if listed.returncode:
        pytest.skip("not a git clone")
    found = []
    for name in listed.stdout.splitlines():
        if name.startswith("tests/house/") or not name.endswith((".py", ".md", ".toml", ".sh", ".txt", "Makefile")):
            continue
        text = (ROOT / name).read_text(encoding="utf-8")
        found += [
            f"{name}: {m.group(0)}"
            for m in re.finditer(r"(?<![\w.])/(work|root)/\w|files\.pythonhosted|pypi\.org", text)
        ]
    assert found == []

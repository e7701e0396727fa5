"""Every package that trueline imports comes with the core or with an extra, and a missing one is told by that extra."""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

import pytest

from trueline._core.extras import EXTRA_OF, missing_extra_hint

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CORE = {
    "click",
    "fsspec",
    "google",
    "jinja2",
    "markupsafe",  # comes with jinja2
    "numpy",
    "onnx",
    "onnxruntime",
    "pyarrow",
    "rich",
    "sqlalchemy",
    "tensorflow_metadata",
}
USERS_OWN = {"pandas", "IPython", "ai_edge_litert"}
"""Imported only where the user's own object, notebook or TensorFlow without an interpreter leads there."""


def imported() -> set[str]:
    """The top-level names of all imports in trueline, those inside functions included."""
    found = set()
    for path in (ROOT / "trueline").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"trueline"}


def test_what_is_imported_comes_with_the_core_or_an_extra() -> None:
    assert imported() - CORE - USERS_OWN - set(EXTRA_OF) == set()


def test_every_extra_that_is_told_exists() -> None:
    assert set(EXTRA_OF.values()) <= set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("catboost", "catboost"), ("keras.src.ops", "keras"), ("optuna", "tune"), ("statsmodels.api", "statsmodels"),
        ("lightgbm", "lightgbm"), ("xgboost", "xgboost"), ("jax.numpy", "jax"), ("flax.nnx", "jax"),
        ("tensorflow", "tensorflow"), ("tf2onnx", "tensorflow"), ("mlflow", "tracking"), ("skops.io", "sklearn"),
        ("shap", "explain"),
    ],
)  # fmt: skip
def test_a_missing_framework_names_its_extra(module: str, extra: str) -> None:
    assert missing_extra_hint(ModuleNotFoundError(f"No module named '{module}'", name=module)) == (
        f"pip install 'trueline[{extra}]'"
    )


def test_the_exporters_name_extras_that_exist() -> None:
    from trueline.models.exporters.registry import EXPORTERS

    assert {record.extra for record in EXPORTERS} - {""} <= set(PROJECT["optional-dependencies"])

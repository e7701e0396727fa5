"""The data sets down the whole line with models of TensorFlow, Keras on TensorFlow, JAX and Flax."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="NOT TESTED HERE: no TensorFlow; run `make test-tensorflow`")
pytest.importorskip("jax", reason="NOT TESTED HERE: no JAX; run `make test-tensorflow`")

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lines")]

from matrix import DATA, run_line  # noqa: E402 - it stands with the tests of the lines

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not DATA.exists(), reason=f"the data sets are not at {DATA}"),
]
TABLES = ("taxi", "adult", "penguin", "fare")
CASES = [
    *((name, framework) for name in TABLES for framework in ("keras", "tensorflow", "jax", "flax")),
    ("imdb", "keras"),
    ("imdb", "jax"),
    ("mnist", "keras"),
    ("mnist", "flax"),
]


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One place for each data set: its front half runs once."""
    return {name: tmp_path_factory.mktemp(name) for name, _ in CASES}


@pytest.mark.parametrize(("name", "framework"), CASES)
def test_from_files_to_the_server(name: str, framework: str, roots: dict[str, Path]) -> None:
    """Ingested, measured, transformed, trained, proved equal, judged by slices, pushed and served."""
    model = run_line(name, framework, roots[name], models=HERE / "tf_matrix_models.py")
    assert model.info["framework"] == {"flax": "jax"}.get(framework, framework)

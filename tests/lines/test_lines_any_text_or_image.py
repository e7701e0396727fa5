"""Film reviews and handwritten digits down the whole line; words found by spaCy in a host step."""

from __future__ import annotations

from pathlib import Path

import pytest
from matrix import DATA, run_line

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("ignore:.*:FutureWarning"),  # Lightning's, of the PyTorch that it runs on
    pytest.mark.filterwarnings("ignore:.*accept a copy keyword.*:DeprecationWarning"),  # Keras', on PyTorch
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.shared,
    pytest.mark.skipif(not DATA.exists(), reason=f"the data sets are not at {DATA}"),
]
CASES = [
    *(("imdb", framework) for framework in ("sklearn", "xgboost", "lightgbm", "torch", "keras")),
    *(("mnist", framework) for framework in ("sklearn", "torch", "lightning", "keras")),
    ("spacy", "sklearn"),
    ("spacy", "xgboost"),
]


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One place for each data set: its front half runs once."""
    return {name: tmp_path_factory.mktemp(name) for name in ("imdb", "mnist", "spacy")}


@pytest.mark.parametrize(("name", "framework"), CASES)
def test_text_or_images_from_files_to_the_server(
    name: str, framework: str, roots: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same road as a table's, from raw text and raw pixels."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # where the server finds the host step's module
    model = run_line(name, framework, roots[name])
    assert bool(model.runtime.steps) == (name == "spacy")

"""Tables of numbers and words down the whole line, with a model of every framework."""

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
FRAMEWORKS = ("sklearn", "xgboost", "lightgbm", "catboost", "statsmodels", "torch", "lightning", "keras", "onnx",
              "python")  # fmt: skip
FEW = {
    "taxi": ("trip_miles_xf", "fare_xf", "trip_seconds_xf", "payment_type_xf"),
    "adult": ("age", "hours-per-week", "education-num", "capital-gain", "capital-loss", "age_by_education"),
    "penguin": ("culmen_length", "culmen_depth", "flipper_length", "body_mass"),
}
"""For models without regularisation: features that no other feature repeats."""


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One place for each data set: its front half runs once."""
    return {name: tmp_path_factory.mktemp(name) for name in ("taxi", "adult", "penguin", "fare")}


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", ["taxi", "adult", "penguin", "fare"])
def test_a_table_from_files_to_the_server(
    name: str, framework: str, roots: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ingested, measured, transformed, trained, proved equal, judged by slices, pushed and served."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    model = run_line(name, framework, roots[name], FEW.get(name) if framework == "statsmodels" else None)
    assert model.info["framework"] == {"lightning": "torch"}.get(framework, framework)

"""Small models of each task over one set of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from web_what_if_rows import FEATURES, preprocessing, rides

import trueline.transform as tlt
from trueline.models import Fitted, Model, build_model

pytest.importorskip("sklearn")
pytest.importorskip("skl2onnx")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


Build = Callable[..., Model]


@pytest.fixture(scope="session")
def table() -> pa.Table:
    return rides()


@pytest.fixture(scope="session")
def build(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Builds a model of some transformed features."""
    finite = table.slice(3)
    output = tlt.analyze_and_transform(finite, preprocessing)[1]
    made = output.transform(finite)
    folder: Path = tmp_path_factory.mktemp("what if")

    def built(estimator: Any, label: str, features: tuple[str, ...], name: str, **fitted: Any) -> Model:
        columns = [np.array(made[n].to_pylist(), np.float32).reshape(len(made), -1) for n in features]
        known = np.array(made[label].is_valid().to_pylist())
        y = np.array(made[label].drop_null().to_pylist())
        estimator.fit(np.concatenate(columns, axis=1)[known], y)
        given = Fitted(estimator, **fitted) if fitted else estimator
        return build_model(
            given, uri=str(folder / name), transform=output, label=label, features=list(features), sample=finite,
            name=name,
        )  # fmt: skip

    return built


@pytest.fixture(scope="session")
def binary(build: Build) -> Model:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return build(HistGradientBoostingClassifier(max_iter=10, random_state=0), "good", FEATURES, "rides <i>")


@pytest.fixture(scope="session")
def smaller(build: Build) -> Model:
    """A second model of the same label, of fewer features."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return build(HistGradientBoostingClassifier(max_iter=3, random_state=0), "good", ("miles", "shared"), "smaller")


@pytest.fixture(scope="session")
def classes(build: Build) -> Model:
    from sklearn.ensemble import RandomForestClassifier

    return build(RandomForestClassifier(6, max_depth=5, random_state=0), "kind", ("miles", "hour", "shop"), "kinds")


@pytest.fixture(scope="session")
def number(build: Build) -> Model:
    from sklearn.linear_model import Ridge

    return build(Ridge(), "price", ("miles", "hour", "shared", "number"), "prices")


@pytest.fixture(scope="session")
def host(build: Build) -> Model:
    """A model with Python before its graph, which no browser runs."""
    from sklearn.linear_model import LogisticRegression

    made = build(LogisticRegression(), "good", ("miles", "shop_length"), "host")
    return Model.load(made.uri, allow_host=["web_python_code"])

"""Raw rows of every kind with gaps, and small models of every task over them; some coefficients are set by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import trueline.transform as tlt
from trueline._core.rowid import row_ids
from trueline.engine.base import Dataset
from trueline.models import Fitted, Model, PythonModel, build_model
from trueline.schema import raw_features

pytest.importorskip("sklearn")
pytest.importorskip("skl2onnx")

ROWS = 360
LINEAR = ("size", "depth", "count", "twin", "idle")
COEFFICIENTS = np.array([0.8, -0.5, 0.3, -0.5, 0.0])
"""``depth`` and ``twin`` have the same, ``idle`` has none."""
MIXED = ("size_gap", "depth", "count", "color_hot", "color_code", "flag", "tags")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """OpenMP and BLAS on one thread: the sets are tiny and the machines are shared."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def raw_rows(rows: int = ROWS, seed: int = 5) -> pa.Table:
    """Numbers, whole numbers, texts, flags and lists; size, color, flag and tags have gaps."""
    rng = np.random.default_rng(seed)
    size, depth = rng.normal(10, 3, rows), rng.normal(0, 1, rows).round(2)
    count = rng.integers(0, 9, rows)
    color = rng.choice(["red", "green", "blue"], rows, p=[0.5, 0.3, 0.2])
    score = (size - 10) / 3 + depth + 0.4 * (color == "red") + rng.normal(0, 0.4, rows)
    gaps = rng.random((rows, 4)) < [0.12, 0.1, 0.1, 0.1]
    tags = [None if gap else ["a", "b", "c"][: rng.integers(0, 4)] for gap in gaps[:, 3]]
    return pa.table(
        {
            "__row__": row_ids(1, 0, rows),
            "size": pa.array(size, mask=gaps[:, 0]),
            "depth": depth,
            "count": count,
            "twin": rng.normal(0, 1, rows).round(2),
            "idle": rng.normal(0, 1, rows),
            "color": pa.array(color, mask=gaps[:, 1]),
            "flag": pa.array(rng.random(rows) < 0.5, mask=gaps[:, 2]),
            "tags": pa.array(tags, pa.list_(pa.string())),
            "good": pa.array(score > 0.2, mask=rng.random(rows) < 0.03),
            "kind": np.array(["low", "mid", "top"], object)[np.digitize(score, [-0.5, 0.7])],
            "price": 3 * score + rng.normal(0, 0.2, rows),
            "weight": rng.uniform(0.5, 2.0, rows),
        }
    )


def preprocessing(x: Any) -> dict[str, Any]:
    color = tlt.fill_missing(tlt.compute_and_apply_vocabulary(x["color"], num_oov_buckets=1), 3)
    return {
        "size": tlt.fill_missing(x["size"], 10.0),
        "size_gap": x["size"],
        "depth": x["depth"],
        "count": x["count"],
        "twin": x["twin"],
        "idle": x["idle"],
        "color_hot": tlt.one_hot(color, 4),
        "color_code": color,
        "flag": tlt.fill_missing(x["flag"], False),
        "tags": tlt.fill_missing(tlt.list_length(x["tags"]), 0),
        "mixture": x["depth"] * x["count"],
        "good": x["good"],
        "kind": x["kind"],
        "price": x["price"],
        "weight": x["weight"],
    }


@dataclass(frozen=True)
class Room:
    """The rows, what was made of them, and a builder of models."""

    table: pa.Table
    made: pa.Table
    build: Callable[..., Model]

    def matrix(self, features: tuple[str, ...], label: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Features laid out flat, and the label; rows without a label are left out."""
        columns = [np.array(self.made[n].to_pylist(), np.float32).reshape(len(self.made), -1) for n in features]
        known = np.array(self.made[label].is_valid().to_pylist())
        y = np.array(self.made[label].drop_null().to_pylist(), object)
        return np.concatenate(columns, axis=1)[known], y if y.dtype == object and isinstance(y[0], str) else np.array(
            y.tolist()
        )


@pytest.fixture(scope="session")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    table = raw_rows()
    needed = {"depth", "count", "twin", "idle", "weight"}
    features = [replace(f, optional=f.name not in needed) for f in raw_features(table.schema, None)]
    output = tlt.analyze(tlt.trace(preprocessing, features), Dataset.from_table(table))
    made = output.transform(table)
    folder = tmp_path_factory.mktemp("explain")

    def build(name: str, model: Any, label: str | None, features: tuple[str, ...], **more: Any) -> Model:
        fitted = model if isinstance(model, Fitted | PythonModel) else Fitted(model)
        return build_model(
            fitted, uri=str(folder / name), transform=output, label=label, features=list(features), sample=table,
            name=name, **more,
        )  # fmt: skip

    return Room(table, made, build)


def _fit(room: Room, estimator: Any, label: str, features: tuple[str, ...]) -> Any:
    return estimator.fit(*room.matrix(features, label))


@pytest.fixture(scope="session")
def sum_model(room: Room) -> Model:
    """A regression that is a known sum."""
    from sklearn.linear_model import LinearRegression

    fitted = _fit(room, LinearRegression(), "price", LINEAR)
    fitted.coef_ = COEFFICIENTS
    return room.build("sum", fitted, "price", LINEAR)


@pytest.fixture(scope="session")
def log_model(room: Room) -> Model:
    """A logistic regression of two classes with weights, of known coefficients."""
    from sklearn.linear_model import LogisticRegression

    fitted = _fit(room, LogisticRegression(), "good", LINEAR)
    fitted.coef_ = COEFFICIENTS[None, :]
    return room.build("log", fitted, "good", LINEAR, weight="weight")


@pytest.fixture(scope="session")
def tree_model_(room: Room) -> Model:
    """Boosted trees of two classes over numbers with gaps, texts, flags and lists."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    estimator = HistGradientBoostingClassifier(max_iter=12, max_leaf_nodes=8, min_samples_leaf=5, random_state=0)
    return room.build("trees", _fit(room, estimator, "good", MIXED), "good", MIXED)


@pytest.fixture(scope="session")
def class_model(room: Room) -> Model:
    """Boosted trees of three classes with text labels."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    estimator = HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=6, random_state=0)
    return room.build("classes", _fit(room, estimator, "kind", MIXED), "kind", MIXED)


@pytest.fixture(scope="session")
def forest_model(room: Room) -> Model:
    """A regression forest, whose trees' sum is the prediction."""
    from sklearn.ensemble import RandomForestRegressor

    features = ("size", "depth", "count", "color_hot")
    estimator = RandomForestRegressor(n_estimators=6, max_depth=4, random_state=0)
    return room.build("forest", _fit(room, estimator, "price", features), "price", features)


@pytest.fixture(scope="session")
def rank_model(room: Room) -> Model:
    """A linear ranking."""
    from sklearn.linear_model import LinearRegression

    fitted = _fit(room, LinearRegression(), "price", ("size", "depth"))
    return room.build("rank", Fitted(fitted, output="score"), "price", ("size", "depth"))

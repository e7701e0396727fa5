"""Raw rows with text, numbers, flags and gaps; an analysed transform over them; and the arrays a model is fitted on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import trueline.transform as tlt
from trueline._core.rowid import row_ids
from trueline._core.values import RawFeature
from trueline.engine.base import Dataset
from trueline.models import Fitted, Model, build_model
from trueline.training import FnArgs

pytest.importorskip("sklearn")
pytest.importorskip("skl2onnx")

ROWS = 600
FEATURES = [
    RawFeature("length", "float64"),
    RawFeature("depth", "float64", optional=False),
    RawFeature("mass", "int64", optional=False),
    RawFeature("island", "utf8"),
    RawFeature("ringed", "bool"),
    RawFeature("tips", "float64"),
    RawFeature("species", "utf8"),
    RawFeature("grade", "int64"),
    RawFeature("importance", "float64", optional=False),
]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """OpenMP and BLAS on one thread: the sets are tiny and the machines are shared."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def raw_table(rows: int = ROWS, seed: int = 7) -> pa.Table:
    """Raw rows; length, island and the labels have gaps."""
    rng = np.random.default_rng(seed)
    length, depth = rng.normal(44, 5, rows), rng.normal(17, 2, rows).round(1)
    mass = rng.integers(2700, 6300, rows)
    tips = rng.gamma(2.0, 2.0, rows)
    score = (length - 44) / 5 + (depth - 17) / 2 + rng.normal(0, 0.3, rows)
    species = np.array(["Adelie", "Chinstrap", "Gentoo"], object)[np.digitize(score, [-0.7, 0.7])]
    gaps = rng.random((rows, 4)) < [0.15, 0.1, 0.1, 0.03]
    return pa.table(
        {
            "__row__": row_ids(2, 0, rows),
            "length": pa.array(length, mask=gaps[:, 0]),
            "depth": depth,
            "mass": mass,
            "island": pa.array(rng.choice(["Biscoe", "Dream", "Torgersen"], rows), mask=gaps[:, 1]),
            "ringed": pa.array(rng.random(rows) < 0.4, mask=gaps[:, 2]),
            "tips": tips,
            "species": pa.array(species, mask=gaps[:, 3]),
            "grade": pa.array(np.digitize(score, [-0.7, 0.7]) * 10, mask=gaps[:, 3]),
            "importance": rng.uniform(0.5, 2.0, rows),
        }
    )


def preprocessing(inputs: Any) -> dict[str, Any]:
    """Outputs of every kind that a model may take, four labels and a weight."""
    island = tlt.fill_missing(tlt.compute_and_apply_vocabulary(inputs["island"], num_oov_buckets=1), 3)
    return {
        "length": tlt.scale_to_z_score(inputs["length"]),
        "length_filled": tlt.scale_to_z_score(tlt.fill_missing(inputs["length"], 44.0)),
        "depth": tlt.scale_to_z_score(inputs["depth"]),
        "mass": tlt.scale_to_0_1(inputs["mass"]),
        "island": island,
        "island_hot": tlt.one_hot(island, 4),
        "island_gap": tlt.compute_and_apply_vocabulary(inputs["island"]),
        "island_text": inputs["island"],
        "ringed": tlt.fill_missing(inputs["ringed"], False),
        "tip_bucket": tlt.fill_missing(tlt.bucketize(inputs["tips"], 3), 0),
        "species": inputs["species"],
        "grade": inputs["grade"],
        "big_tipper": tlt.fill_missing(inputs["tips"] > 4.0, False),
        "tips": inputs["tips"],
        "importance": inputs["importance"],
    }


FILLED = ["length_filled", "depth", "mass", "island_hot", "ringed"]
GAPPY = ["length", "depth", "mass", "island_hot", "island", "ringed"]


@dataclass(frozen=True)
class Line:
    """What a test needs of the line before the model."""

    table: pa.Table
    transform: tlt.TransformOutput
    train: Dataset

    def fn_args(self, label: str, features: list[str] | None = None, **more: Any) -> FnArgs:
        """Training arguments over all rows."""
        return FnArgs.create(train=self.train, transform=self.transform, label=label, features=features, **more)

    def fit(self, estimator: Any, label: str, features: list[str]) -> Any:
        """The estimator fitted as a user's run_fn would."""
        x, y, _ = self.fn_args(label, features).train.arrays()
        return estimator.fit(x, y)

    def build(self, fitted: Any, uri: Path, label: str, features: list[str], **more: Any) -> Model:
        """The artifact."""
        return build_model(
            fitted if isinstance(fitted, Fitted) else Fitted(fitted),
            uri=str(uri),
            transform=self.transform,
            label=label,
            features=features,
            sample=self.table,
            **more,
        )


@pytest.fixture(scope="session")
def line() -> Line:
    """The transform analysed over the raw rows, and its outputs in small blocks."""
    table = raw_table()
    transform = tlt.analyze(tlt.trace(preprocessing, FEATURES), Dataset.from_table(table, 100))
    return Line(table, transform, Dataset.from_table(transform.transform(table), 128))


@pytest.fixture(scope="session")
def logistic(line: Line, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A three-class text-label model, built once."""
    from sklearn.linear_model import LogisticRegression

    fitted = line.fit(LogisticRegression(max_iter=300), "species", FILLED)
    return line.build(fitted, tmp_path_factory.mktemp("logistic") / "model", "species", FILLED, name="penguins")


@pytest.fixture
def nothing_written(tmp_path: Path) -> Callable[[], bool]:
    """Says whether a folder that a failed build was given holds no file."""
    return lambda: not [p for p in tmp_path.rglob("*") if p.is_file()]

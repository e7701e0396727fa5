"""The ready-made Keras network on TensorFlow: every task, gaps and unknown words, the same weights for a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("tensorflow", reason="NOT TESTED HERE: no TensorFlow; run `make test-tensorflow`")
pytest.importorskip("keras")

import trueline.transform as tlt
from trueline._core.rowid import row_ids
from trueline._core.values import RawFeature
from trueline.engine import Dataset
from trueline.models import Model, build_model
from trueline.training import FnArgs, read_metrics, run_training
from trueline.training.ready.keras import run_fn

ROWS = 500
FEATURES = ["word", "gap", "plain"]


def preprocessing(inputs: Any) -> dict[str, Any]:
    """The word by number; all else as it is."""
    word = tlt.compute_and_apply_vocabulary(inputs["word"], num_oov_buckets=1, vocab_filename="word")
    return {"word": word, **{name: inputs[name] for name in ("gap", "plain", "yes", "kind", "amount")}}


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(2)
    word = rng.choice(["ash", "fir"], ROWS)
    gap, missing, plain = rng.normal(0, 1, ROWS), rng.random(ROWS) < 0.3, rng.normal(900, 40, ROWS)
    score = np.where(word == "ash", 1.5, -1.5) + (plain - 900) / 40 + np.where(missing, 1.5, gap)
    return pa.table(
        {
            "__row__": row_ids(3, 0, ROWS),
            "word": word,
            "gap": pa.array(gap, mask=missing),
            "plain": plain,
            "yes": score > 0,
            "kind": np.array(["low", "middle", "top"], object)[np.digitize(score, [-1.5, 1.5])],
            "amount": 100 + 20 * score,
        }
    )


def trained(table: pa.Table, label: str, root: Path) -> tuple[Model, list[dict[str, Any]]]:
    """The model, and what was logged."""
    types = {"word": "utf8", "kind": "utf8", "yes": "bool"}
    features = [
        RawFeature(name, types.get(name, "float64"), optional=name == "gap")  # type: ignore[arg-type]
        for name in table.schema.names[1:]
    ]
    transform = tlt.analyze(tlt.trace(preprocessing, features), Dataset.from_table(table, 100))
    rows = transform.transform(table)
    args = FnArgs.create(
        train=Dataset.from_table(rows.slice(0, 400), 100),
        eval=Dataset.from_table(rows.slice(400), 100),
        transform=transform,
        label=label,
        features=FEATURES,
        working_dir=str(root),
        epochs=40,
        hyperparameters={"hidden": [16], "learning_rate": 0.01},
    )
    fitted = run_training(run_fn, args)
    model = build_model(
        fitted, uri=str(root / "model"), transform=transform, label=label, features=FEATURES, sample=table.slice(400)
    )
    return model, read_metrics(str(root))


@pytest.mark.parametrize("label", ["yes", "kind", "amount"])
def test_every_task_reaches_sane_quality_and_passes_the_gate(table: pa.Table, label: str, tmp_path: Path) -> None:
    model, logged = trained(table, label, tmp_path)
    rows = table.slice(400)
    truth = rows.column(label).to_numpy(zero_copy_only=False)
    if label == "amount":
        found = np.array(model.predict(rows)["prediction"].to_pylist())
        assert np.sqrt(np.mean((found - truth) ** 2)) < 0.5 * truth.std()
    else:
        assert np.mean(np.array(model.predict(rows)["label"].to_pylist()) == truth) > 0.8
    assert {"train_loss", "eval_loss"} <= {entry["metric"] for entry in logged}
    assert model.info["framework"] == "keras"


def test_a_seed_decides_every_weight(table: pa.Table, tmp_path: Path) -> None:
    first, _ = trained(table, "yes", tmp_path / "one")
    second, _ = trained(table, "yes", tmp_path / "two")
    rows = table.slice(0, 50)
    assert first.predict(rows)["probabilities"].to_pylist() == second.predict(rows)["probabilities"].to_pylist()

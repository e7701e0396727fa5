"""Trainings so small that a search over them takes moments; top-level functions, which processes of trials can find."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import trueline.transform as tlt
from trueline._core.rowid import row_ids
from trueline._core.values import RawFeature
from trueline.engine.base import Dataset
from trueline.models.exporters.python_function import PythonModel

ROWS = 60


def preprocessing(inputs: Any) -> dict[str, Any]:
    return {"a": inputs["a"], "y": inputs["y"]}


def rows_and_transform() -> tuple[pa.Table, tlt.TransformOutput]:
    a = np.random.default_rng(0).normal(size=ROWS)
    table = pa.table({"__row__": row_ids(0, 0, ROWS), "a": a, "y": a + 1.0})
    features = [RawFeature("a", "float64", optional=False), RawFeature("y", "float64", optional=False)]
    transform = tlt.analyze(tlt.trace(preprocessing, features), Dataset.from_table(table))
    return transform.transform(table), transform


def line(x: Any, slope: float = 1.0) -> Any:
    """A model: slope times the feature, plus 1."""
    return slope * x[:, 0] + 1.0


def train(fn_args: Any) -> PythonModel:
    """Its error falls with the distance of x from 0.3, and from step to step."""
    h = fn_args.hyperparameters
    for step in range(h.get("steps", 3)):
        fn_args.log("error", (h["x"] - 0.3) ** 2 + 1 / (step + 1), step)
    return PythonModel(line, "prediction", params={"slope": h["x"]})


def train_or_die(fn_args: Any) -> PythonModel:
    """Trial by x: one is killed, one ends its process, one raises, the others train; each says what it saw."""
    x = fn_args.hyperparameters["x"]
    print("text of the user's own on standard output", flush=True)
    if x == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if x == 2:
        os._exit(3)
    if x == 3:
        raise ValueError(f"x may not be {x}")
    fn_args.log("threads", float(os.environ["OMP_NUM_THREADS"]))
    fn_args.log("secrets", float(any("hunter2" in value for value in os.environ.values())))
    fn_args.log("error", float(x))
    return PythonModel(line, "prediction")


def measure(fitted: Any, fn_args: Any) -> float:
    """The mean error of the returned model on the training rows."""
    x, y, _ = fn_args.train.arrays()
    return float(np.abs(line(x, **fitted.model.params) - y).mean())


def folder_of(fn_args: Any) -> Path:
    return Path(fn_args.custom_config["folder"])


def train_noted(fn_args: Any) -> PythonModel:
    """As `train`, leaving a file a run."""
    with (folder_of(fn_args) / "runs.txt").open("a") as handle:
        handle.write(f"{fn_args.hyperparameters['x']!r}\n")
    return train(fn_args)

"""A line with a Tuner, as a module and as a script: ``python tuner_line.py FOLDER`` runs it until it is killed."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trueline import LocalRunner, Pipeline
from trueline.components import ParquetExampleGen, SchemaGen, StatisticsGen, Transform, Tuner
from trueline.models.exporters.python_function import PythonModel
from trueline.training import Float, Int, Space, Suggest


def write_data(folder: Path) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=200), rng.normal(size=200)
    (folder / "data").mkdir()
    pq.write_table(pa.table({"a": a, "b": b, "y": a + 0.3 * b > 0}), folder / "data" / "rows.parquet")


def preprocessing_fn(inputs: Any) -> dict[str, Any]:
    return {"a": inputs["a"], "b": inputs["b"], "y": inputs["y"]}


def space() -> Space:
    return Space(x=Float(0, 1), depth=Int(1, 4))


def chosen_space(trial: Suggest) -> dict[str, Any]:
    """As a function of the trial: with depth 1 there is no x."""
    depth = trial.suggest_int("depth", 1, 2)
    return {"depth": depth} if depth == 1 else {"depth": depth, "x": trial.suggest_float("x", 0, 1)}


def slope(x: Any, weight: float = 1.0) -> Any:
    """A model: the second class where the weighted sum is above 0."""
    score = 1 / (1 + np.exp(-(x[:, 0] + weight * x[:, 1])))
    return np.stack([1 - score, score], axis=1)


def run_fn(fn_args: Any) -> PythonModel:
    """Leaves a line a start; logs a curve; sleeps where it is told, so that it can be killed."""
    h, config = fn_args.hyperparameters, fn_args.custom_config
    with open(config["noted"], "a") as handle:
        handle.write(f"{os.getpid()} {h.get('x', 0.0):.9f}\n")
    for step in range(3):
        time.sleep(config.get("sleep", 0.0))
        fn_args.log("score", -((h.get("x", 0.0) - 0.3) ** 2) - h["depth"] / 100 - 1 / (step + 1), step)
    return PythonModel(slope, "probabilities", classes=[False, True], params={"weight": h.get("x", 0.0)})


def failing_run_fn(fn_args: Any) -> PythonModel:
    raise ValueError(f"depth {fn_args.hyperparameters['depth']} cannot be")


def line(folder: Path, **tuner: Any) -> Pipeline:
    """Up to the Tuner, whose keywords may be changed."""
    gen = ParquetExampleGen(input_base=str(folder / "data"), splits={"train": 3, "eval": 1})
    statistics = StatisticsGen(examples=gen.outputs["examples"])
    schema = SchemaGen(statistics=statistics.outputs["statistics"])
    transform = Transform(
        examples=gen.outputs["examples"], schema=schema.outputs["schema"], preprocessing_fn=preprocessing_fn
    )
    given: dict[str, Any] = {
        "label": "y",
        "run_fn": run_fn,
        "space": space,
        "objective": "score",
        "trials": 5,
        "parallel": 2,
        "custom_config": {"noted": str(folder / "noted.txt")},
    }
    search = Tuner(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        **{**given, **tuner},
    )
    return Pipeline("searching", [gen, statistics, schema, transform, search], root=str(folder / "line"))


def killed_line(folder: Path) -> Pipeline:
    """The line of the script: slow trials."""
    config = {"noted": str(folder / "noted.txt"), "sleep": 0.25}
    return line(folder, custom_config=config, trials=6, sampler="tpe", hyperparameters={"fixed": 1})


if __name__ == "__main__":
    LocalRunner().run(killed_line(Path(sys.argv[1])))

"""Variants of a wide network beside the original: bytes, differences, and times that are measured and not promised.

    python benchmarks/optimise.py [--width 1024] [--rows 4096] [--rounds 5]

A network of two hidden layers on 64 numbers, merged with its preprocessing; the weights are barely trained, for only
their shapes matter to time. The original and the variants take turns, on one thread; medians over the rounds. Prints
one JSON object: for each, bytes of ``model.onnx``, microseconds for one row, rows a second in one batch, the ratios to
the original's, the largest difference of a probability and the rows that change class.
"""

from __future__ import annotations

import sys

if sys.path and sys.path[0].endswith("benchmarks"):
    del sys.path[0]  # this folder holds a `statistics.py` that would hide the standard library's

import argparse
import json
import os
import platform
import tempfile
import warnings
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402

_FEATURES = 64
_TRAIN = 512


def original(width: int, rows: int, folder: Path) -> tuple[Any, pa.Table]:
    """The model and raw rows."""
    from sklearn.neural_network import MLPClassifier

    import trueline.transform as tlt
    from trueline.models import Fitted, build_model

    rng = np.random.default_rng(0)
    values = rng.normal(10.0, 3.0, (max(rows, _TRAIN), _FEATURES))
    table = pa.table({f"f{i:02}": values[:, i] for i in range(_FEATURES)} | {"y": values[:, 0] > 10.0})

    def preprocessing(x: Any) -> dict[str, Any]:
        made = {f"f{i:02}": tlt.fill_missing(tlt.scale_to_z_score(x[f"f{i:02}"]), 0.0) for i in range(_FEATURES)}
        return made | {"y": x["y"]}

    made, output = tlt.analyze_and_transform(table, preprocessing)
    x = np.stack([made[f"f{i:02}"].to_numpy() for i in range(_FEATURES)], axis=1)[:_TRAIN]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = MLPClassifier((width, width), max_iter=3, random_state=0).fit(x, made["y"].to_pylist()[:_TRAIN])
    sample = table.slice(0, 500)
    uri = str(folder / "original")
    return build_model(Fitted(network), uri=uri, transform=output, label="y", sample=sample), table.slice(0, rows)


def measured(models: dict[str, Any], table: pa.Table, rounds: int) -> dict[str, dict[str, float]]:
    """Medians over rounds in which all models take their turn."""
    from trueline.models.optimise import measure_latency

    found: dict[str, list[dict[str, float]]] = {name: [] for name in models}
    for _ in range(rounds):
        for name, model in models.items():
            found[name].append(measure_latency(model.runtime, table, repeats=7))
    keys = ("one_row_us", "batch_rows_per_s")
    return {name: {k: float(np.median([t[k] for t in times])) for k in keys} for name, times in found.items()}


def main() -> None:
    """Measures and prints."""
    import onnxruntime

    from trueline.models.optimise import VARIANTS, optimise

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, table = original(asked.width, asked.rows, folder)
        made = {v: optimise(model, str(folder / v), variant=v, sample=table) for v in VARIANTS}
        models = {"original": model} | made
        times = measured(models, table, asked.rounds)
        result: dict[str, Any] = {}
        for key, one in models.items():
            size, parity = (Path(one.uri) / "model.onnx").stat().st_size, one.info["parity"]
            result[key] = times[key] | {"bytes": size}
            if key != "original":
                base, own = times["original"], times[key]
                result[key] |= {
                    "bytes_ratio": round(size / result["original"]["bytes"], 3),
                    "one_row_speedup": round(base["one_row_us"] / own["one_row_us"], 2),
                    "batch_speedup": round(own["batch_rows_per_s"] / base["batch_rows_per_s"], 2),
                    "max_difference": parity["max_difference"],
                    "class_changes": parity["class_changes"],
                }
    facts = {"cpu": platform.processor() or platform.machine(), "onnxruntime": onnxruntime.__version__}
    print(json.dumps(vars(asked) | facts | {"models": result}, indent=1))


if __name__ == "__main__":
    main()

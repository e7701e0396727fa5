"""Batch inference beside bare ONNX Runtime on the same rows, for a linear model and for gradient boosting.

    python benchmarks/bulk.py [--data taxi.csv] [--rows 1000000] [--rounds 3]
    python benchmarks/bulk.py --memory      peak memory of 1M and 10M rows

The table is the given CSV of taxi trips, repeated; the features are those of the taxi example (z-scores, buckets, two
vocabularies). Prints one JSON object. `bare`: `session.run` on arrays that were made before, texts as strings, in
pieces of 8,192 and of 65,536 rows, the better of the two. `bulk`: `predict_dataset` from a Parquet file to Parquet
files, with everything: reading, feeding, predicting, writing. Both in one process on one thread, in turn; CPU seconds
of that process; `ratio` is rows per CPU second of `bulk` over those of `bare`, the median of the rounds' ratios.
"""

from __future__ import annotations

import sys

if sys.path and sys.path[0].endswith("benchmarks"):
    del sys.path[0]  # this folder holds a `statistics.py` that would hide the standard library's

import argparse
import importlib.util
import json
import os
import platform
import resource
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.csv as pc  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

import trueline.transform as tlt  # noqa: E402
from trueline.engine import Dataset, LocalEngine  # noqa: E402
from trueline.models import Fitted, Model, build_model, predict_dataset  # noqa: E402

BLOCK_ROWS = 65_536
PIECES = (8_192, 65_536)
EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "taxi"


def example() -> Any:
    """The taxi example's own module: its features and its label."""
    spec = importlib.util.spec_from_file_location("taxi_model", EXAMPLE / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_models(data: str, folder: Path) -> pa.Table:
    """Both models, and the trips as a table."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    from trueline._core.values import widen
    from trueline.schema import raw_features
    from trueline.training import FnArgs

    table = pa.Table.from_batches([widen(b) for b in pc.read_csv(data).combine_chunks().to_batches()])
    taxi = example()
    transform = tlt.analyze(tlt.trace(taxi.preprocessing_fn, raw_features(table.schema)), Dataset.from_table(table))
    train = Dataset.from_table(transform.transform(table))
    x, y, _ = FnArgs.create(train=train, transform=transform, label=taxi.LABEL).train.arrays()
    estimators = {
        "linear": LogisticRegression(max_iter=50),
        "gradient boosting": HistGradientBoostingClassifier(max_iter=100, random_state=0),
    }
    for name, estimator in estimators.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = Fitted(estimator.fit(x, y))
        build_model(fitted, uri=str(folder / name), transform=transform, label=taxi.LABEL, sample=table.slice(0, 500))
    return table


def write_rows(table: pa.Table, rows: int, path: str) -> None:
    """The trips again and again, in row groups of one block."""
    whole = pa.concat_tables([table] * (BLOCK_ROWS // table.num_rows + 2)).combine_chunks()
    with pq.ParquetWriter(path, table.schema) as writer:
        for start in range(0, rows, BLOCK_ROWS):
            at = start % table.num_rows
            writer.write_table(whole.slice(at, min(BLOCK_ROWS, rows - start)))


def cpu_of(function: Callable[[], Any]) -> float:
    """CPU seconds of this process."""
    start = time.process_time()
    function()
    return time.process_time() - start


def compare(folder: Path, path: str, rounds: int) -> dict[str, Any]:
    """One model: bare and bulk in turn."""
    model, engine, out = Model.load(str(folder)), LocalEngine(workers=1), str(folder) + ".out"
    graph, dataset = model.runtime.graph, Dataset.from_parquet(path)
    names = [f.name for f in model.runtime.inputs]
    bare: dict[int, list[float]] = {size: [] for size in PIECES}
    bulk: list[float] = []

    def predict() -> None:
        shutil.rmtree(out, ignore_errors=True)
        predict_dataset(model, dataset, out, engine=engine)

    predict()  # imports and sessions are not counted
    for _ in range(rounds):
        bulk.append(cpu_of(predict))
        for size in PIECES:
            bare[size].append(0.0)
            for batch in dataset.batches(names):
                arrays = [graph.arrays_from_arrow(batch.slice(at, size)) for at in range(0, batch.num_rows, size)]
                start = time.process_time()
                for made in arrays:
                    graph.run(made)
                bare[size][-1] += time.process_time() - start
    shutil.rmtree(out, ignore_errors=True)
    best = min(PIECES, key=lambda size: float(np.median(bare[size])))
    ratios = [a / b for a, b in zip(bare[best], bulk, strict=True)]
    return {
        "bare": {"rows_per_cpu_second": round(dataset.num_rows / float(np.median(bare[best]))), "piece_rows": best},
        "bulk": {"rows_per_cpu_second": round(dataset.num_rows / float(np.median(bulk)))},
        "ratio": round(float(np.median(ratios)), 2),
        "ratios": [round(r, 2) for r in ratios],
    }


def peak(folder: Path, path: str) -> float:
    """Peak resident memory, MB, of a process that predicts a file; `ru_maxrss` would hold this process's too."""
    code = (
        "import sys; from trueline.models import predict_dataset; from trueline.engine import LocalEngine\n"
        "predict_dataset(*sys.argv[1:4], engine=LocalEngine(1))\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    out = str(folder) + ".out"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), path, out], stdout=subprocess.PIPE, text=True, check=True
    )
    shutil.rmtree(out)
    return round(float(done.stdout) / 1024, 1)


def main() -> None:
    """Runs the benchmark and prints its JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", default=str(EXAMPLE / "data" / "taxi.csv"), help="a CSV of taxi trips")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    pa.set_cpu_count(1)
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "platform": platform.machine()}
    found: dict[str, Any] = {"machine": machine}
    with tempfile.TemporaryDirectory() as place:
        folder, path = Path(place), str(Path(place) / "rows.parquet")
        table = make_models(options.data, folder)
        if options.memory:
            for rows in (1_000_000, 10_000_000):
                write_rows(table, rows, path)
                found[f"peak_mb_{rows}_rows"] = peak(folder / "linear", path)
        else:
            write_rows(table, options.rows, path)
            found["rows"] = options.rows
            for name in ("linear", "gradient boosting"):
                found[name] = compare(folder / name, path, options.rounds)
            found["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

"""Speed and memory of the transform, beside scikit-learn's ColumnTransformer on the same table in the same run.

The table: 2 text columns (10 and up to 100,000 distinct values), 6 floats with missing values, 3 integers. Outputs: 6
quantile buckets, 7 z-scores, 2 vocabularies with out-of-vocabulary buckets, a hash, a one-hot vector, a hashed cross.

    python benchmarks/transform.py [--rows 1500000] [--rounds 3]
    python benchmarks/transform.py --memory        peak memory of analysing and writing 1M and 20M rows

Prints one JSON object. `apply`: an Arrow table in memory to an Arrow table, against scikit-learn from a data frame in
memory (making the frame is not counted) to a float matrix; candidates take turns, the median of the rounds' ratios is
told. `pass`: Parquet in, analysed and applied, numpy arrays out, in a process of its own, imports not counted. `write`:
applied and written as Parquet. `one_row`: a row of Python values through a merged model (transform and logistic
regression), median wall time. All CPU seconds of one process, all its threads; one thread each.
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
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402

import trueline.transform as tlt  # noqa: E402
from trueline.engine import Dataset, LocalEngine  # noqa: E402

FLOATS = [f"f{i}" for i in range(6)]
INTS = [f"i{i}" for i in range(3)]
BLOCK_ROWS = 65_536
TFT_ROWS_PER_CPU_SECOND = 87_000
"""TensorFlow Transform 1.21 with Beam's in-memory runner on such a table, imports left out; measured elsewhere."""


def make_table(rows: int, seed: int = 20) -> pa.Table:
    """The synthetic table; the same bits for the same number of rows."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {
        "few": pa.array([f"category {i}" for i in rng.integers(0, 10, rows)]),
        "many": pa.array([f"token-{i}" for i in np.minimum(rng.zipf(1.2, rows), 100_000)]),
    }
    for name in FLOATS:
        columns[name] = pa.array(rng.normal(10.0, 3.0, rows), mask=rng.random(rows) < 0.05)
    for name in INTS:
        columns[name] = pa.array(rng.integers(0, 1000, rows))
    return pa.table(columns)


def preprocessing(x: Any) -> dict[str, Any]:
    """The features of the benchmark."""
    out: dict[str, Any] = {}
    filled = {name: tlt.fill_missing(x[name], 0.0) for name in FLOATS}
    for name in FLOATS:
        out[f"{name}_bucket"] = tlt.bucketize(filled[name], 10)
        out[f"{name}_z"] = tlt.scale_to_z_score(filled[name])
    out["i0_z"] = tlt.scale_to_z_score(tlt.fill_missing(x["i0"], 0))
    few = tlt.fill_missing(x["few"], "")
    many = tlt.fill_missing(x["many"], "")
    few_id = tlt.compute_and_apply_vocabulary(few, num_oov_buckets=1)
    out["few_id"] = few_id
    out["many_id"] = tlt.compute_and_apply_vocabulary(many, top_k=50_000, num_oov_buckets=10)
    out["many_hash"] = tlt.hash_strings(many, 1000)
    out["few_hot"] = tlt.one_hot(few_id, 10)
    out["crossed"] = tlt.cross(few, many, hash_buckets=1000)
    return out


def cpu_of(function: Callable[[], Any]) -> tuple[Any, float]:
    """The result and its CPU seconds."""
    start = time.process_time()
    result = function()
    return result, time.process_time() - start


def median(values: list[float]) -> float:
    """The middle value."""
    return float(np.median(values))


def peak_mb() -> float:
    """Peak resident memory of this process so far, MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def compare_applying(table: pa.Table, rounds: int) -> dict[str, Any]:
    """Applying the fitted features, both libraries in turn."""
    import sklearn

    spec = importlib.util.spec_from_file_location("rivals", Path(__file__).with_name("transform_rivals.py"))
    assert spec is not None
    assert spec.loader is not None
    rivals = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rivals)
    frame = table.to_pandas()
    _, output = tlt.analyze_and_transform(table, preprocessing, engine=LocalEngine(workers=1))
    candidates: dict[str, Callable[[], Any]] = {"trueline": lambda: output.transform(table)}
    fitted = {}
    for name, without in (("scikit-learn", False), ("scikit-learn without hashes", True)):
        transformer = rivals.column_transformer(without)
        fitted[name] = round(cpu_of(lambda t=transformer: t.fit(frame))[1], 2)
        candidates[name] = lambda t=transformer: t.transform(frame)
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            seconds[name].append(cpu_of(run)[1])
    found: dict[str, Any] = {
        name: {"cpu_seconds": round(median(s), 3), "rows_per_cpu_second": round(table.num_rows / median(s))}
        for name, s in seconds.items()
    }
    own = seconds["trueline"]
    for name in fitted:
        found[name] |= {"fit_cpu_seconds": fitted[name], "version": sklearn.__version__}
        found[name]["cpu_of_it_for_one_of_ours"] = round(
            median([s / o for s, o in zip(seconds[name], own, strict=True)]), 2
        )
    return found


def write_parquet(path: str, rows: int) -> None:
    """The table in row groups of one block, made piece by piece."""
    import pyarrow.parquet as pq

    writer = None
    for number, start in enumerate(range(0, rows, BLOCK_ROWS)):
        piece = make_table(min(BLOCK_ROWS, rows - start), number)
        writer = pq.ParquetWriter(path, piece.schema) if writer is None else writer
        writer.write_table(piece)
    assert writer is not None
    writer.close()


def analysed(path: str) -> tlt.TransformOutput:
    """The features' constants, from a Parquet file."""
    from trueline.schema import raw_features

    dataset = Dataset.from_parquet(path)
    graph = tlt.trace(preprocessing, raw_features(dataset.arrow_schema))
    return tlt.analyze(graph, dataset, LocalEngine(workers=1))


def child(mode: str, path: str) -> None:
    """One measurement in this process; prints JSON."""
    import pyarrow.parquet as pq

    tlt.analyze_and_transform(make_table(100), preprocessing)  # imports are not counted
    rows = pq.ParquetFile(path).metadata.num_rows
    output, analyse = cpu_of(lambda: analysed(path))
    if mode == "pass":

        def apply() -> int:
            count = 0
            for batch in Dataset.from_parquet(path).batches(None, output.coded_columns):
                made = output.transform(batch)
                arrays = [c.values.to_numpy() if hasattr(c, "values") else c.to_numpy() for c in made.columns]
                count += len(arrays[0])
            return count

        _, second = cpu_of(apply)
    else:
        _, second = cpu_of(lambda: tlt.transform_to_parquet(output, path, path + ".out"))
        Path(path + ".out").unlink()
    print(json.dumps({"rows": rows, "analyse": analyse, "second": second, "peak_mb": peak_mb()}))


def in_child(mode: str, path: str) -> dict[str, Any]:
    """Runs `child` in a process of its own."""
    command = [sys.executable, "-P", str(Path(__file__)), "--child", mode, "--data", path]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def whole_pass(path: str, rounds: int) -> dict[str, Any]:
    """Parquet in to arrays out, and to Parquet."""
    made = {mode: [in_child(mode, path) for _ in range(rounds)] for mode in ("pass", "write")}
    rows = made["pass"][0]["rows"]
    total = median([m["analyse"] + m["second"] for m in made["pass"]])
    return {
        "analyse_cpu_seconds": round(median([m["analyse"] for m in made["pass"]]), 2),
        "apply_cpu_seconds": round(median([m["second"] for m in made["pass"]]), 2),
        "rows_per_cpu_second": round(rows / total),
        "times_tensorflow_transform": round(rows / total / TFT_ROWS_PER_CPU_SECOND, 1),
        "apply_and_write_cpu_seconds": round(median([m["second"] for m in made["write"]]), 2),
        "peak_mb": max(m["peak_mb"] for m in made["pass"]),
    }


def one_row(folder: str) -> dict[str, Any]:
    """Median microseconds of one row through a merged model."""
    from sklearn.linear_model import LogisticRegression

    from trueline.models import Fitted, build_model

    table = make_table(20_000)

    def features(x: Any) -> dict[str, Any]:
        return preprocessing(x) | {"label": tlt.fill_missing(x["i1"], 0) > 500}

    made, output = tlt.analyze_and_transform(table, features, engine=LocalEngine(workers=1))
    columns = []
    for name in [f.name for f in output.outputs if f.name != "label"]:
        column = made[name].combine_chunks()
        values = column.values.to_numpy().reshape(len(column), -1) if hasattr(column, "values") else column.to_numpy()
        columns.append(values.reshape(len(column), -1))
    fitted = LogisticRegression(max_iter=20).fit(np.hstack(columns).astype(np.float32), made["label"].to_numpy())
    sample = table.slice(0, 200)
    model = build_model(Fitted(fitted), uri=folder, transform=output, label="label", sample=sample, name="bench")
    names = {f.name for f in model.runtime.inputs}
    rows = [{k: v for k, v in row.items() if k in names} for row in table.slice(0, 2000).to_pylist()]
    times = []
    for row in rows:
        start = time.perf_counter()
        model.runtime.predict_rows([row])
        times.append(time.perf_counter() - start)
    return {"median_us": round(median(times) * 1e6, 1), "raw_columns": len(names), "outputs": len(columns)}


def main() -> None:
    """Runs the benchmark and prints its JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--child", choices=("pass", "write"))
    parser.add_argument("--data")
    options = parser.parse_args()
    if options.child:
        child(options.child, options.data)
        return
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "platform": platform.machine()}
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "table.parquet")
        if options.memory:
            found: dict[str, Any] = {"machine": machine}
            for rows in (1_000_000, 20_000_000):
                write_parquet(path, rows)
                found[f"peak_mb_{rows}_rows"] = in_child("write", path)["peak_mb"]
        else:
            write_parquet(path, options.rows)
            found = {"rows": options.rows, "machine": machine, "pass": whole_pass(path, options.rounds)}
            found["one_row"] = one_row(str(Path(folder) / "model"))
            found["apply"] = compare_applying(make_table(options.rows), options.rounds)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

"""Statistics of a wide table: CPU seconds, rows per CPU second and memory, beside named alternatives.

The data are 18 columns: 3 strings of 10, 100 and many distinct values, 10 float64 of which 1 to 10 % are missing, 4
int64 and 1 timestamp, written as Parquet into a temporary folder. Each candidate runs in a process of its own, measured
by the system's accounting of that process (import and reading included); candidates take turns, so that a busy
neighbour hits all of them. An alternative that is not installed is reported as such.

    python benchmarks/statistics.py --rows 500000 --rounds 3

What the alternatives do: `decode` only reads every column with pyarrow; `polars` and `duckdb` compute count, mean,
standard deviation, extremes, zeros and deciles of numbers, and the number and the top 20 of distinct strings: less than
the statistics here (no histograms, no rank histogram, no mergeable state).
"""

from __future__ import annotations

import sys

if sys.path and sys.path[0].endswith("benchmarks"):
    del sys.path[0]  # this folder holds a `statistics.py` that would hide the standard library's

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

BLOCK_ROWS = 65_536


def write_data(path: str, rows: int) -> None:
    """Writes the table in row groups of one block."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    writer = None
    for start in range(0, rows, BLOCK_ROWS):
        n = min(BLOCK_ROWS, rows - start)
        columns: dict[str, Any] = {}
        for name, distinct in (("s10", 10), ("s100", 100), ("many", max(rows // 25, 1000))):
            codes = np.minimum(rng.exponential(distinct / 4, n).astype(np.int64), distinct - 1)
            columns[name] = pa.array([f"{name}-{k:07d}" for k in codes])
        for i in range(10):
            values = rng.normal(10.0 * i, 1.0 + i, n) if i % 2 else rng.lognormal(1.0, 1.0, n)
            columns[f"f{i}"] = pa.array(values, mask=rng.random(n) < (i + 1) / 100)
        for i, high in enumerate((24, 1000, 30_000, 2**40)):
            columns[f"i{i}"] = rng.integers(0, high, n)
        columns["time"] = pa.array(1_600_000_000_000_000 + rng.integers(0, 10**13, n), pa.timestamp("us"))
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="snappy")
        writer.write_table(table, row_group_size=BLOCK_ROWS)
    if writer is not None:
        writer.close()


def run_trueline(path: str, workers: int = 1) -> None:
    """The statistics of this package."""
    from trueline.data_validation import generate_statistics
    from trueline.engine import Dataset, LocalEngine

    found = generate_statistics(Dataset.from_parquet(path), engine=LocalEngine(workers))
    if len(found.datasets[0].features) != 18:
        raise SystemExit("statistics of 18 features were expected")


def run_decode(path: str) -> None:
    """Reads every column, one row group at a time, one thread."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    for i in range(file.num_row_groups):
        file.read_row_group(i, use_threads=False)


def run_polars(path: str) -> None:
    """Whole file in memory, one thread."""
    os.environ["POLARS_MAX_THREADS"] = "1"
    import polars as pl

    frame = pl.read_parquet(path)
    deciles = [i / 10 for i in range(11)]
    for name, kind in frame.schema.items():
        column = frame[name]
        if kind == pl.String:
            column.value_counts().top_k(20, by="count")
            column.n_unique()
            continue
        column = (column.dt.epoch("us") if kind.is_temporal() else column).drop_nulls().sort()
        _ = (column.len(), column.mean(), column.std(ddof=0), (column == 0).sum())
        _ = [column.quantile(q, "nearest") for q in deciles]


def run_duckdb(path: str) -> None:
    """One SQL query a column, one thread."""
    import duckdb

    db = duckdb.connect()
    db.execute("SET threads = 1")
    source = f"read_parquet('{path}')"
    for name, kind, *_ in db.execute(f"DESCRIBE SELECT * FROM {source}").fetchall():
        if kind == "VARCHAR":
            db.execute(f"SELECT {name}, count(*) n FROM {source} GROUP BY 1 ORDER BY n DESC LIMIT 20").fetchall()
            db.execute(f"SELECT count(DISTINCT {name}) FROM {source}").fetchall()
            continue
        x = f"epoch_us({name})" if kind == "TIMESTAMP" else name
        db.execute(
            f"SELECT count({x}), avg({x}), stddev_pop({x}), min({x}), max({x}), count_if({x} = 0), "
            f"quantile_disc({x}, [0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9]) FROM {source}"
        ).fetchall()


CANDIDATES: dict[str, tuple[Callable[[str], None], str]] = {
    "trueline": (run_trueline, "trueline"),
    "decode": (run_decode, "pyarrow"),
    "polars": (run_polars, "polars"),
    "duckdb": (run_duckdb, "duckdb"),
}


def measure(name: str, path: str) -> dict[str, float]:
    """CPU seconds, wall seconds and peak memory of one candidate in a process of its own."""
    command = [sys.executable, __file__, "--child", name, "--data", path]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def child(name: str, path: str) -> None:
    """Runs one candidate and prints what it used, start of the interpreter and imports included."""
    import time

    start = time.perf_counter()
    CANDIDATES[name][0](path)
    wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    scale = 1 if sys.platform == "darwin" else 1024
    cpu = used.ru_utime + used.ru_stime
    print(json.dumps({"cpu_seconds": cpu, "wall_seconds": wall, "peak_memory_mb": used.ru_maxrss * scale / 2**20}))


def report(rows: int, rounds: int) -> dict[str, Any]:
    """Runs every candidate `rounds` times in turn; the least CPU time of each counts."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "data.parquet")
        write_data(path, rows)
        there = {name: importlib.util.find_spec(module) is not None for name, (_, module) in CANDIDATES.items()}
        runs: dict[str, list[dict[str, float]]] = {name: [] for name, found in there.items() if found}
        for _ in range(rounds):
            for name in runs:
                runs[name].append(measure(name, path))
        size = Path(path).stat().st_size
    results: dict[str, Any] = {name: "not installed" for name, found in there.items() if not found}
    for name, found in runs.items():
        best = min(found, key=lambda run: run["cpu_seconds"])
        results[name] = {
            "cpu_seconds": round(best["cpu_seconds"], 3),
            "cpu_seconds_all": [round(run["cpu_seconds"], 3) for run in found],
            "wall_seconds": round(best["wall_seconds"], 3),
            "rows_per_cpu_second": round(rows / best["cpu_seconds"]),
            "peak_memory_mb": round(max(run["peak_memory_mb"] for run in found)),
        }
    mine = results["trueline"]["cpu_seconds"]
    ratios = {name: round(mine / r["cpu_seconds"], 2) for name, r in results.items() if isinstance(r, dict)}
    return {
        "rows": rows,
        "columns": 18,
        "parquet_mb": round(size / 2**20),
        "results": results,
        "trueline_cpu_ratio_to": ratios,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", choices=sorted(CANDIDATES))
    parser.add_argument("--data")
    options = parser.parse_args()
    if options.child:
        child(options.child, options.data)
    else:
        print(json.dumps(report(options.rows, options.rounds), indent=2))


if __name__ == "__main__":
    main()

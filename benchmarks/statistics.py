"""Statistics of a wide table: CPU seconds, rows per CPU second and memory, beside named alternatives.

The data are 18 columns: 3 strings of 10, 100 and many distinct values, 10 float64 of which 1 to 10 % are missing, 4
int64 and 1 timestamp, written as Parquet into a temporary folder. Each candidate runs in a process of its own, measured
by the system's accounting of that process (start, imports and reading included); candidates take turns, so that a busy
neighbour hits all of them, and the ratios of one round are compared. All work on one thread. A first round
is not counted, so that byte code, libraries and data are in place as on a machine that is in use. What the alternatives
compute is written in `benchmarks/statistics_rivals.py`: the same list of figures. `decode` only reads every column with
pyarrow.

    python benchmarks/statistics.py --rows 5000000 --rounds 3
    python benchmarks/statistics.py --memory --rows 5000000 --repeat 10   peak memory as rows grow
    python benchmarks/statistics.py --csv --rows 1500000                  straight from CSV, rows per CPU second

`--data` takes a Parquet file that `write_data` wrote before, in the place of `--rows`.
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
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BLOCK_ROWS = 65_536
COLUMNS = 18


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


def write_csv(parquet: str, path: str) -> None:
    """The same rows as text; missing values are empty cells."""
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    file = pq.ParquetFile(parquet)
    with pc.CSVWriter(path, file.schema_arrow, write_options=pc.WriteOptions(quoting_style="needed")) as writer:
        for i in range(file.num_row_groups):
            writer.write_table(file.read_row_group(i))


def run_trueline(path: str, repeat: int = 1) -> None:
    """The default statistics of this package on one thread; `repeat` times the same row groups as blocks anew."""
    from trueline.data_validation import generate_statistics
    from trueline.engine import Block, Dataset, LocalEngine, Shard

    dataset = Dataset.from_parquet(path)
    if repeat > 1:
        one = dataset.blocks
        blocks = tuple(
            Block(turn * len(one) + block.number, block.uri, block.row_group, block.rows)
            for turn in range(repeat)
            for block in one
        )
        dataset = Dataset((Shard(0, blocks),), dataset.arrow_schema)
    found = generate_statistics(dataset, engine=LocalEngine(1)).datasets[0]
    if len(found.features) != COLUMNS or found.num_examples != dataset.num_rows:
        raise SystemExit(f"statistics of {COLUMNS} features and {dataset.num_rows} rows were expected")


def run_csv(path: str) -> None:
    """The default statistics of this package straight from a CSV file, on one thread."""
    from trueline.data_validation import generate_statistics_from_csv

    found = generate_statistics_from_csv(path, threads=1, n_jobs=1).datasets[0]
    if len(found.features) != COLUMNS:
        raise SystemExit(f"statistics of {COLUMNS} features were expected")


def run_csv_decode(path: str) -> None:
    """Reads and types every cell of the CSV file with pyarrow, a batch at a time, on one thread."""
    import pyarrow.csv as pc

    with pc.open_csv(path, read_options=pc.ReadOptions(use_threads=False)) as reader:
        for _ in reader:
            pass


def _rivals() -> Any:
    spec = importlib.util.spec_from_file_location("statistics_rivals", Path(__file__).with_name("statistics_rivals.py"))
    if spec is None or spec.loader is None:
        raise SystemExit("benchmarks/statistics_rivals.py is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CANDIDATES: dict[str, tuple[Callable[[str], Any], str]] = {
    "trueline": (run_trueline, "trueline"),
    "decode": (lambda path: _rivals().run_decode(path), "pyarrow"),
    "polars": (lambda path: _rivals().run_polars(path), "polars"),
    "duckdb": (lambda path: _rivals().run_duckdb(path), "duckdb"),
}
CSV_CANDIDATES: dict[str, tuple[Callable[[str], Any], str]] = {
    "trueline_csv": (run_csv, "trueline"),
    "csv_decode": (run_csv_decode, "pyarrow"),
}


def measure(name: str, path: str, folder: str, repeat: int = 1) -> dict[str, float]:
    """CPU seconds, wall seconds and peak memory of one candidate in a process of its own; byte code is in `folder`."""
    command = [sys.executable, __file__, "--child", name, "--data", path, "--repeat", str(repeat)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPYCACHEPREFIX": folder}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _peak_mb() -> float:
    """The most memory that this process held; Linux keeps the parent's in `ru_maxrss`, so its own mark is read."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def child(name: str, path: str, repeat: int) -> None:
    """Runs one candidate and prints what it used, start of the interpreter and imports included."""
    start = time.perf_counter()
    if repeat > 1:
        run_trueline(path, repeat)
    else:
        {**CANDIDATES, **CSV_CANDIDATES}[name][0](path)
    wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    print(json.dumps({"cpu_seconds": cpu, "wall_seconds": wall, "peak_memory_mb": _peak_mb()}))


def rounds_of(names: list[str], path: str, folder: str, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Every candidate once a round, in turn; the first round is left out."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(rounds + 1):
        for name in names:
            runs[name].append(measure(name, path, folder))
    return {name: found[1:] for name, found in runs.items()}


def compare(
    candidates: dict[str, tuple[Callable[[str], Any], str]], path: str, folder: str, rows: int, rounds: int
) -> Any:
    """Each candidate's best round; the first one's CPU time over each other's: the median of the rounds, and the worst.

    Args:
        candidates: what runs.
        path: the data.
        folder: where byte code is kept.
        rows: how many the data have.
        rounds: how often each runs.
    """
    there = {name: importlib.util.find_spec(module) is not None for name, (_, module) in candidates.items()}
    runs = rounds_of([name for name, found in there.items() if found], path, folder, rounds)
    results: dict[str, Any] = {name: "not installed" for name, found in there.items() if not found}
    mine = [run["cpu_seconds"] for run in next(iter(runs.values()))]
    ratios, worst = {}, {}
    for name, found in runs.items():
        cpu = [run["cpu_seconds"] for run in found]
        results[name] = {
            "cpu_seconds": round(min(cpu), 3),
            "cpu_seconds_all": [round(seconds, 3) for seconds in cpu],
            "wall_seconds": round(min(run["wall_seconds"] for run in found), 3),
            "rows_per_cpu_second": round(rows / min(cpu)),
            "peak_memory_mb": round(max(run["peak_memory_mb"] for run in found)),
        }
        each = [one / other for one, other in zip(mine, cpu, strict=True)]
        ratios[name], worst[name] = round(statistics.median(each), 2), round(max(each), 2)
    return {"rows": rows, "columns": COLUMNS, "results": results, "trueline_cpu_ratio_to": ratios, "worst_round": worst}


def report(rows: int, rounds: int, mode: str, repeat: int, data: str | None = None) -> dict[str, Any]:
    """Writes the data, unless they are given, and runs one of the modes."""
    with tempfile.TemporaryDirectory() as folder:
        path = data or str(Path(folder) / "data.parquet")
        if data is None:
            write_data(path, rows)
        else:
            rows = _rows_of(data)
        size = round(Path(path).stat().st_size / 2**20)
        if mode == "csv":
            text = str(Path(folder) / "data.csv")
            write_csv(path, text)
            size = round(Path(text).stat().st_size / 2**20)
            return {"csv_mb": size, **compare(CSV_CANDIDATES, text, folder, rows, rounds)}
        if mode == "memory":
            peaks = {}
            measure("trueline", path, folder)
            for turns in sorted({1, max(repeat // 5, 1), repeat}):
                found = measure("trueline", path, folder, turns)
                peaks[rows * turns] = {name: round(value, 1) for name, value in found.items()}
            return {"parquet_mb": size, "by_rows": peaks}
        return {"parquet_mb": size, **compare(CANDIDATES, path, folder, rows, rounds)}


def _rows_of(path: str) -> int:
    import pyarrow.parquet as pq

    return int(pq.ParquetFile(path).metadata.num_rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--csv", action="store_true", help="statistics straight from CSV beside reading it")
    parser.add_argument("--memory", action="store_true", help="peak memory for 1, repeat/5 and repeat times the rows")
    parser.add_argument("--repeat", "--repeat-shards", type=int, default=1, help="the row groups so many times")
    parser.add_argument("--child", choices=sorted({**CANDIDATES, **CSV_CANDIDATES}))
    parser.add_argument("--data", help="a Parquet file of `write_data`, to be used again")
    options = parser.parse_args()
    if options.child:
        child(options.child, options.data, options.repeat)
        return
    mode = "csv" if options.csv else "memory" if options.memory else "compare"
    print(json.dumps(report(options.rows, options.rounds, mode, options.repeat, options.data), indent=2))


if __name__ == "__main__":
    main()

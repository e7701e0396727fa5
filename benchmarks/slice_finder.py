"""The search for the worst slices over many rows: CPU seconds, rows per CPU second and peak memory.

The data are 14 columns (5 texts of 2 to 40 values, 6 numbers, 2 of them with gaps, 3 small integers), a binary label
and a prediction, written as Parquet into a temporary folder; one pair of values is planted as bad. Each search runs in
a process of its own on one thread, measured by the system's accounting of that process, imports and reading included.
A first run is not counted. `read` only reads the columns with pyarrow. `--memory` gives the peak memory as rows grow.

    python benchmarks/slice_finder.py --rows 1500000 --rounds 3
    python benchmarks/slice_finder.py --memory
"""

from __future__ import annotations

import sys

if sys.path and sys.path[0].endswith("benchmarks"):
    del sys.path[0]  # this folder holds a `statistics.py` that would hide the standard library's

import argparse
import json
import os
import resource
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

BLOCK_ROWS = 65_536
PLANTED = "t1=t1-00, t3=t3-01"


def write_data(path: str, rows: int) -> None:
    """Writes the table in row groups of one block."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    writer = None
    for start in range(0, rows, BLOCK_ROWS):
        n = min(BLOCK_ROWS, rows - start)
        columns: dict[str, Any] = {"__row__": np.arange(start, start + n)}
        codes = {f"t{i}": rng.integers(0, size, n) for i, size in enumerate((2, 4, 8, 15, 40))}
        columns |= {name: pa.array([f"{name}-{k:02d}" for k in values]) for name, values in codes.items()}
        for i in range(6):
            values = rng.normal(i, 1 + i, n) if i % 2 else rng.lognormal(1.0, 1.0, n)
            columns[f"f{i}"] = pa.array(values, mask=rng.random(n) < 0.05 * (i < 2))
        for i, high in enumerate((4, 7, 24)):
            columns[f"i{i}"] = rng.integers(0, high, n)
        prediction = rng.beta(2, 2, n)
        bad = (codes["t1"] == 0) & (codes["t3"] == 1)
        columns["prediction"] = prediction
        columns["label"] = (rng.random(n) < np.where(bad, 1 - prediction, prediction)).astype(np.float64)
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=BLOCK_ROWS)
    if writer is not None:
        writer.close()


def _search(path: str, **options: Any) -> dict[str, Any]:
    from trueline.engine import Dataset, LocalEngine
    from trueline.model_analysis import find_slices

    found = find_slices(None, Dataset.from_parquet(path), engine=LocalEngine(1), **options)
    said = {"searched": found.searched, "passes": found.passes, "skipped": found.skipped, "found": len(found.slices)}
    return said | {"planted first": bool(found.slices) and found.slices[0].name == PLANTED}


def _read(path: str) -> dict[str, Any]:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    rows = sum(file.read_row_group(i, use_threads=False).num_rows for i in range(file.num_row_groups))
    return {"rows": rows}


CASES: dict[str, Callable[[str], dict[str, Any]]] = {
    "read": _read,
    "order 1": lambda path: _search(path, max_order=1),
    "order 2": _search,
    "order 3": lambda path: _search(path, max_order=3),
}


def run_case(name: str, path: str) -> dict[str, Any]:
    """One case in a process of its own: CPU seconds, peak memory in MiB, and what it said."""
    environment = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_NUM_THREADS"), "1")
    command = [sys.executable, os.path.abspath(__file__), "--case", name, "--data", path]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **environment})
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _child(name: str, path: str) -> None:
    said = CASES[name](path)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"cpu": used.ru_utime + used.ru_stime, "mib": used.ru_maxrss / 1024, "said": said}))


def _time(path: str, rows: int, rounds: int) -> None:
    run_case("order 2", path)
    results = {name: [run_case(name, path) for _ in range(rounds)] for name in CASES}
    print(f"{rows:,} rows, median of {rounds}")
    for name, runs in results.items():
        cpu = sorted(r["cpu"] for r in runs)[len(runs) // 2]
        mib = max(r["mib"] for r in runs)
        print(f"{name:8}  {cpu:6.2f} CPU s  {rows / cpu:12,.0f} rows per CPU s  {mib:6.0f} MiB  {runs[0]['said']}")


def _memory(folder: str) -> None:
    for rows in (200_000, 800_000, 3_200_000):
        path = str(Path(folder) / f"{rows}.parquet")
        write_data(path, rows)
        for name in ("order 2", "order 3"):
            print(f"{rows:>10,} rows  {name}  {run_case(name, path)['mib']:6.0f} MiB", flush=True)
        os.remove(path)


def main() -> None:
    """Reads the arguments and runs what they ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--case", choices=CASES)
    parser.add_argument("--data")
    args = parser.parse_args()
    if args.case:
        _child(args.case, args.data)
        return
    with tempfile.TemporaryDirectory() as folder:
        if args.memory:
            _memory(folder)
            return
        path = args.data or str(Path(folder) / "rows.parquet")
        if not args.data:
            write_data(path, args.rows)
        _time(path, args.rows, args.rounds)


if __name__ == "__main__":
    main()

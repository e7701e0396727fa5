"""The statistics of `benchmarks/statistics.py` as a careful user would write them in polars and in DuckDB.

The list is the same for all. Numbers (and timestamps, as microseconds): how many are there and missing, mean, standard
deviation, extremes, zeros, median, the boundaries of ten quantile buckets with their counts, ten equal-width buckets.
Strings: how many are there and missing, bytes, the number of distinct ones, the 1000 most frequent (the top 20 are the
first of them), ties by value. Each column is read and worked on alone, by one thread, so that memory stays small; it is
sorted or grouped once. Their quantiles are exact; those of this package are so up to 4,096 distinct values of a column
and within about 0.1 % of the ranks beyond. DuckDB's `approx_quantile` was tried in the place of `quantile_disc`: it
takes longer. Not computed by them: what this package needs for the merging of parts.
"""

from __future__ import annotations

from typing import Any

__all__ = ["run_decode", "run_duckdb", "run_polars"]


def run_decode(path: str) -> None:
    """Reads every column, one row group at a time, one thread."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    for i in range(file.num_row_groups):
        file.read_row_group(i, use_threads=False)


def run_polars(path: str) -> list[Any]:
    """A column at a time: numbers are sorted once, strings grouped once."""
    import os

    os.environ["POLARS_MAX_THREADS"] = "1"
    import polars as pl

    found: list[Any] = []
    for name, kind in pl.read_parquet_schema(path).items():
        column = pl.read_parquet(path, columns=[name]).get_column(name)
        missing = column.null_count()
        if kind == pl.String:
            counts = column.value_counts().drop_nulls()
            total = (counts[name].str.len_bytes() * counts["count"]).sum()
            top = counts.sort(["count", name], descending=True).head(1000)
            found.append((name, len(column) - missing, missing, total, counts.height, top.rows()))
            continue
        numbers = (column.dt.epoch("us") if kind.is_temporal() else column).drop_nulls()
        moments = (numbers.mean(), numbers.std(ddof=0), (numbers == 0).sum())
        numbers = numbers.sort()
        n, low, high = len(numbers), numbers[0], numbers[-1]
        edges = pl.Series([low + (high - low) * i / 10 for i in range(1, 10)])
        equal = numbers.cast(pl.Float64).search_sorted(edges, side="right").to_list()
        cuts = [numbers[i * n // 10] for i in range(10)]
        ranks = numbers.search_sorted(pl.Series(cuts), side="right").to_list()
        found.append((name, n, missing, *moments, low, high, numbers[n // 2], cuts, ranks, equal))
    return found


def run_duckdb(path: str) -> list[Any]:
    """Two queries a column: figures and quantiles, then the counts that need them; strings are grouped once."""
    import duckdb

    db = duckdb.connect()
    db.execute("SET threads = 1")
    source = f"read_parquet('{path}')"
    found: list[Any] = []
    for name, kind, *_ in db.execute(f"DESCRIBE SELECT * FROM {source}").fetchall():
        if kind == "VARCHAR":
            db.execute(f"CREATE OR REPLACE TEMP TABLE f AS SELECT {name} v, count(*) n FROM {source} GROUP BY 1")
            one = db.execute("SELECT count(v), sum(n) FILTER (v IS NULL), sum(strlen(v) * n) FROM f").fetchone()
            top = db.execute("SELECT v, n FROM f WHERE v IS NOT NULL ORDER BY n DESC, v DESC LIMIT 1000").fetchall()
            found.append((name, one, top))
            continue
        x = f"epoch_us({name})" if kind == "TIMESTAMP" else name
        one = db.execute(
            f"SELECT count({x}), count(*) - count({x}), min({x}), max({x}), avg({x}), stddev_pop({x}), "
            f"count_if({x} = 0), quantile_disc({x}, [0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9]) FROM {source}"
        ).fetchone()
        low, high, cuts = one[2], one[3], one[-1]
        ranks = ", ".join(f"count_if({x} <= {cut})" for cut in cuts)
        width = (high - low) / 10
        equal = ", ".join(f"count_if({x} <= {low + width * i})" for i in range(1, 10))
        found.append((name, one, db.execute(f"SELECT {ranks}, {equal} FROM {source}").fetchone()))
    return found

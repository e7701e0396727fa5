"""Speed and memory of transform: analysis, bulk transform, single rows, beside scikit-learn's ColumnTransformer.

The table: 2 text columns (10 and up to 100,000 distinct values), 6 floats with missing values, 3 integers. Outputs: 6
quantile buckets, 7 z-scores, 2 vocabularies with out-of-vocabulary buckets, a hash, a one-hot vector, a hashed cross.
Both libraries see the same table in the same run; rates count CPU seconds of this process, all threads.

    python benchmarks/transform.py [--rows 200000]

Prints one JSON object.
"""

from __future__ import annotations

import sys

if sys.path and sys.path[0].endswith("benchmarks"):
    del sys.path[0]  # this folder holds a `statistics.py` that would hide the standard library's

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402

import trueline.transform as tlt  # noqa: E402
from trueline.engine import LocalEngine  # noqa: E402

FLOATS = [f"f{i}" for i in range(6)]
INTS = [f"i{i}" for i in range(3)]


def make_table(rows: int) -> pa.Table:
    """The synthetic table; the same bits for the same number of rows."""
    rng = np.random.default_rng(20)
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
    out["i0_z"] = tlt.scale_to_z_score(x["i0"])
    few = tlt.fill_missing(x["few"], "")
    many = tlt.fill_missing(x["many"], "")
    few_id = tlt.compute_and_apply_vocabulary(few, num_oov_buckets=1)
    out["few_id"] = few_id
    out["many_id"] = tlt.compute_and_apply_vocabulary(many, top_k=50_000, num_oov_buckets=10)
    out["many_hash"] = tlt.hash_strings(many, 1000)
    out["few_hot"] = tlt.one_hot(few_id, 10)
    out["crossed"] = tlt.cross(few, many, hash_buckets=1000)
    return out


def column_transformers() -> tuple[Any, Any]:
    """The nearest thing in scikit-learn, for a float matrix and a text matrix (no data frame library is needed).

    It has no hash of a single column into ids and no cross: it computes 16 of the 18 outputs.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, StandardScaler

    def fill() -> Any:
        return SimpleImputer(strategy="constant", fill_value=0.0)

    bins = KBinsDiscretizer(10, encode="ordinal", strategy="quantile", subsample=None, quantile_method="linear")
    floats = list(range(len(FLOATS)))
    numbers = ColumnTransformer(
        [
            ("z", make_pipeline(fill(), StandardScaler()), floats),
            ("i", StandardScaler(), [len(FLOATS)]),
            ("b", make_pipeline(fill(), bins), floats),
        ]
    )
    unknown = {"handle_unknown": "use_encoded_value", "unknown_value": -1}
    texts = ColumnTransformer(
        [
            ("v", OrdinalEncoder(**unknown), [0, 1]),
            ("h", OneHotEncoder(handle_unknown="ignore", sparse_output=False), [0]),
        ]
    )
    return numbers, texts


def measured(function: Callable[[], Any], repeats: int) -> tuple[Any, float]:
    """The result and the least CPU seconds of some runs."""
    times, result = [], None
    for _ in range(repeats):
        start = time.process_time()
        result = function()
        times.append(time.process_time() - start)
    return result, min(times)


def peak_mb() -> float:
    """Peak resident memory of this process so far, MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def single_row(output: tlt.TransformOutput, table: pa.Table) -> float:
    """Median microseconds of wall time of one row through the served ONNX graph, feeding included."""
    from trueline._core.runtime import make_session

    session = make_session(output.to_onnx().SerializeToString())
    feeds, rows = output.feeds(), table.slice(0, 300).to_pylist()
    names = [o.name for o in session.get_outputs()]
    times = []
    extra = frozenset(INTS)
    for row in rows:
        start = time.perf_counter()
        session.run(names, feeds.from_rows([row], extra=extra))
        times.append(time.perf_counter() - start)
    return round(float(np.median(times)) * 1e6, 1)


def sklearn_figures(table: pa.Table, repeats: int) -> dict[str, Any]:
    """CPU seconds of fitting and transforming in scikit-learn on the same table; making its matrices is not counted."""
    import sklearn

    floats = [table[n].to_numpy() for n in (*FLOATS, "i0")]
    texts = [np.array(table[n].to_pylist(), dtype=object) for n in ("few", "many")]
    matrices = np.column_stack(floats), np.column_stack(texts)
    transformers = column_transformers()

    def fit() -> None:
        for transformer, matrix in zip(transformers, matrices, strict=True):
            transformer.fit(matrix)

    def transform() -> None:
        for transformer, matrix in zip(transformers, matrices, strict=True):
            transformer.transform(matrix)

    fit_seconds, transform_seconds = measured(fit, 1)[1], measured(transform, repeats)[1]
    return {
        "version": sklearn.__version__,
        "fit_cpu_seconds": round(fit_seconds, 3),
        "cpu_seconds": round(transform_seconds, 3),
        "rows_per_cpu_second": round(table.num_rows / transform_seconds),
    }


def main() -> None:
    """Runs the benchmark and prints its JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    table = make_table(options.rows)
    before = peak_mb()
    (_, output), analyse_and_transform = measured(
        lambda: tlt.analyze_and_transform(table, preprocessing, engine=LocalEngine(workers=1)), 1
    )
    result, transform = measured(lambda: output.transform(table), options.repeats)
    peak = peak_mb()
    figures: dict[str, Any] = {
        "rows": options.rows,
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version(), "platform": platform.machine()},
        "trueline": {
            "analyze_cpu_seconds": round(max(analyse_and_transform - transform, 0.0), 3),
            "cpu_seconds": round(transform, 3),
            "rows_per_cpu_second": round(options.rows / transform),
            "outputs": len(result.schema.names),
            "peak_memory_mb": peak,
            "table_and_libraries_mb": before,
            "one_row_us": single_row(output, table),
        },
    }
    try:
        other = sklearn_figures(table, options.repeats)
    except ImportError as error:
        figures["scikit-learn"] = f"not installed: {error}"
    else:
        figures["scikit-learn"] = other
        figures["trueline_cpu_ratio_to"] = {"scikit-learn": round(transform / other["cpu_seconds"], 2)}
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()

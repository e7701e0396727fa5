"""An evaluation of 24 metrics on 49 slices beside scikit-learn slice by slice, the cost of intervals, and inference.

    python benchmarks/model_analysis.py [--rows 1500000] [--rounds 3]
    python benchmarks/model_analysis.py --memory      peak memory of 1M and 20M rows

Prints one JSON object. The rows are drawn with a seed: four columns to slice by (overall, three columns, two crosses
and ten age buckets: 49 slices), a label, a weight, float32 probabilities. One process, one thread, CPU seconds, in turn
within each round; ratios are medians of the rounds'. `scikit_learn` computes the same 24 figures with numpy masks and
`sklearn.metrics`, one slice after the other; the largest difference of the exact ones is in the output. `intervals` is
the CPU of the run with intervals over that of the run without. `inference` is the rate of a model inside an evaluation
over that of bare `session.run` on arrays that were made before.
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
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from trueline._core.rowid import row_ids  # noqa: E402
from trueline.engine import Dataset, LocalEngine  # noqa: E402
from trueline.model_analysis import (  # noqa: E402
    ConfidenceIntervalOptions,
    EvalConfig,
    EvalOptions,
    EvalResult,
    MetricConfig,
    MetricsSpec,
    SlicingSpec,
    analyze_raw_data,
)

TFMA_ROWS_PER_CPU_SECOND = 860
"""Measured beside, with the same number of metrics and slices, of TensorFlow Model Analysis 0.47.1; not run here."""
AGES = (25, 30, 35, 40, 45, 50, 55, 60, 65)
NAMES = (
    "ExampleCount", "MeanLabel", "MeanPrediction", "Calibration", "AUC", "AUCPrecisionRecall", "AveragePrecision",
    "BinaryAccuracy", "Precision", "Recall", "Specificity", "FallOut", "MissRate", "NegativePredictiveValue",
    "FalseDiscoveryRate", "FalseOmissionRate", "F1Score", "MatthewsCorrelationCoefficient", "BalancedAccuracy",
    "LogLoss", "MeanSquaredError", "MeanAbsoluteError",
)  # fmt: skip
METRICS = [
    *(MetricConfig(name) for name in NAMES),
    MetricConfig("Precision", {"thresholds": 0.3, "name": "precision_at_0.3"}),
    MetricConfig("Recall", {"thresholds": 0.3, "name": "recall_at_0.3"}),
]
SLICES = [
    SlicingSpec(),
    SlicingSpec(["sex"]),
    SlicingSpec(["race"]),
    SlicingSpec(["education"]),
    SlicingSpec(["sex", "race"]),
    SlicingSpec(["sex", "education"]),
    SlicingSpec(buckets={"age": AGES}),
]


def make_rows(n: int, seed: int = 0) -> pa.Table:
    """Rows with labels, weights, predictions and columns to slice by."""
    rng = np.random.default_rng(seed)
    sex, education = rng.integers(0, 2, n), rng.integers(0, 7, n)
    race = rng.choice(5, n, p=[0.6, 0.2, 0.1, 0.07, 0.03])
    z = rng.normal(size=n) + 0.3 * sex - 0.2 * race
    return pa.table(
        {
            "sex": pa.array(np.array(["F", "M"])[sex]),
            "race": pa.array(np.array(list("abcde"))[race]),
            "education": education,
            "age": rng.integers(17, 80, n),
            "label": (rng.random(n) < 1 / (1 + np.exp(-1.2 * z))).astype(np.int64),
            "prediction": (1 / (1 + np.exp(-z))).astype(np.float32).astype(np.float64),
            "weight": rng.random(n) + 0.5,
            "__row__": row_ids(0, 0, n),
        }
    )


def evaluate_rows(table: pa.Table | Dataset, method: str | None = None) -> EvalResult:
    """Ours; `method` of intervals, 20-fold."""
    options = EvalOptions(
        compute_confidence_intervals=method is not None,
        noise_groups=20,
        confidence_intervals=ConfidenceIntervalOptions(method or "JACKKNIFE", 20),
    )
    config = EvalConfig([MetricsSpec(METRICS)], SLICES, options)
    dataset = table if isinstance(table, Dataset) else Dataset.from_table(table)
    return analyze_raw_data(dataset, config, example_weight_key="weight", engine=LocalEngine(workers=1))


def masks(table: pa.Table) -> Iterator[tuple[str, Any]]:
    """The same slices as masks."""
    column = {name: table[name].to_numpy(zero_copy_only=False) for name in ("sex", "race", "education", "age")}
    yield "Overall", np.ones(table.num_rows, dtype=bool)
    for name in ("sex", "race", "education"):
        for value in np.unique(column[name]):
            yield f"{name}={value}", column[name] == value
    for other in ("race", "education"):
        for value in np.unique(column[other]):
            for sex in ("F", "M"):
                pairs = sorted([(other, str(value)), ("sex", sex)])
                yield ", ".join("=".join(p) for p in pairs), (column[other] == value) & (column["sex"] == sex)
    place = np.digitize(column["age"], AGES)
    for bucket in np.unique(place):
        yield f"bucket {bucket}", place == bucket


def scikit_learn(table: pa.Table) -> dict[str, dict[str, float]]:
    """The same figures, slice by slice."""
    from sklearn import metrics as sk

    y, p, w = (table[n].to_numpy() for n in ("label", "prediction", "weight"))
    found = {}
    for name, mask in masks(table):
        a, b, c = y[mask], p[mask], w[mask]
        yes = b > 0.5
        tn, fp, fn, tp = sk.confusion_matrix(a, yes, sample_weight=c).ravel()
        precision, recall, _ = sk.precision_recall_curve(a, b, sample_weight=c)
        found[name] = {
            "example_count": c.sum(), "mean_label": np.average(a, weights=c),
            "mean_prediction": np.average(b, weights=c),
            "calibration": (b * c).sum() / (a * c).sum(), "auc": sk.roc_auc_score(a, b, sample_weight=c),
            "auc_precision_recall": sk.auc(recall, precision),
            "average_precision": sk.average_precision_score(a, b, sample_weight=c),
            "binary_accuracy": sk.accuracy_score(a, yes, sample_weight=c),
            "precision": sk.precision_score(a, yes, sample_weight=c),
            "recall": sk.recall_score(a, yes, sample_weight=c),
            "specificity": tn / (tn + fp), "fall_out": fp / (fp + tn), "miss_rate": fn / (fn + tp),
            "negative_predictive_value": tn / (tn + fn), "false_discovery_rate": fp / (fp + tp),
            "false_omission_rate": fn / (fn + tn), "f1_score": sk.f1_score(a, yes, sample_weight=c),
            "matthews_correlation_coefficient": sk.matthews_corrcoef(a, yes, sample_weight=c),
            "balanced_accuracy": sk.balanced_accuracy_score(a, yes, sample_weight=c),
            "log_loss": sk.log_loss(a, b, sample_weight=c),
            "mean_squared_error": sk.mean_squared_error(a, b, sample_weight=c),
            "mean_absolute_error": sk.mean_absolute_error(a, b, sample_weight=c),
            "precision_at_0.3": sk.precision_score(a, b > 0.3, sample_weight=c),
            "recall_at_0.3": sk.recall_score(a, b > 0.3, sample_weight=c),
        }  # fmt: skip
    return found


def compare(ours: EvalResult, theirs: dict[str, dict[str, float]]) -> dict[str, float]:
    """Largest relative difference of exact metrics, and largest absolute one of those from histograms."""
    exact, binned, bound = 0.0, 0.0, 0.0
    for s in ours.measured.slices:
        want = theirs.get(s.name)
        for name, estimate in s.metrics.items() if want else ():
            assert want is not None
            assert estimate.value is not None
            off = abs(estimate.value - want[name])
            if name == "auc_precision_recall":
                continue  # Davis-Goadrich interpolation, which scikit-learn does not have
            if estimate.error_bound is None:
                exact = max(exact, off / max(abs(want[name]), 1e-12))
            else:
                binned, bound = max(binned, off), max(bound, estimate.error_bound)
    return {"exact_relative": exact, "histogram_absolute": binned, "histogram_stated_bound": bound}


def cpu(call: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call and what it returned."""
    before = time.process_time()
    result = call()
    return time.process_time() - before, result


def inference(rows: int) -> dict[str, float]:
    """A gradient-boosting model of 20 numeric columns: inside an evaluation against bare ONNX Runtime."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    import trueline.transform as tlt
    from trueline.model_analysis import evaluate
    from trueline.models import Fitted, build_model
    from trueline.schema import raw_features

    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, 20))
    names = [f"x{i}" for i in range(20)]
    label = (x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=rows) > 0).astype(np.int64)
    table = pa.table({n: x[:, i] for i, n in enumerate(names)} | {"label": label, "__row__": row_ids(0, 0, rows)})

    def features(inputs: Any) -> Any:
        return {n: tlt.scale_to_z_score(tlt.fill_missing(inputs[n], 0.0)) for n in names} | {"label": inputs["label"]}

    part = Dataset.from_table(table)
    transform = tlt.analyze(tlt.trace(features, raw_features(table.schema)), part)
    fitted = HistGradientBoostingClassifier(max_iter=100, random_state=0).fit(x[:50_000], label[:50_000])
    config = EvalConfig([MetricsSpec([MetricConfig("ExampleCount")])])
    with tempfile.TemporaryDirectory() as folder:
        model = build_model(
            Fitted(fitted), uri=folder, transform=transform, label="label", features=names, sample=table.slice(0, 500)
        )
        blocks, graph = list(part.batches()), model.runtime.graph
        feeds = [graph.arrays_from_arrow(b) for b in blocks]
        bare, _ = cpu(lambda: [graph.run(feed) for feed in feeds])
        ours, _ = cpu(lambda: [model.runtime.predict_arrow(b) for b in blocks])
        whole, _ = cpu(lambda: evaluate(model, part, config, engine=LocalEngine(workers=1)))
    return {"bare": bare, "in_evaluation": ours, "whole_evaluation": whole, "rate": bare / ours}


def peak_memory(rows: int) -> int:
    """Peak resident memory in MB of an evaluation with intervals of a Parquet file with so many rows, alone."""
    command = [sys.executable, "-P", str(Path(__file__).resolve()), "--alone", str(rows)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def alone(rows: int) -> None:
    """Writes the file in pieces, evaluates it and prints the peak memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "rows.parquet")
        piece = make_rows(500_000)
        with pq.ParquetWriter(path, piece.schema) as writer:
            for _ in range(rows // 500_000):
                writer.write_table(piece, row_group_size=65_536)
        evaluate_rows(Dataset.from_parquet(path), "JACKKNIFE")
    print(peak_mb())


def peak_mb() -> int:
    """The most memory that this process held; Linux keeps the parent's in `ru_maxrss`, so its own mark is read."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (2**20 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Runs it and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.alone:
        alone(args.alone)
        return
    if args.memory:
        print(
            json.dumps({f"{n // 1_000_000}M rows, peak MB": peak_memory(n) for n in (1_000_000, 20_000_000)}, indent=1)
        )
        return
    table = make_rows(args.rows)
    evaluate_rows(table.slice(0, 1000))  # imports
    rounds = []
    for _ in range(args.rounds):
        plain, result = cpu(lambda: evaluate_rows(table))
        jackknife, _ = cpu(lambda: evaluate_rows(table, "JACKKNIFE"))
        bootstrap, _ = cpu(lambda: evaluate_rows(table, "POISSON_BOOTSTRAP"))
        closed, _ = cpu(lambda: evaluate_rows(table, "CLOSED_FORM"))
        rival, theirs = cpu(lambda: scikit_learn(table))
        rounds.append((plain, jackknife, bootstrap, rival, closed))
    plain, jackknife, bootstrap, rival, closed = (float(np.median([r[i] for r in rounds])) for i in range(5))
    ratio = [float(np.median([r[i] / r[0] for r in rounds])) for i in range(5)]
    figures: dict[str, Any] = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}",
        "rows": args.rows,
        "slices": len(result.measured.slices),
        "metrics": len(result.measured.slices[0].metrics),
        "cpu_seconds": {
            "plain": plain,
            "jackknife": jackknife,
            "bootstrap": bootstrap,
            "closed_form": closed,
            "scikit_learn": rival,
        },
        "rows_per_cpu_second": args.rows / plain,
        "times_tfma": args.rows / plain / TFMA_ROWS_PER_CPU_SECOND,
        "times_scikit_learn": ratio[3],
        "intervals": {"jackknife": ratio[1], "bootstrap": ratio[2], "closed_form": ratio[4]},
        "difference_from_scikit_learn": compare(result, theirs),
        "inference": inference(min(args.rows, 500_000)),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()

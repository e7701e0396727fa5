"""Golden cases of TFMA's inner steps, by the metrics that show them: matrices at thresholds, and averages."""

from __future__ import annotations

from typing import Any

import numpy as np
from model_analysis_tfma_cases import Reason, close
from model_analysis_tfma_compute import run_examples

from trueline.model_analysis import MetricConfig
from trueline.model_analysis.keys import MetricKey, SubKey
from trueline.model_analysis.metrics import find_metric
from trueline.model_analysis.rules import MeanOf, PlannedMetric
from trueline.model_analysis.values import weighted_mean

__all__ = ["run_aggregate", "run_intermediate"]


def run_intermediate(case: dict[str, Any]) -> Reason:
    """Binary confusion matrices as `ConfusionMatrixAtThresholds`."""
    computation = case["computation"]
    args = computation["args"]
    if computation["function"] != "binary_confusion_matrices":
        return "a histogram of 10,000 buckets inside TFMA; here scores are kept or plots have histograms of their own"
    thresholds = args.get("thresholds")
    if thresholds is None:
        count = args["num_thresholds"]
        thresholds = [-1e-7, *(i / (count - 1) for i in range(1, count - 1)), 1 + 1e-7]
    config = {"thresholds": [float(t) for t in thresholds], "name": "matrices"}
    expected = [
        {"key": {**entry["key"], "name": "matrices"}, "value": {**entry["value"], "thresholds": config["thresholds"]}}
        for entry in case["expected"][0]["metrics"]
        if "tp" in entry["value"]
    ]
    if any(found for e in case["expected"][0]["metrics"] for found in e["value"].get("tp_examples", [[]])):
        return "the ids of rows by outcome are an inner step of TFMA; the feature samplers show them here"
    if args.get("use_histogram") and 0.0 in thresholds:
        return "TFMA's histogram takes a score of exactly 0 for above 0; TFMA's own metrics do not, nor does this"
    options = {"sub_keys": [args["sub_key"]]} if "sub_key" in args else {}
    made = {**case, "expected": [{"slice": [], "metrics": expected}], "eval_options": options}
    return run_examples(made, [MetricConfig("ConfusionMatrixAtThresholds", config)])


def run_aggregate(case: dict[str, Any]) -> Reason:
    """A mean of given values, by the function that makes every mean over classes and outputs."""
    function, args = case["aggregation"]["function"], case["aggregation"]["args"]
    want = float(case["expected"][0]["metrics"][0]["value"])
    if function == "weighted_macro_average":
        return "the averaged values of the case were not recorded, only the examples whose labels weigh them"
    entries = case["examples"][0][1]
    if function == "output_average":
        weights = args["output_weights"]
        given = {k["output_name"]: v for k, v in entries}
        parts = [(weights[name], MetricKey("test", name), given[name]) for name in weights]
    else:
        by_class = dict(map(tuple, args["class_weights"]))
        parts = [(by_class[k["sub_key"]["class_id"]], MetricKey("test", sub_key=SubKey(**k["sub_key"])), v)
                 for k, v in entries]  # fmt: skip
    metric = find_metric("MeanLabel")
    assert metric is not None
    mean = MeanOf(tuple((w, key.text) for w, key, _ in parts))
    planned = PlannedMetric("test", metric, {}, mean_of=mean)
    got = weighted_mean(planned, {key.text: np.full((1, 1, 1), v) for _, key, v in parts}, lambda _: np.ones(1))
    return None if close([want], [got[0, 0, 0]], 1e-9) else f"{got[0, 0, 0]:g} here, {want:g} in TFMA"

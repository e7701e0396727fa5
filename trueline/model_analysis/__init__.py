"""Measures models on slices of data and judges them: metrics, sampling noise, thresholds, gates that fail closed.

May import `_core`, `engine` and, through a model's runtime, what a `Model` keeps on disk; never metadata, pipeline,
components or a framework.
"""

from __future__ import annotations

from trueline._core.lazy import lazy_names

_PUBLIC = {
    "AggregationOptions": "config",
    "BinarizationOptions": "config",
    "ChosenDecision": "decision.chosen",
    "ConfidenceIntervalOptions": "config",
    "Constraint": "decision.cost",
    "Cost": "decision.cost",
    "CostMatrix": "decision.cost",
    "CrossSliceMetricThreshold": "config",
    "CrossSlicingSpec": "config",
    "EvalConfig": "config",
    "EvalOptions": "config",
    "EvalResult": "result",
    "ExampleWeightOptions": "config",
    "FoundSlice": "slice_finder.found",
    "FoundSlices": "slice_finder.found",
    "GateCheck": "validation",
    "GateFailure": "validation",
    "GenericChangeThreshold": "config",
    "GenericValueThreshold": "config",
    "METRICS": "metrics",
    "Metric": "metrics",
    "MetricAccumulator": "accumulator",
    "MetricConfig": "config",
    "MetricThreshold": "config",
    "MetricsSpec": "config",
    "ModelSpec": "config",
    "ModelsResult": "models_result",
    "OperationalGates": "operational.gates",
    "OperationalVerdict": "operational.check",
    "Operations": "operational.records",
    "OwnState": "metrics.record",
    "PerSliceMetricThreshold": "config",
    "Perturbation": "robustness.spec",
    "RobustnessResult": "robustness.result",
    "RobustnessSpec": "robustness.spec",
    "Rows": "rows",
    "SliceMetrics": "measured",
    "SlicingSpec": "config",
    "ValidationResult": "validation",
    "analyze_raw_data": "raw_data",
    "as_dataset": "datasets",
    "check_metric": "testing",
    "check_operations": "operational.check",
    "choose_decision": "decision.choose",
    "decision_threshold": "decision.choose",
    "default_binary_classification_specs": "defaults",
    "default_multi_class_classification_specs": "defaults",
    "default_regression_specs": "defaults",
    "evaluate": "api",
    "evaluate_models": "api",
    "evaluate_robustness": "robustness.run",
    "find_slices": "slice_finder.api",
    "judge_operations": "operational.gates",
    "measure_operations": "operational.measure",
    "metric_names": "metrics",
    "render_plot": "render",
    "render_slicing_metrics": "render",
    "render_time_series": "time_series",
    "run_model_analysis": "run",
    "slice_name": "slices",
    "specs_from_metrics": "defaults",
    "split_warning": "decision.choose",
    "validate_metrics": "gates",
}

__all__ = [*sorted(_PUBLIC)]

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)

"""The fields of TFMA's `EvalConfig` proto: what its readers and writers know of it, as a table.

Names and types are those of ``tensorflow_model_analysis/proto/config.proto``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, TypeAlias

from trueline._core import proto_scalars
from trueline._core.proto_scalars import LIMITS
from trueline._core.proto_text import Field

__all__ = ["ENUMS", "LIMITS", "MESSAGES", "SCALARS", "WRAPPERS", "Field", "Tree", "camel", "default_of", "fields_of"]

Tree: TypeAlias = dict[str, Any]


def _map(kind: str, key: str = "string") -> Field:
    return Field(kind, key=key)


def _list(kind: str) -> Field:
    return Field(kind, many=True)


SCALARS = MappingProxyType({kind: words for kind, words in proto_scalars.SCALARS.items() if kind != "uint32"})
_STRING, _BOOL = Field("string"), Field("bool")
WRAPPERS = MappingProxyType({"DoubleValue": "double", "BoolValue": "bool", "Int32Value": "int32"})
ENUMS = MappingProxyType(
    {
        "MetricDirection": {"UNKNOWN": 0, "LOWER_IS_BETTER": 1, "HIGHER_IS_BETTER": 2},
        "ConfidenceIntervalMethod": {"UNKNOWN_CONFIDENCE_INTERVAL_METHOD": 0, "POISSON_BOOTSTRAP": 1, "JACKKNIFE": 2},
    }
)
MESSAGES: MappingProxyType[str, dict[str, Field]] = MappingProxyType(
    {
        "EvalConfig": {
            "model_specs": _list("ModelSpec"),
            "slicing_specs": _list("SlicingSpec"),
            "cross_slicing_specs": _list("CrossSlicingSpec"),
            "metrics_specs": _list("MetricsSpec"),
            "options": Field("Options"),
        },
        "EvalRun": {
            "eval_config": Field("EvalConfig"),
            "version": _STRING,
            "data_location": _STRING,
            "file_format": _STRING,
            "model_locations": _map("string"),
        },
        "ModelSpec": {
            "name": _STRING,
            "model_type": _STRING,
            "signature_name": _STRING,
            "preprocessing_function_names": _list("string"),
            "label_key": _STRING,
            "label_keys": _map("string"),
            "prediction_key": _STRING,
            "prediction_keys": _map("string"),
            "example_weight_key": _STRING,
            "example_weight_keys": _map("string"),
            "is_baseline": _BOOL,
            "padding_options": Field("PaddingOptions"),
            "inference_batch_size": Field("int32"),
        },
        "PaddingOptions": {
            "label_int_padding": Field("int64", oneof="label_padding"),
            "label_float_padding": Field("float", oneof="label_padding"),
            "prediction_int_padding": Field("int64", oneof="prediction_padding"),
            "prediction_float_padding": Field("float", oneof="prediction_padding"),
        },
        "SlicingSpec": {
            "feature_keys": _list("string"),
            "feature_values": _map("string"),
            "slice_keys_sql": _STRING,
        },
        "CrossSlicingSpec": {"baseline_spec": Field("SlicingSpec"), "slicing_specs": _list("SlicingSpec")},
        "MetricsSpec": {
            "metrics": _list("MetricConfig"),
            "model_names": _list("string"),
            "output_names": _list("string"),
            "output_weights": _map("float"),
            "binarize": Field("BinarizationOptions"),
            "aggregate": Field("AggregationOptions"),
            "example_weights": Field("ExampleWeightOptions"),
            "query_key": _STRING,
            "thresholds": _map("MetricThreshold"),
            "per_slice_thresholds": _map("PerSliceMetricThresholds"),
            "cross_slice_thresholds": _map("CrossSliceMetricThresholds"),
        },
        "MetricConfig": {
            "class_name": _STRING,
            "module": _STRING,
            "config": _STRING,
            "threshold": Field("MetricThreshold"),
            "per_slice_thresholds": _list("PerSliceMetricThreshold"),
            "cross_slice_thresholds": _list("CrossSliceMetricThreshold"),
        },
        "BinarizationOptions": {
            "class_ids": Field("RepeatedInt32Value"),
            "k_list": Field("RepeatedInt32Value"),
            "top_k_list": Field("RepeatedInt32Value"),
        },
        "AggregationOptions": {
            "micro_average": Field("bool", oneof="type"),
            "macro_average": Field("bool", oneof="type"),
            "weighted_macro_average": Field("bool", oneof="type"),
            "class_weights": _map("float", key="int32"),
            "top_k_list": Field("RepeatedInt32Value"),
        },
        "ExampleWeightOptions": {"weighted": _BOOL, "unweighted": _BOOL},
        "MetricThreshold": {
            "value_threshold": Field("GenericValueThreshold"),
            "change_threshold": Field("GenericChangeThreshold"),
        },
        "GenericValueThreshold": {"lower_bound": Field("DoubleValue"), "upper_bound": Field("DoubleValue")},
        "GenericChangeThreshold": {
            "absolute": Field("DoubleValue"),
            "relative": Field("DoubleValue"),
            "direction": Field("MetricDirection"),
        },
        "PerSliceMetricThreshold": {"slicing_specs": _list("SlicingSpec"), "threshold": Field("MetricThreshold")},
        "PerSliceMetricThresholds": {"thresholds": _list("PerSliceMetricThreshold")},
        "CrossSliceMetricThreshold": {
            "cross_slicing_specs": _list("CrossSlicingSpec"),
            "threshold": Field("MetricThreshold"),
        },
        "CrossSliceMetricThresholds": {"thresholds": _list("CrossSliceMetricThreshold")},
        "Options": {
            "include_default_metrics": Field("BoolValue"),
            "compute_confidence_intervals": Field("BoolValue"),
            "confidence_intervals": Field("ConfidenceIntervalOptions"),
            "min_slice_size": Field("Int32Value"),
            "disabled_outputs": Field("RepeatedStringValue"),
        },
        "ConfidenceIntervalOptions": {"method": Field("ConfidenceIntervalMethod")},
        "RepeatedStringValue": {"values": _list("string")},
        "RepeatedInt32Value": {"values": _list("int32")},
    }
)


def camel(name: str) -> str:
    """A field's name as protobuf's JSON form writes it.

    >>> camel("model_specs")
    'modelSpecs'
    """
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def fields_of(message: str) -> dict[str, Field]:
    """The fields of a message, a wrapper, or a map's entry."""
    if message in WRAPPERS:
        return {"value": Field(WRAPPERS[message])}
    if "|" in message:
        _, key, kind = message.split("|")
        return {"key": Field(key), "value": Field(kind)}
    return MESSAGES[message]


def default_of(kind: str) -> Any:
    """What protobuf takes for a value that is not given."""
    if kind in SCALARS:
        return {"string": "", "bool": False}.get(kind, 0)
    return {}

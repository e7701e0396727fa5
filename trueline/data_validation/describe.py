"""Anomalies in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import anomalies_pb2

__all__ = ["describe_anomalies"]


def describe_anomalies(anomalies: anomalies_pb2.Anomalies) -> list[str]:
    """One line for each anomaly, features in order of their paths, the dataset as a whole first.

    >>> from tensorflow_metadata.proto.v0 import anomalies_pb2
    >>> describe_anomalies(anomalies_pb2.Anomalies(data_missing=True))
    ['The dataset has no examples.']
    """
    lines = ["The dataset has no examples."] if anomalies.data_missing else []
    lines += [f"Dataset: {_text(reason)}" for reason in anomalies.dataset_anomaly_info.reason]
    for name in sorted(anomalies.anomaly_info):
        info = anomalies.anomaly_info[name]
        reasons = [_text(reason) for reason in info.reason] or [info.description or info.short_description]
        lines += [f"Feature {name!r}: {text}" for text in reasons]
    return lines


def _text(reason: anomalies_pb2.AnomalyInfo.Reason) -> str:
    return str(reason.description or reason.short_description)

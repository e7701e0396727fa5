"""Anomalies after the fact: without some types, and as slices of the data that have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import anomalies_pb2

__all__ = ["anomaly_slices", "get_anomalies_slicer", "remove_anomaly_types"]


def remove_anomaly_types(anomalies: anomalies_pb2.Anomalies, types_to_remove: Iterable[str | int]) -> None:
    """Takes reasons of some types out of anomalies, in place; a feature without reasons goes altogether.

    What remains of a feature is described anew from the remaining reasons; its severity stays.

    Args:
        anomalies: changed.
        types_to_remove: names or numbers of `AnomalyInfo.Type`.

    Raises:
        ConfigError: naming every type that there is not.
    """
    numbers = _numbers(types_to_remove)
    for key in list(anomalies.anomaly_info):
        if not _strip(anomalies.anomaly_info[key], numbers):
            del anomalies.anomaly_info[key]
    if anomalies.HasField("dataset_anomaly_info") and not _strip(anomalies.dataset_anomaly_info, numbers):
        anomalies.ClearField("dataset_anomaly_info")


def _numbers(types: Iterable[str | int]) -> set[int]:
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    known = anomalies_pb2.AnomalyInfo.Type
    given = list(types)
    problems = [
        f"{item!r}: {did_you_mean(str(item), known.keys())}"
        for item in given
        if item not in (known.keys() if isinstance(item, str) else known.values())
    ]
    if problems:
        raise ConfigError("there are no such types of anomaly", problems=problems)
    return {int(known.Value(item)) if isinstance(item, str) else int(item) for item in given}


def _strip(info: Any, numbers: set[int]) -> bool:
    """Whether reasons remain."""
    kept = [reason for reason in info.reason if reason.type not in numbers]
    if len(kept) == len(info.reason):
        return True
    copies = [type(reason).FromString(reason.SerializeToString()) for reason in kept]
    del info.reason[:]
    info.reason.extend(copies)
    info.description = " ".join(reason.description for reason in copies)
    info.short_description = copies[0].short_description if len(copies) == 1 else "Multiple errors"
    return bool(copies)


def anomaly_slices(anomalies: anomalies_pb2.Anomalies) -> list[str]:
    """The slices that data with these anomalies belong to: ``<feature>_<TYPE>``, in order, each once."""
    found = [
        f"{name}_{info.Type.Name(reason.type)}"
        for name, info in sorted(anomalies.anomaly_info.items())
        for reason in info.reason
    ]
    return list(dict.fromkeys(found))


def get_anomalies_slicer(
    anomalies: anomalies_pb2.Anomalies,
) -> Callable[[pa.RecordBatch], Iterator[tuple[str, pa.RecordBatch]]]:
    """A slice function that puts a batch into the slice of each of its anomalies, named ``<feature>_<TYPE>``."""
    keys = anomaly_slices(anomalies)

    def slicer(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
        for key in keys:
            yield key, batch

    return slicer

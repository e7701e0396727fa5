"""Statistics in several files, and one slice of several: finding, joining, picking."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from trueline._core import store
from trueline._core.errors import ArtifactError, SchemaError, did_you_mean
from trueline.data_validation.attach import new_statistics

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["find_shards", "get_slice_stats", "join_statistics"]

_SHARD = re.compile(r"(?P<prefix>.*)-(?P<number>\d{5,})-of-(?P<count>\d{5,})(?P<suffix>(?:\.\w+)*)")


def find_shards(uri: str) -> list[str]:
    """The files of a sharded result, in the order of their numbers.

    Args:
        uri: a prefix, a folder, or a pattern.

    Raises:
        SchemaError: naming the shards that are missing.
        ArtifactError: when there is no such file.
    """
    folder, _, last = uri.rstrip("/").rpartition("/")
    if uri.endswith("/") or (last, True) in store.scan(folder or "."):
        folder, last, pattern = uri.rstrip("/"), "", "*-of-*"
    else:
        pattern = last if any(c in last for c in "*?[") else f"{last}-*-of-*"
    base = folder or ("/" if uri.startswith("/") else ".")
    names = [name for name in store.listdir(base) if fnmatchcase(name, pattern)] if store.exists(base) else []
    found = [(match, name) for name in names if (match := _SHARD.fullmatch(name))]
    if not found:
        raise ArtifactError(f"no file is called {pattern} there", where=base)
    groups: dict[tuple[str, int, str], set[int]] = {}
    for match, _ in found:
        groups.setdefault((match["prefix"], int(match["count"]), match["suffix"]), set()).add(int(match["number"]))
    problems = [
        f"{prefix}-{number:05}-of-{count:05}{suffix}"
        for (prefix, count, suffix), numbers in sorted(groups.items())
        for number in range(count)
        if number not in numbers
    ]
    if problems:
        raise SchemaError("shards of the statistics are missing", where=base, problems=problems)
    ordered = sorted(found, key=lambda item: (item[0]["prefix"], int(item[0]["number"])))
    return [store.join(base, name) for _, name in ordered]


def join_statistics(
    parts: Iterable[statistics_pb2.DatasetFeatureStatisticsList],
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Lists whose datasets and features belong together, joined by the datasets' names and the features' paths.

    Shards share out features (and datasets); the figures of one feature are in one of them. The number of examples
    is the same in all shards of a dataset that give it.

    Raises:
        SchemaError: when shards of one dataset disagree about the number of examples.
    """

    from trueline.data_validation.merging import merge_parts

    by_name: dict[str, list[statistics_pb2.DatasetFeatureStatistics]] = {}
    for part in parts:
        for dataset in part.datasets:
            by_name.setdefault(dataset.name, []).append(dataset)
    joined = new_statistics()
    for name, datasets in by_name.items():
        counts = sorted({dataset.num_examples for dataset in datasets if dataset.num_examples})
        if len(counts) > 1:
            raise SchemaError(f"shards of dataset {name!r} have {counts} examples", hint="they are of several results.")
        joined.datasets.append(merge_parts(datasets))
    return joined


def get_slice_stats(
    statistics: statistics_pb2.DatasetFeatureStatisticsList, slice_key: str
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """The statistics of one slice, as a list of one dataset.

    Args:
        statistics: sliced statistics.
        slice_key: the slice's name, such as ``All Examples`` or ``country_US``.

    Raises:
        SchemaError: naming the slices that there are, if it is none of them.
    """

    for dataset in statistics.datasets:
        if dataset.name == slice_key:
            result = new_statistics()
            result.datasets.append(dataset)
            return result
    names = [dataset.name for dataset in statistics.datasets]
    raise SchemaError(f"the statistics have no slice {slice_key!r}", hint=did_you_mean(slice_key, names))

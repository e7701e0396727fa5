"""What a user may hand to the stand-alone functions: a table, a DataFrame, a dataset, files, Examples of a pipeline."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from trueline._core import store
from trueline._core.errors import ConfigError
from trueline._core.rowid import ROW_COLUMN
from trueline._core.values import widen
from trueline.data.source import SourceSpec
from trueline.engine.base import Dataset

__all__ = ["has_own_rows", "opened"]

_SPLIT = "all"
_SOURCES = {
    "csv": "trueline.data.csv_source:CsvSource",
    "tsv": "trueline.data.csv_source:CsvSource",
    "jsonl": "trueline.data.jsonl_source:JsonlSource",
    "json": "trueline.data.jsonl_source:JsonlSource",
    "avro": "trueline.data.avro_source:AvroSource",
    "tfrecord": "trueline.data.tfrecord_source:TfRecordSource",
}
_PACKED = (".gz", ".bz2", ".zst")
_NUMBERED = b"trueline.numbered"
"""Metadata of a schema whose ``__row__`` was made while the file was read."""


@contextlib.contextmanager
def opened(data: Any) -> Iterator[Dataset]:
    """The data as a dataset of blocks, for as long as the context lasts.

    Args:
        data: a `Dataset`; an Arrow table, batch or reader, or a DataFrame of pandas or polars; a `pyarrow.dataset`; a
            Parquet file, folder or list of files; Examples of a pipeline (a folder; with ``folder#split`` one of its
            splits, by default ``train``); a CSV, TSV, JSONL, Avro or TFRecord file; or a `trueline.data.SourceSpec`,
            for sources that need options. What is no Parquet is written as Parquet to a temporary folder first, which
            ends with the context.

    Raises:
        ConfigError: something else, or files of no known kind.
        DataError: files that are not there or cannot be read.
    """
    if isinstance(data, Dataset):
        yield data
    elif isinstance(data, str | os.PathLike):
        with _of_path(os.fspath(data)) as dataset:
            yield dataset
    elif isinstance(data, SourceSpec):
        with tempfile.TemporaryDirectory(prefix="trueline-") as place:
            yield _ingested(data, place)
    elif isinstance(data, list | tuple) and data and all(isinstance(d, str | os.PathLike) for d in data):
        yield Dataset.from_parquet([os.fspath(d) for d in data])
    elif hasattr(data, "files") and hasattr(data, "to_table"):  # a pyarrow.dataset of files
        yield _of_arrow_dataset(data)
    elif hasattr(data, "to_table"):
        yield _of_table(data.to_table())
    else:
        yield _of_table(data)


def _of_arrow_dataset(data: Any) -> Dataset:
    if type(data.format).__name__ == "ParquetFileFormat":
        return Dataset.from_parquet(list(data.files))
    return _of_table(data.to_table())


def _of_table(data: Any) -> Dataset:
    import pyarrow as pa

    from trueline.data import to_arrow_table

    table = data if isinstance(data, pa.Table) else to_arrow_table(data)
    batches = [widen(batch) for batch in table.to_batches()]
    empty = widen(pa.RecordBatch.from_pylist([], schema=table.schema))
    return Dataset.from_table(pa.Table.from_batches(batches, empty.schema))


@contextlib.contextmanager
def _of_path(location: str) -> Iterator[Dataset]:
    from trueline.data import Examples

    folder, _, split = location.partition("#")
    if store.exists(store.join(folder, "examples.json")):
        examples = Examples.open(folder)
        yield examples.dataset(split or ("train" if "train" in examples.splits else examples.splits[0]))
        return
    kind = _kind(location)
    if kind == "parquet":
        yield Dataset.from_parquet(_parquet_files(location))
        return
    if kind not in _SOURCES:
        raise ConfigError(
            f"{location!r} is a file of no kind that is known here",
            hint=f"endings: parquet, {', '.join(sorted(_SOURCES))}; or say how to read it: "
            f"trueline.data.SourceSpec({_SOURCES['csv']!r}, {{'input_base': {location!r}}}); or give an Arrow table.",
        )
    with tempfile.TemporaryDirectory(prefix="trueline-") as place:
        yield _ingested(SourceSpec(_SOURCES[kind], {"input_base": location}), place)


def _kind(location: str) -> str:
    name = location.rstrip("/").lower()
    if _is_folder(location):
        names = store.listdir(location)
        name = next((n.lower() for n in sorted(names) if not n.startswith((".", "_"))), "")
    for ending in _PACKED:
        name = name.removesuffix(ending)
    return name.rpartition(".")[2]


def _is_folder(location: str) -> bool:
    return bool(store.listdir(location)) and not location.lower().endswith((".parquet", *_PACKED))


def _parquet_files(location: str) -> list[str]:
    if not _is_folder(location):
        return [location]
    return [store.join(location, n) for n in sorted(store.listdir(location)) if n.endswith(".parquet")]


def _ingested(source: SourceSpec, place: str) -> Dataset:
    from trueline.data import Examples, ingest

    ingest(source, place, splits=[(_SPLIT, 1)])
    dataset = Examples.open(place).dataset(_SPLIT)
    return replace(dataset, arrow_schema=dataset.arrow_schema.with_metadata({_NUMBERED: b"1"}))


def has_own_rows(dataset: Dataset) -> bool:
    """Whether ``__row__`` is a column of the user's data, not one that reading a file has made."""
    return ROW_COLUMN in dataset.columns and _NUMBERED not in (dataset.arrow_schema.metadata or {})

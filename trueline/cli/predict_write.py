"""Predictions as one file: Parquet, CSV, TSV or JSON lines, whole or not at all."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.models import Predictions

__all__ = ["check_target", "write_predictions"]

_KINDS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def check_target(out: str, force: bool) -> str:
    """The kind of result by its ending: ``parquet``, ``csv``, ``tsv``, ``jsonl`` or ``folder``.

    Raises:
        ConfigError: an ending of no known kind, or something is there already.
    """
    name = out.rstrip("/").rsplit("/", 1)[-1]
    ending = os.path.splitext(name)[1].lower()
    if out.endswith("/") or not ending:
        if store.listdir(out):
            raise ConfigError("the folder is not empty", where=out, hint="give a folder of its own.")
        return "folder"
    if ending not in _KINDS:
        raise ConfigError(f"no kind of result ends in {ending!r}", hint=f"endings: {' '.join(_KINDS)}, or a folder.")
    if store.exists(out) and not force:
        raise ConfigError("the file is there already", where=out, hint="give --force to replace it.")
    return _KINDS[ending]


def write_predictions(predictions: Predictions, out: str, kind: str) -> None:
    """Writes all splits one after the other.

    Raises:
        DataError: a column that a table of text cannot hold.
    """
    with store.writing(out) as handle:
        _WRITERS[kind](predictions, handle)


def _parquet(predictions: Predictions, handle: IO[bytes]) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(handle, predictions.arrow_schema, compression="zstd") as writer:
        for batch in predictions.batches():
            writer.write_batch(batch)


def _csv(predictions: Predictions, handle: IO[bytes], delimiter: str = ",") -> None:
    import pyarrow as pa
    from pyarrow import csv

    options = csv.WriteOptions(delimiter=delimiter)
    empty = _flat(pa.RecordBatch.from_pylist([], predictions.arrow_schema), predictions)
    with csv.CSVWriter(handle, empty.schema, write_options=options) as writer:
        for batch in predictions.batches():
            writer.write_batch(_flat(batch, predictions))


def _tsv(predictions: Predictions, handle: IO[bytes]) -> None:
    _csv(predictions, handle, "\t")


def _jsonl(predictions: Predictions, handle: IO[bytes]) -> None:
    for batch in predictions.batches():
        for row in batch.to_pylist():
            handle.write((_json_line(row) + "\n").encode())


def _json_line(row: dict[str, Any]) -> str:
    """A row as JSON; NaN and the infinities, which JSON has no words for, are null."""
    try:
        return json.dumps(row, ensure_ascii=False, default=_json_value, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(row), ensure_ascii=False, default=_json_value)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _json_value(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise DataError(f"JSON cannot hold a {type(value).__name__}", hint="write Parquet.")


def _flat(batch: pa.RecordBatch, predictions: Predictions) -> pa.RecordBatch:
    """Several numbers a row as columns: ``probabilities_Adelie``, ``embedding_0``."""
    import pyarrow as pa
    import pyarrow.types as t

    names: list[str] = []
    arrays: list[Any] = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if t.is_list(column.type) or t.is_binary(column.type):
            raise DataError(f"column {name!r} is {column.type}, which no cell holds", hint="write .jsonl or .parquet.")
        if not t.is_fixed_size_list(column.type):
            names.append(name)
            arrays.append(column)
            continue
        size = column.type.list_size
        classes = predictions.model.get("classes") or []
        labels = classes if len(classes) == size else range(size)
        flat = column.flatten() if not column.null_count else column.fill_null([None] * size).flatten()
        names += [f"{name}_{label}" for label in labels]
        arrays += [flat.take(pa.array(range(i, len(flat), size), pa.int64())) for i in range(size)]
    return pa.RecordBatch.from_arrays(arrays, names)


_WRITERS: dict[str, Callable[[Any, IO[bytes]], None]] = {
    "parquet": _parquet,
    "csv": _csv,
    "tsv": _tsv,
    "jsonl": _jsonl,
}

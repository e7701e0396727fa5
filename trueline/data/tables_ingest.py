"""A table in memory becomes Examples, as any file does."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueline._core.errors import DataError
from trueline._core.manifest import file_sha256
from trueline.data.ingestion import ingest
from trueline.data.params import known_options
from trueline.data.source import SourceBatch, SourceSpec
from trueline.data.tables import TableBatches, table_batches

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.data.report import IngestReport

__all__ = ["ArrowFileSource", "ingest_table"]


class ArrowFileSource:
    """Rows of one Arrow file (IPC) in the contract's types; one part.

    Args:
        path: the local file.
        label: what people call it; the file's name by default.
    """

    def __init__(self, path: str, label: str | None = None) -> None:
        self._path, self._label = path, label or Path(path).name

    def parts(self) -> tuple[str, ...]:
        """The label."""
        return (self._label,)

    def fingerprint(self) -> str:
        """The file's sha256."""
        return file_sha256(self._path)

    def schema(self) -> pa.Schema:
        """The file's columns.

        Raises:
            DataError: no Arrow file.
            SchemaError: columns outside the value contract.
        """
        import pyarrow as pa

        from trueline.engine.blocks import widened_schema

        try:
            with pa.memory_map(self._path) as mapped, pa.ipc.open_file(mapped) as reader:
                return widened_schema(reader.schema, self._label)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"this is no readable Arrow file: {error}", where=self._label) from error

    def read(self, part: int, schema: pa.Schema) -> Iterator[SourceBatch]:
        """The file's rows.

        Raises:
            DataError: when the file is damaged.
        """
        import pyarrow as pa

        try:
            with pa.memory_map(self._path) as mapped, pa.ipc.open_file(mapped) as reader:
                for number in range(reader.num_record_batches):
                    found = table_batches(reader.get_batch(number))
                    for batch in found:
                        yield SourceBatch(batch.cast(schema))
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"the file cannot be read: {error}", where=self._label) from error


@known_options(ingest)
def ingest_table(table: Any, uri: str, *, nan_is_missing: bool = True, **options: Any) -> IngestReport:
    """Writes the rows of a table in memory as Examples.

    The rows go through an Arrow file in the folder for temporary files, so that a stream larger than memory and worker
    processes will do.

    Args:
        table: a pandas or polars DataFrame, a pyarrow Table, a duckdb relation; see `table_batches`.
        uri: the folder of the Examples.
        nan_is_missing: whether NaN in pandas' float columns on numpy is missing.
        **options: splits, filter, engine and the other options of `trueline.data.ingestion.ingest`.

    Raises:
        DataError: what is no table, or an object column of several types, naming column and row.
        SchemaError: columns or values outside the value contract.
        ConfigError: options that are wrong.
    """
    found = table_batches(table, nan_is_missing=nan_is_missing)
    with tempfile.TemporaryDirectory(prefix="trueline-table-") as folder:
        path = str(Path(folder) / "table.arrow")
        _spill(found, path)
        return ingest(SourceSpec(f"{__name__}:ArrowFileSource", {"path": path, "label": "table"}), uri, **options)


def _spill(found: TableBatches, path: str) -> None:
    import pyarrow as pa

    with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, found.schema) as writer:
        for batch in found:
            writer.write_batch(batch)

"""Writing Examples: rows are gathered to full blocks, each block is one Parquet row group.

What a file holds depends on its rows alone, not on how they came: equal rows give equal bytes. Files are written under
a name of their attempt and renamed when they are whole, so a killed attempt leaves nothing that a reader could take.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from trueline._core import store
from trueline._core.errors import ConfigError, DataError
from trueline._core.rowid import ROW_COLUMN, row_ids
from trueline.data.examples import StoredBlock, write_examples_json
from trueline.data.splits import check_split_name
from trueline.engine.base import DEFAULT_BLOCK_ROWS
from trueline.engine.blocks import CONTRACT_MARK

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ExamplesWriter", "PartWriter", "remove_strays"]


class PartWriter:
    """One Parquet file of full blocks; also a context manager, which finishes the file or, after an error, drops it.

    Args:
        uri: the artifact's folder.
        name: the file's name below it.
        schema: the rows' schema.
        block_rows: rows of every block but the last.
    """

    def __init__(self, uri: str, name: str, schema: pa.Schema, block_rows: int) -> None:
        self._target = store.join(uri, name)
        self._name = name
        self._schema = schema
        self._block_rows = block_rows
        self._buffer: list[pa.RecordBatch] = []
        self._buffered = 0
        self._counts: list[int] = []
        self._writer: Any = None
        self._sink: Any = None
        self._temporary: str | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Takes in rows; full blocks go to disk."""
        self._buffer.append(batch)
        self._buffered += batch.num_rows
        while self._buffered >= self._block_rows:
            self._flush(self._block_rows)

    def write_block(self, batch: pa.RecordBatch) -> None:
        """Writes rows as a block of their own, whatever their number."""
        self._buffer.append(batch)
        self._buffered += batch.num_rows
        self._flush(self._buffered)

    def close(self) -> list[int]:
        """Finishes the file and gives the row count of each of its blocks; without rows no file is made."""
        if self._buffered:
            self._flush(self._buffered)
        if self._writer is not None:
            self._writer.close()
            self._sink.close()
            if self._temporary is not None:
                os.replace(self._temporary, store.local_path(self._target))
            self._writer = self._sink = self._temporary = None
        return self._counts

    def abort(self) -> None:
        """Drops what was written."""
        if self._sink is not None:
            self._sink.drop()
        for part in (self._writer, self._sink):
            if part is not None:
                with contextlib.suppress(Exception):
                    part.close()
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)
        elif self._sink is not None:
            with contextlib.suppress(Exception):
                store.remove_tree(self._target)
        self._writer = self._sink = self._temporary = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            self.abort()  # nothing is left to drop after a close that succeeded

    def blocks(self) -> list[StoredBlock]:
        """The file's blocks, numbered from 0."""
        return [StoredBlock(i, self._name, i, rows) for i, rows in enumerate(self._counts)]

    def _flush(self, rows: int) -> None:
        import pyarrow as pa

        table = pa.Table.from_batches(self._buffer, schema=self._schema)
        block, rest = table.slice(0, rows).combine_chunks(), table.slice(rows)
        self._buffer = rest.to_batches()
        self._buffered = rest.num_rows
        if self._writer is None:
            self._open()
        self._writer.write_table(block, row_group_size=max(rows, 1))
        self._counts.append(rows)

    def _open(self) -> None:
        import pyarrow.parquet as pq
        import pyarrow.types as t

        if store.is_local(self._target):
            path = store.local_path(self._target)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._temporary = str(path.with_name(f".{path.name}.{uuid.uuid4().hex}"))
            self._sink = _Sink(open(self._temporary, "wb"))  # noqa: SIM115 - closed by close() and abort()
        else:
            self._sink = _Sink(store.open_uri(self._target, "wb"))
        self._writer = pq.ParquetWriter(
            self._sink,
            self._schema.with_metadata({CONTRACT_MARK: b"1"}),
            compression="zstd",
            compression_level=1,
            use_dictionary=[f.name for f in self._schema if t.is_string(f.type) and "." not in f.name],
            write_statistics=False,
            store_schema=True,
        )


class _Sink:
    """An open file that can be told to take no more: Arrow's writer writes on when it is collected.

    What fails there fails in the collector, in the middle of anything.
    """

    def __init__(self, handle: Any) -> None:
        self._handle, self._dropped = handle, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handle, name)

    def write(self, data: Any) -> int:
        return memoryview(data).nbytes if self._dropped else int(self._handle.write(data))

    def flush(self) -> None:
        if not self._dropped:
            self._handle.flush()

    def drop(self) -> None:
        self._dropped = True


class ExamplesWriter:
    """Writes Examples from one process: ``write`` any number of times, then ``close``; also a context manager.

    Args:
        uri: the artifact's folder.
        arrow_schema: the columns. Without ``__row__`` the writer adds it, counting rows from 0 in the order written.
        sources: what the rows came from, in the order of the source numbers in ``__row__``.
        block_rows: rows of a block.
        splits: splits that must exist even when no row is written to them.

    Raises:
        ConfigError: for a block size below one or a bad split name.
        SchemaError: for columns outside the value contract.
    """

    def __init__(
        self,
        uri: str,
        arrow_schema: pa.Schema,
        sources: Sequence[Mapping[str, Any]] = (),
        block_rows: int = DEFAULT_BLOCK_ROWS,
        *,
        splits: Sequence[str] = (),
    ) -> None:
        if block_rows < 1:
            raise ConfigError(f"block_rows is {block_rows}", hint="give at least one.")
        import pyarrow as pa

        from trueline._core.values import widened_type

        self._uri = uri
        self._adds_rows = ROW_COLUMN not in arrow_schema.names
        fields = [pa.field(f.name, _kept_type(f.type, widened_type)) for f in arrow_schema]
        self._input_names = [f.name for f in fields]
        if self._adds_rows:
            fields.append(pa.field(ROW_COLUMN, pa.int64()))
        self._schema = pa.schema(fields)
        self._sources = list(sources)
        self._block_rows = block_rows
        self._parts: dict[str, PartWriter] = {}
        self._row = 0
        for split in splits:
            self._part(split)

    def _part(self, split: str) -> PartWriter:
        if split not in self._parts:
            problem = check_split_name(split)
            if problem:
                raise ConfigError(problem)
            name = f"Split-{split}/part-00000.parquet"
            self._parts[split] = PartWriter(self._uri, name, self._schema, self._block_rows)
        return self._parts[split]

    def write(self, split: str, batch: pa.RecordBatch) -> None:
        """Adds rows to a split.

        Raises:
            DataError: when the columns are others than the writer's.
        """
        import pyarrow as pa

        if batch.schema.names != self._input_names:
            raise DataError(
                "the batch has other columns than the Examples",
                where=f"split {split}",
                problems=[f"Examples: {self._input_names}", f"batch: {batch.schema.names}"],
            )
        columns = []
        for column, target in zip(batch.columns, self._schema, strict=False):
            try:
                columns.append(column if column.type == target.type else column.cast(target.type))
            except pa.ArrowException as error:
                raise DataError(
                    f"column {target.name!r} is {column.type}, the Examples hold {target.type}: {error}",
                    where=f"split {split}",
                ) from error
        if self._adds_rows:
            columns.append(row_ids(0, self._row, batch.num_rows))
            self._row += batch.num_rows
        self._part(split).write(pa.RecordBatch.from_arrays(columns, schema=self._schema))

    def close(self) -> None:
        """Finishes all files and writes ``examples.json``."""
        for part in self._parts.values():
            part.close()
        write_examples_json(self._uri, self._schema, self._sources, {s: p.blocks() for s, p in self._parts.items()}, {})

    def __enter__(self) -> ExamplesWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is None:
            self.close()
        else:
            for part in self._parts.values():
                part.abort()


def _kept_type(arrow_type: pa.DataType, widened_type: Any) -> pa.DataType:
    """The contract's type; float32 stays, since transform outputs may be so."""
    import pyarrow.types as t

    if t.is_float32(arrow_type):
        return arrow_type
    if (t.is_list(arrow_type) or t.is_fixed_size_list(arrow_type)) and t.is_float32(arrow_type.value_type):
        return arrow_type
    return widened_type(arrow_type)


def remove_strays(uri: str, folders: Sequence[str], winners: set[str]) -> None:
    """Removes files that no attempt's result names: what killed or repeated attempts left."""
    for folder in folders:
        for name in store.listdir(store.join(uri, folder)):
            if f"{folder}/{name}" not in winners:
                store.remove_tree(store.join(uri, folder, name))

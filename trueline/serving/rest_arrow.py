"""Rows in bulk: Arrow IPC and Parquet bodies to arrays, and predictions as Arrow, Parquet or JSON.

pyarrow is imported when the first such request comes. What a body declares of itself, rows and unpacked bytes, is
compared with the server's limits before anything is unpacked; then every value is validated, so that damaged offsets
or text reach nobody.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import FeedError, did_you_mean
from trueline._core.runtime import ModelRuntime
from trueline._core.values import HIDDEN_PREFIX
from trueline.serving.arrow_columns import fitted_table, table_of_outputs
from trueline.serving.arrow_sizes import IpcSize, file_sizes, message_size
from trueline.serving.errors import Code, RequestError
from trueline.serving.options import ServerOptions
from trueline.serving.parquet_sizes import DELTA_BYTE_ARRAY, pages
from trueline.serving.predict import check_rows, refusal
from trueline.serving.rest_formats import MEDIA_TYPES, Formats
from trueline.serving.rest_reply import COLUMNS, Parsed, Reply
from trueline.serving.service import Answered

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = ["parse_table"]

_MOST_PARTS = 100_000
"""Messages of an Arrow body, or pages of a Parquet one."""
_PADDING = 100
"""Bytes that a reader looks at beyond a column of old writers, which gave its length too small."""


def parse_table(runtime: ModelRuntime, body: bytes, options: ServerOptions, formats: Formats) -> Parsed:
    """The data of a request body.

    Raises:
        RequestError: 400, naming column, expected and got, or why the body is no table; 413, for one that is larger
            than it looks; 501, where pyarrow is not installed.
        ModelError: a host step of the model failed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq  # noqa: F401 - imported here so that answers find it there
    except ImportError:
        raise RequestError(
            Code.UNIMPLEMENTED,
            f"{MEDIA_TYPES[formats.given].decode()} needs pyarrow, which is not installed where this server runs",
            hint="pip install pyarrow there, or send JSON.",
        ) from None
    broken = (pa.ArrowException, OSError, ValueError, LookupError, OverflowError, TypeError, struct.error)
    try:
        table = _READERS[formats.given](body, runtime, options)
        table.validate(full=True)
    except MemoryError:
        raise _too_large("it does not fit into memory") from None
    except broken as error:
        media = MEDIA_TYPES[formats.given].decode()
        raise RequestError(Code.INVALID_ARGUMENT, f"the body is not {media}: {str(error)[:300]}") from None
    check_rows(table.num_rows, options)
    graph = runtime.graph
    try:
        arrays = graph.arrays_from_arrow(fitted_table(graph.raw.features, table, options))
    except FeedError as error:
        raise refusal(error) from None
    return Parsed(graph.feeds.pack_arrays(arrays, table.num_rows), table.num_rows, _REPLIES[formats.wanted])


def _names(runtime: ModelRuntime, names: Sequence[str]) -> list[str]:
    """The columns that the model reads; the line's own, which begin with ``__``, are passed over."""
    known = runtime.graph.raw.by_name
    wanted = [n for n in names if n in known]
    strange = [n for n in names if n not in known and not n.startswith(HIDDEN_PREFIX)]
    problems = [f"unknown field {n!r}" for n in strange]
    problems += [f"field {n!r} is there twice" for n in sorted({n for n in wanted if wanted.count(n) > 1})]
    if problems:
        hint = did_you_mean(strange[0], known) if strange else None
        raise RequestError(
            Code.INVALID_ARGUMENT, "the data does not fit the model's signature", hint=hint, problems=problems[:20]
        )
    return wanted


class _Budget:
    """What a body may declare, summed up part by part."""

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._rows = self._bytes = self._parts = self._cells = 0

    def spend(self, *, rows: int = 0, unpacked: int = 0, cells: int = 0) -> None:
        self._rows += rows
        self._bytes += unpacked
        self._cells += cells
        self._parts += 1
        if self._rows:
            check_rows(self._rows, self._options)
        if self._bytes > self._options.max_body_bytes:
            raise _too_large(f"unpacked it has more than {self._options.max_body_bytes} bytes")
        if self._cells > self._options.max_cells:
            raise _too_large(f"its lists have more than {self._options.max_cells} values")
        if self._parts > _MOST_PARTS:
            raise _too_large(f"it has more than {_MOST_PARTS} parts")


def _stream(body: bytes, runtime: ModelRuntime, options: ServerOptions) -> pa.Table:
    import pyarrow as pa

    budget = _Budget(options)
    for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(body)):
        size = message_size(memoryview(message.metadata), memoryview(message.body or b""))
        budget.spend(rows=size.rows, unpacked=size.unpacked)
    with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
        schema = reader.schema
    with pa.ipc.open_stream(pa.py_buffer(body), options=_read_options(runtime, schema)) as reader:
        return reader.read_all()


def _file(body: bytes, runtime: ModelRuntime, options: ServerOptions) -> pa.Table:
    import pyarrow as pa

    budget = _Budget(options)
    sizes: list[IpcSize] = []
    for size in file_sizes(memoryview(body)):
        budget.spend(rows=size.rows, unpacked=size.unpacked)
        sizes.append(size)
    with pa.ipc.open_file(pa.py_buffer(body)) as reader:
        schema = reader.schema
    with pa.ipc.open_file(pa.py_buffer(body), options=_read_options(runtime, schema)) as reader:
        return reader.read_all()


def _read_options(runtime: ModelRuntime, schema: pa.Schema) -> Any:
    import pyarrow as pa

    wanted = set(_names(runtime, schema.names))
    places = [i for i, name in enumerate(schema.names) if name in wanted]
    return pa.ipc.IpcReadOptions(use_threads=False, included_fields=places or None)


def _parquet(body: bytes, runtime: ModelRuntime, options: ServerOptions) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    limits = {"thrift_string_size_limit": len(body), "thrift_container_size_limit": len(body)}
    opened = pq.ParquetFile(pa.BufferReader(body), **limits)
    metadata = opened.metadata
    if metadata.num_rows > options.max_rows:
        check_rows(metadata.num_rows, options)
    leaves = [metadata.schema.column(i) for i in range(metadata.num_columns)]
    wanted = _names(runtime, opened.schema_arrow.names)
    budget = _Budget(options)
    below = tuple(name + "." for name in wanted)
    read = [i for i, leaf in enumerate(leaves) if leaf.path in wanted or leaf.path.startswith(below)]
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for i in read:
            _spend_chunk(budget, memoryview(body), row_group.column(i), leaves[i], row_group.num_rows)
    texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    file = pq.ParquetFile(pa.BufferReader(body), read_dictionary=texts, **limits)
    return file.read(columns=[leaves[i].path for i in read], use_threads=False)


def _spend_chunk(
    budget: _Budget, data: memoryview, chunk: pq.ColumnChunkMetaData, leaf: pq.ColumnSchema, rows: int
) -> None:
    start = chunk.data_page_offset
    if chunk.has_dictionary_page and chunk.dictionary_page_offset and 0 < chunk.dictionary_page_offset < start:
        start = chunk.dictionary_page_offset
    end = min(start + chunk.total_compressed_size + _PADDING, len(data))
    listed = leaf.max_repetition_level > 0
    if not listed and chunk.num_values != rows:
        raise ValueError(f"column {leaf.path!r} has {chunk.num_values} values in {rows} rows")
    width = leaf.length if leaf.physical_type == "FIXED_LEN_BYTE_ARRAY" else 0
    for page in pages(data, start, end, chunk.num_values):
        if page.encoding == DELTA_BYTE_ARRAY:
            raise RequestError(
                Code.INVALID_ARGUMENT,
                f"column {leaf.path!r} has the encoding DELTA_BYTE_ARRAY, whose size nobody can tell beforehand",
                hint="write it with another encoding; the common libraries do so by default.",
            )
        if not listed and page.values > rows:
            raise ValueError(f"column {leaf.path!r} has a page of {page.values} values in {rows} rows")
        budget.spend(unpacked=page.unpacked + max(width, 0) * page.values, cells=page.values if listed else 0)


_READERS: Mapping[str, Callable[[bytes, ModelRuntime, ServerOptions], Any]] = {
    "stream": _stream,
    "file": _file,
    "parquet": _parquet,
}


def _too_large(why: str) -> RequestError:
    return RequestError(
        Code.RESOURCE_EXHAUSTED, f"the request body is too large: {why}", hint="send fewer rows.", status=413
    )


def _as_ipc(answered: Answered, writer: str) -> bytes:
    import pyarrow as pa

    table = table_of_outputs(answered.live.runtime.outputs, answered.outputs)
    sink = pa.BufferOutputStream()
    with getattr(pa.ipc, writer)(sink, table.schema) as out:
        out.write_table(table)
    made: bytes = sink.getvalue().to_pybytes()
    return made


def _as_stream(answered: Answered) -> bytes:
    return _as_ipc(answered, "new_stream")


def _as_file(answered: Answered) -> bytes:
    return _as_ipc(answered, "new_file")


def _as_parquet(answered: Answered) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table_of_outputs(answered.live.runtime.outputs, answered.outputs), sink)
    made: bytes = sink.getvalue().to_pybytes()
    return made


_REPLIES = {
    "json": COLUMNS,
    "stream": Reply(_as_stream, MEDIA_TYPES["stream"]),
    "file": Reply(_as_file, MEDIA_TYPES["file"]),
    "parquet": Reply(_as_parquet, MEDIA_TYPES["parquet"]),
}

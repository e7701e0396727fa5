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
from trueline.serving.parquet_sizes import DELTA_BYTE_ARRAY, DICTIONARY_ENCODINGS, Chunk, pages, read_footer
from trueline.serving.predict import check_rows, refusal
from trueline.serving.rest_formats import MEDIA_TYPES, Formats
from trueline.serving.rest_reply import COLUMNS, Parsed, Reply
from trueline.serving.service import Answered

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["parse_table"]

_MOST_PARTS = 100_000
"""Messages of an Arrow body, or pages of a Parquet one."""


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
    _names(runtime, table.schema.names)
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

    footer = read_footer(memoryview(body))
    check_rows(footer.rows, options)
    wanted = set(_names(runtime, footer.names))
    budget = _Budget(options)
    chunks = [chunk for chunk in footer.chunks if chunk.leaf.top in wanted]
    folded = {chunk.leaf.path for chunk in chunks if _spend_chunk(budget, memoryview(body), chunk)}
    limits = {"thrift_string_size_limit": len(body), "thrift_container_size_limit": len(body)}
    texts = sorted({chunk.leaf.path for chunk in chunks if chunk.leaf.text and chunk.leaf.path in folded})
    file = pq.ParquetFile(pa.BufferReader(body), read_dictionary=texts, **limits)
    columns = [*dict.fromkeys(chunk.leaf.path for chunk in chunks)]
    groups = range(file.num_row_groups)  # one by one: lists of folded text cannot be read in several pieces
    return pa.concat_tables([file.read_row_group(g, columns=columns, use_threads=False) for g in groups])


def _spend_chunk(budget: _Budget, data: memoryview, chunk: Chunk) -> bool:
    """Counts what a column's pages declare; whether they name values of a dictionary, which is to be kept as such."""
    folded = False
    for page in pages(data, chunk):
        folded = folded or page.encoding in DICTIONARY_ENCODINGS
        if page.encoding == DELTA_BYTE_ARRAY:
            raise RequestError(
                Code.INVALID_ARGUMENT,
                f"column {chunk.leaf.path!r} has the encoding DELTA_BYTE_ARRAY, whose size nobody can tell beforehand",
                hint="write it with another encoding; the common libraries do so by default.",
            )
        budget.spend(
            unpacked=page.unpacked + chunk.leaf.width * page.values, cells=page.values if chunk.leaf.listed else 0
        )
    return folded


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

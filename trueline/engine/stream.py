"""An accumulator over batches as they come: the same states and the same tree as an engine's, without blocks on disk.

Every batch is one block, numbered as it arrives. So batches cut as a dataset's blocks are give the bits that
`Engine.run` gives over that dataset.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from trueline._core.errors import EngineError, TruelineError
from trueline.engine.base import DEFAULT_BLOCK_ROWS, Accumulator, AccumulatorSpec
from trueline.engine.jobs import kept, loaded
from trueline.engine.tree import TreeMerge

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["reblock", "run_stream"]

R = TypeVar("R")


def reblock(batches: Iterable[pa.RecordBatch], rows: int = DEFAULT_BLOCK_ROWS) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of exactly `rows`, the last with what is left; batches without rows vanish.

    No more than `rows` rows are held beside the batch at hand. Dictionary columns are joined into one dictionary a
    batch.

    Raises:
        EngineError: for `rows` below 1.
    """
    if rows < 1:
        raise EngineError(f"blocks of {rows} rows cannot be cut", hint="give at least one row.")
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        start = 0
        while batch.num_rows - start:
            piece = batch.slice(start, rows - count)
            held.append(piece)
            start += piece.num_rows
            count += piece.num_rows
            if count == rows:
                yield _joined(held)
                held, count = [], 0
    if held:
        yield _joined(held)


def _joined(pieces: list[pa.RecordBatch]) -> pa.RecordBatch:
    import pyarrow as pa

    if len(pieces) == 1:
        return pieces[0]
    table = pa.Table.from_batches(pieces)
    if any(pa.types.is_dictionary(kind) for kind in table.schema.types):
        table = table.unify_dictionaries()
    arrays = [pa.concat_arrays(column.chunks) for column in table.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=table.schema) if arrays else _without_columns(table)


def _without_columns(table: pa.Table) -> pa.RecordBatch:
    """A batch of rows without columns; only a struct keeps their number."""
    import pyarrow as pa

    return pa.RecordBatch.from_struct_array(pa.array([{}] * table.num_rows, type=pa.struct([])))


def run_stream(spec: AccumulatorSpec[R], batches: Iterable[pa.RecordBatch], workers: int | None = None) -> R:
    """Runs an accumulator over batches, each one block, in threads.

    No more than ``2 * workers`` batches are held, whatever comes. An error of the batches or of the accumulator ends
    the run; `batches` is closed where it can be.

    Args:
        spec: the accumulator.
        batches: the blocks, in order.
        workers: threads beside the one that fetches batches; by default one for each usable processor.

    Raises:
        EngineError: naming the accumulator and the batch, when it fails for a reason of its own.
        TruelineError: whatever the batches or the accumulator raise on purpose.
    """
    from trueline.engine.local import usable_processors

    spec.to_json()
    count = usable_processors() if workers is None else workers
    if count < 1:
        raise EngineError(f"{count} workers cannot run anything", hint="give at least one.")
    tree: TreeMerge[bytes | Accumulator[R], Accumulator[R]] = TreeMerge(_merge, partial(loaded, spec))
    with closing(_states(spec, batches, count)) as states:
        for position, state in enumerate(states):
            tree.add(position, state)
        merged = tree.finish()
        return (spec.new() if merged is None else merged).finish()


def _states(
    spec: AccumulatorSpec[R], batches: Iterable[pa.RecordBatch], workers: int
) -> Generator[bytes | Accumulator[R], None, None]:
    """One state a batch, in order; it holds on to nothing of the batch."""
    source = iter(batches)
    try:
        if workers == 1:
            for position, batch in enumerate(source):
                yield _state(spec, position, batch)
            return
        pending: deque[Future[bytes | Accumulator[R]]] = deque()
        with ThreadPoolExecutor(workers, thread_name_prefix="trueline") as threads:
            try:
                for position, batch in enumerate(source):
                    pending.append(threads.submit(_state, spec, position, batch))
                    if len(pending) >= 2 * workers:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        close: Any = getattr(source, "close", None)
        if close is not None:
            close()


def _state(spec: AccumulatorSpec[R], position: int, batch: pa.RecordBatch) -> bytes | Accumulator[R]:
    try:
        accumulator = spec.new()
        accumulator.update(batch)
        return kept(accumulator)
    except TruelineError:
        raise
    except Exception as error:
        raise EngineError(
            f"accumulator {spec.name} failed: {type(error).__name__}: {error}",
            where=f"batch {position} of {batch.num_rows} rows",
        ) from error


def _merge(left: Accumulator[R], right: Accumulator[R]) -> Accumulator[R]:
    left.merge(right)
    return left

"""A sample of raw rows that travels with the transform graph: what the parity gate compares on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trueline._core import store
from trueline._core.errors import ArtifactError

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.data import Examples

__all__ = ["SAMPLE_FILE", "read_sample", "write_sample"]

SAMPLE_FILE = "sample.parquet"
_BLOCKS = 8
_ROWS = 2048


def write_sample(examples: Examples, splits: Sequence[str], graph_uri: str, rows: int = _ROWS) -> None:
    """Writes about `rows` raw rows a split: evenly spaced rows of at most 8 evenly spaced blocks.

    Even spacing, not the first rows: files are often sorted, and the gate should see early and late values alike.
    """
    import pyarrow as pa
    import pyarrow.parquet

    taken: list[pa.RecordBatch] = []
    for split in splits:
        blocks = examples.dataset(split).blocks
        chosen = blocks[:: max(1, -(-len(blocks) // _BLOCKS))]
        share = -(-rows // max(len(chosen), 1))
        for block in chosen:
            batch = block.read()
            step = max(1, -(-batch.num_rows // share))
            taken.append(batch.take(pa.array(range(0, batch.num_rows, step), pa.int64())))
    table = pa.Table.from_batches(taken, examples.arrow_schema)
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink, compression="zstd")
    store.write_bytes(store.join(graph_uri, SAMPLE_FILE), sink.getvalue().to_pybytes())


def read_sample(graph_uri: str) -> pa.Table:
    """The sample of a transform graph.

    Raises:
        ArtifactError: when the graph has none.
    """
    import pyarrow as pa
    import pyarrow.parquet

    uri = store.join(graph_uri, SAMPLE_FILE)
    if not store.exists(uri):
        raise ArtifactError(
            "the transform graph brings no sample of raw rows",
            where=graph_uri,
            hint="it was not made by the Transform component: run that, so that the exported model can be checked.",
        )
    return pyarrow.parquet.read_table(pa.BufferReader(store.read_bytes(uri)))

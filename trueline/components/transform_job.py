"""One block transformed and written: the job that the engine hands to its workers."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from trueline._core.rowid import with_sources_from
from trueline.engine.base import Block

if TYPE_CHECKING:
    from trueline.transform import TransformOutput

__all__ = ["write_block"]


@lru_cache(maxsize=2)
def _graph(uri: str) -> TransformOutput:
    """A worker loads a graph once, not once a block; an artifact's URI never holds another graph."""
    from trueline.transform import TransformOutput

    return TransformOutput.load(uri)


def write_block(
    block: Block, *, graph_uri: str, uri: str, folder: str, first_source: int = 0, training: bool = False
) -> list[object]:
    """Transforms a block into ``<folder>/part-<block number>.parquet`` of one row group.

    The file gets its name only when it is whole, so an attempt that dies leaves nothing that a reader could take.

    Args:
        block: the raw rows.
        graph_uri: the transform graph.
        uri: the folder of the transformed examples.
        folder: the split's folder in it.
        first_source: the number that the rows' first source has among all; row ids get it added.
        training: whether the rows are of a split that was analysed.

    Returns:
        The file's name below `uri`, and its rows.
    """
    from trueline.data.writer import PartWriter

    batch = with_sources_from(_graph(graph_uri).transform(block.read(), training=training), first_source)
    name = f"{folder}/part-{block.number:05d}.parquet"
    with PartWriter(uri, name, batch.schema, max(batch.num_rows, 1)) as writer:
        writer.write(batch)
    return [name, batch.num_rows]

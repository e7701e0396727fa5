"""How many rows are worked on at a time: lists and vectors stand padded in memory, so wide rows come in small pieces.

The estimate is of bytes for each row, from the graph and from the longest text and list of the batch at hand. It
decides about memory alone: a row's values do not depend on the rows beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from trueline.transform.graph import Graph

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Pieces"]

_BUDGET = 128 << 20
"""Bytes that the padded values of a piece may take, about."""
_FEWEST = 16
_ALIVE = 4
"""So many vectors of the widest kind are in memory at once."""
_PER_CHARACTER = 24
"""Bytes that a tokeniser takes for each character of the longest text, measured."""
_CHARACTERS_A_TOKEN = 4
_PER_ELEMENT = 40
"""Bytes of one padded element: an object, a text of ONNX Runtime's own, or two numbers."""
_HOST_ELEMENT = 64
_HOST_LIST = 1024
"""Elements that a list of a host step is taken to have, since nothing is known of it before it runs."""


class Pieces:
    """Cuts batches for a graph.

    Args:
        graph: traced or bound.
        roots: the nodes that are computed.
    """

    def __init__(self, graph: Graph, roots: Iterable[int]) -> None:
        reached = graph.reachable(roots)
        nodes = [graph.nodes[i] for i in reached if not graph.nodes[i].type.constant]
        lists = [i for i in reached if graph.nodes[i].type.kind == "ragged"]
        names = graph.input_names(lists)
        dtypes = {f.name: f.dtype for f in graph.features}
        self._lists = len(lists)
        self._texts = [n for n in sorted(graph.raw_names(names)) if dtypes.get(n) == "utf8"]
        self._columns = [f.name for f in graph.features if f.kind == "ragged" and f.name in names]
        widest = max((n.type.size or 0 for n in nodes if n.type.kind == "fixed"), default=0)
        steps = graph.steps_for(graph.input_names(roots))
        host = [s.size or _HOST_LIST for s in steps if s.kind != "scalar"]
        self._fixed = widest * 8 * _ALIVE + sum(host) * _HOST_ELEMENT

    def rows(self, batch: pa.RecordBatch) -> int:
        """How many rows of the batch fit into the budget."""
        cost = self._fixed
        if self._lists:
            characters = max((_longest_text(batch, n) for n in self._texts), default=0)
            elements = max((_longest_list(batch, n) for n in self._columns), default=0)
            elements = max(elements, characters // _CHARACTERS_A_TOKEN)
            cost += characters * _PER_CHARACTER + elements * _PER_ELEMENT * self._lists
        return max(_FEWEST, _BUDGET // cost) if cost else max(batch.num_rows, 1)

    def of(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """The batch in pieces; an empty one is one piece."""
        rows = self.rows(batch)
        if rows >= batch.num_rows:
            yield batch
            return
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)


def _longest_text(batch: pa.RecordBatch, name: str) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    if name not in batch.schema.names:
        return 0
    column: Any = batch.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary
    if pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
        column = column.flatten()
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return 0
    return int(pc.max(pc.binary_length(column)).as_py() or 0)


def _longest_list(batch: pa.RecordBatch, name: str) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    if name not in batch.schema.names or not pa.types.is_list(batch.column(name).type):
        return 0
    return int(pc.max(pc.list_value_length(batch.column(name))).as_py() or 0)

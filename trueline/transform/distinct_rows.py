"""Which nodes can be computed on distinct texts or pairs of texts, and what the distinct rows of a batch are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.transform.codes import used_codes
from trueline.transform.graph import Graph

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Cuts", "Group", "cuts_of", "distinct_of", "distinct_rows", "groups_of"]

Group = tuple[str, ...]
"""One or two text columns, sorted by name."""


def groups_of(graph: Graph, roots: Iterable[int]) -> dict[int, Group]:
    """Per node that depends on one or two text columns alone: those columns."""
    reads: dict[int, frozenset[str]] = {}
    text: set[str] = set()
    for index in sorted(graph.reachable(roots)):
        node = graph.nodes[index]
        own = frozenset([str(node.attrs["name"])]) if node.op == "input" else frozenset()
        reads[index] = own.union(*(reads[i] for i in node.inputs))
        if node.op == "input" and node.type.dtype == "utf8" and node.type.kind == "scalar":
            text |= own
    return {
        index: tuple(sorted(columns))
        for index, columns in reads.items()
        if 1 <= len(columns) <= 2 and columns <= text and graph.nodes[index].op != "input"
    }


@dataclass(frozen=True)
class Cuts:
    """Nodes that are computed on distinct rows: read by nodes that run on all rows, or targets themselves."""

    inner: frozenset[int]
    ends: frozenset[int]


def cuts_of(graph: Graph, roots: Iterable[int], active: Mapping[int, Group]) -> Cuts:
    """The last nodes of active groups, seen from the targets."""
    ends = frozenset(i for i in roots if i in active)
    inner: set[int] = set()
    stack = [i for i in roots if i not in active]
    seen = set(stack)
    while stack:
        for i in graph.nodes[stack.pop()].inputs:
            if i in active:
                inner.add(i)
            elif i not in seen:
                seen.add(i)
                stack.append(i)
    return Cuts(frozenset(inner), ends)


def distinct_of(column: Any) -> tuple[pa.Array, npt.NDArray[Any]]:
    """Distinct values (null among them, if there is one) and each row's place among them."""
    import pyarrow as pa

    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(values.type):
        return used_codes(values)
    encoded = values.dictionary_encode(null_encoding="encode")
    return encoded.dictionary, encoded.indices.to_numpy(zero_copy_only=False)


def distinct_rows(
    group: Group, encoded: Sequence[tuple[pa.Array, npt.NDArray[Any]]], most: int
) -> tuple[pa.Table, npt.NDArray[Any]] | None:
    """A group's distinct rows and each row's place, or None if there are more than `most`."""
    import pyarrow as pa

    if any(len(values) > most for values, _ in encoded):
        return None
    first, places = encoded[0]
    if len(group) == 1:
        return pa.table({group[0]: first}), places
    second, others = encoded[1]
    pairs = pa.array(places.astype(np.int64) * len(second) + others).dictionary_encode()
    if len(pairs.dictionary) > most:
        return None
    codes = pairs.dictionary.to_numpy()
    columns = {
        group[0]: first.take(pa.array(codes // len(second))),
        group[1]: second.take(pa.array(codes % len(second))),
    }
    return pa.table(columns), pairs.indices.to_numpy()

"""Runs a bound graph over Arrow batches with ONNX Runtime, text columns on their distinct values only.

Whatever depends on one text column alone (a vocabulary, a hash) is computed on that column's distinct values and then
gathered; the same ONNX operations run either way, so the bits are the same. Where a column has nearly as many distinct
values as rows, its part runs on the rows directly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.feeds import Feeds
from trueline._core.runtime import make_session
from trueline._core.values import PRESENT, RawFeature
from trueline.transform.graph import Graph
from trueline.transform.lower_onnx import OUTPUT_PREFIX, Target, lower
from trueline.transform.operations.base import Value

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Executor"]

Arrays = dict[str, npt.NDArray[Any]]
_MOST_DISTINCT = 0.5
"""Above this share of distinct values in the rows, a text column's part runs on the rows."""
_FEWEST_ROWS = 256
"""Below this many rows the detour over distinct values costs more than it saves."""


@dataclass(frozen=True)
class _Part:
    """A session with the features that it reads and the tensors that it takes and gives."""

    session: Any
    feeds: Feeds
    takes: tuple[str, ...]
    gives: tuple[str, ...]

    def run(self, batch: pa.RecordBatch | pa.Table, given: Mapping[str, npt.NDArray[Any]]) -> Arrays:
        arrays = {**self.feeds.from_arrow(batch), **given}
        results = self.session.run(list(self.gives), {name: arrays[name] for name in self.takes})
        return dict(zip(self.gives, results, strict=True))


class Executor:
    """Computes nodes of a bound graph for whole batches.

    Args:
        graph: a bound graph.
        targets: node index by name.
        final: blank missing values and cast float64 to float32, as the transform's outputs are.
        dictionary: use the detour over distinct values; None decides per batch.
    """

    def __init__(
        self, graph: Graph, targets: Mapping[str, int], *, final: bool = True, dictionary: bool | None = None
    ) -> None:
        self.graph = graph
        self.targets = dict(targets)
        self.final = final
        self.dictionary = dictionary
        self.frontiers = _frontiers(graph, list(self.targets.values()))
        self._parts: dict[tuple[str, ...], _Part | None] = {}

    @cached_property
    def features(self) -> tuple[RawFeature, ...]:
        """Columns of the ONNX part that the targets read."""
        names = self.graph.input_names(self.targets.values())
        everything = (*self.graph.features, *(s.feature for s in self.graph.host_steps))
        return tuple(f for f in everything if f.name in names)

    def run(self, batch: pa.RecordBatch | pa.Table) -> dict[str, Value]:
        """Payload and presence of every target; `batch` holds the host columns already."""
        if batch.num_rows == 0:
            return {name: self._empty(index) for name, index in self.targets.items()}
        given: Arrays = {}
        cut: list[str] = []
        for column, nodes in self.frontiers.items():
            made = self._on_distinct(batch, column, nodes)
            if made is not None:
                given.update(made)
                cut.append(column)
        main = self._main(tuple(cut))
        results = main.run(batch, given) if main is not None else {}
        return {name: self._value(name, index, results, given) for name, index in self.targets.items()}

    def _value(self, name: str, index: int, results: Arrays, given: Arrays) -> Value:
        source, key = (results, OUTPUT_PREFIX + name) if OUTPUT_PREFIX + name in results else (given, _final(index))
        return Value(source[key], source.get(key + PRESENT))

    def _on_distinct(self, batch: pa.RecordBatch | pa.Table, column: str, nodes: Sequence[int]) -> Arrays | None:
        import pyarrow as pa

        if self.dictionary is False or (self.dictionary is None and batch.num_rows < _FEWEST_ROWS):
            return None
        values = batch.column(column)
        values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        encoded = values.dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.unify_dictionaries().combine_chunks()
        distinct, codes = encoded.dictionary, encoded.indices
        if self.dictionary is None and len(distinct) > _MOST_DISTINCT * batch.num_rows:
            return None
        if codes.null_count:
            codes = codes.fill_null(len(distinct))
            distinct = pa.concat_arrays([distinct, pa.nulls(1, distinct.type)])
        part = self._distinct_part(column, nodes)
        made = part.run(pa.table({column: distinct}), {})
        places = codes.to_numpy(zero_copy_only=False)
        return {name: array[places] for name, array in made.items()}

    def _distinct_part(self, column: str, nodes: Sequence[int]) -> _Part:
        key = ("distinct", column)
        part = self._parts.get(key)
        if part is None:
            ends = set(self.targets.values())
            targets = [Target(_cut(i), i, final=False) for i in nodes if self._inner(i)]
            targets += [Target(_final(i), i, final=self.final) for i in nodes if i in ends]
            part = self._parts[key] = self._part(targets, {})
        return part

    def _inner(self, index: int) -> bool:
        """Whether a node outside the frontiers reads this one."""
        return index in self._read

    @cached_property
    def _read(self) -> frozenset[int]:
        reached = self.graph.reachable(self.targets.values())
        inside = {i for nodes in self.frontiers.values() for i in self.graph.reachable(nodes)}
        return frozenset(i for j in reached - inside for i in self.graph.nodes[j].inputs)

    def _main(self, cut: tuple[str, ...]) -> _Part | None:
        """The part that runs on rows, given the frontiers of the columns in `cut`."""
        key = ("rows", *cut)
        if key not in self._parts:
            cuts = {i: _cut(i) for column in cut for i in self.frontiers[column]}
            targets = [Target(OUTPUT_PREFIX + n, i, self.final) for n, i in self.targets.items() if i not in cuts]
            self._parts[key] = self._part(targets, cuts) if targets else None
        return self._parts[key]

    def _part(self, targets: Sequence[Target], cuts: Mapping[int, str]) -> _Part:
        import json

        model = lower(self.graph, targets, cuts=cuts)
        props = {p.key: p.value for p in model.metadata_props}
        return _Part(
            make_session(model.SerializeToString()),
            Feeds.from_json(json.loads(props["trueline.feeds"])),
            tuple(i.name for i in model.graph.input),
            tuple(o.name for o in model.graph.output),
        )

    def _empty(self, index: int) -> Value:
        value_type = self.graph.nodes[index].type
        numpy_types = {"float64": np.float32 if self.final else np.float64, "bool": np.bool_, "utf8": object}
        shape = (0, value_type.size) if value_type.kind == "fixed" and value_type.size else (0,)
        data: npt.NDArray[Any] = np.zeros(shape, numpy_types.get(value_type.dtype, np.int64))
        return Value(data, np.zeros(0, np.bool_) if value_type.optional else None)


def _cut(index: int) -> str:
    return f"cut:{index}"


def _final(index: int) -> str:
    return f"final:{index}"


def _frontiers(graph: Graph, roots: list[int]) -> dict[str, list[int]]:
    """Per text column, the last nodes that depend on it alone: they are targets, or others read them."""
    reached = sorted(graph.reachable(roots))
    reads: dict[int, frozenset[str]] = {}
    for index in reached:
        node = graph.nodes[index]
        own = frozenset([str(node.attrs["name"])]) if node.op == "input" else frozenset()
        reads[index] = own.union(*(reads[i] for i in node.inputs))
    readers: dict[int, list[int]] = {}
    for index in reached:
        for i in graph.nodes[index].inputs:
            readers.setdefault(i, []).append(index)
    text = {
        graph.nodes[i].attrs["name"]
        for i in reached
        if graph.nodes[i].op == "input" and graph.nodes[i].type.dtype == "utf8" and graph.nodes[i].type.kind == "scalar"
    }
    frontiers: dict[str, list[int]] = {}
    for index in reached:
        column = next(iter(reads[index])) if len(reads[index]) == 1 else None
        if column not in text or graph.nodes[index].op == "input" or column is None:
            continue
        if index in roots or any(reads[j] != reads[index] for j in readers.get(index, ())):
            frontiers.setdefault(column, []).append(index)
    return frontiers

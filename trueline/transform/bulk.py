"""Runs a bound graph over Arrow batches with ONNX Runtime, text columns on their distinct values only.

Whatever depends on one text column alone, or on two (a vocabulary, a hash, a cross), is computed on the distinct values
or pairs of values and then gathered; the same ONNX operations run either way, so the bits are the same. Where there
are nearly as many distinct values as rows, the part runs on the rows directly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import TransformError
from trueline._core.feeds import LENGTH, Feeds
from trueline._core.runtime import make_session
from trueline._core.values import PRESENT
from trueline.transform.distinct_rows import Cuts, Group, cuts_of, distinct_of, distinct_rows, groups_of
from trueline.transform.emitter import numpy_constant
from trueline.transform.graph import Graph
from trueline.transform.lower_onnx import OUTPUT_PREFIX, Target, lower
from trueline.transform.operations import operation
from trueline.transform.operations.base import Coded, Value
from trueline.transform.oracle import apply_node

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
        arrays = {**self.feeds.from_arrow(batch, blank=False), **given}
        try:
            results = self.session.run(list(self.gives), {name: arrays[name] for name in self.takes})
        except Exception as error:  # ONNX Runtime's own classes have no common base
            raise TransformError(
                f"ONNX Runtime failed in {batch.num_rows} rows: {str(error)[:500]}",
                hint="the graph asks for more memory than there is, or it is damaged: run Transform again.",
            ) from error
        return dict(zip(self.gives, results, strict=True))


@dataclass(frozen=True)
class _Staged:
    """Operations without an ONNX form, computed by the numpy oracle between sessions."""

    graph: Graph
    stages: tuple[tuple[int, _Part], ...]
    last: _Part

    def run(self, batch: pa.RecordBatch | pa.Table, given: Mapping[str, npt.NDArray[Any]]) -> Arrays:
        known = dict(given)
        for index, part in self.stages:
            node = self.graph.nodes[index]
            made = part.run(batch, known)
            values = [self._input(i, made) for i in node.inputs]
            result = apply_node(node, values, [self.graph.nodes[i].type for i in node.inputs])
            name = _soft_cut(index)
            known[name] = result.data
            if result.lengths is not None:
                known[name + LENGTH] = result.lengths
            if node.type.optional:
                there = np.ones(batch.num_rows, np.bool_) if result.present is None else result.present
                known[name + PRESENT] = there
        return self.last.run(batch, known)

    def _input(self, index: int, made: Arrays) -> Value:
        node, name = self.graph.nodes[index], _soft(index)
        if node.op == "constant":
            return Value(numpy_constant(node.attrs["value"], node.type.dtype))
        return Value(made[name], made.get(name + PRESENT), made.get(name + LENGTH))


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
        self.groups = groups_of(graph, self.targets.values())
        self._parts: dict[Any, _Part | _Staged | None] = {}

    def run(self, batch: pa.RecordBatch | pa.Table) -> dict[str, Value]:
        """Payload and presence of every target; `batch` holds the host columns already."""
        found = self.run_coded(batch)
        return {name: v.gathered() if isinstance(v, Coded) else v for name, v in found.items()}

    def run_coded(self, batch: pa.RecordBatch | pa.Table) -> dict[str, Value | Coded]:
        """As `run`; what was computed on distinct rows stays so."""
        if batch.num_rows == 0:
            return {name: self._empty(index) for name, index in self.targets.items()}
        distinct = self._distinct(batch)
        cuts = cuts_of(self.graph, self.targets.values(), {i: g for i, g in self.groups.items() if g in distinct})
        given: Arrays = {}
        coded: dict[str, Coded] = {}
        for group, (rows, places) in distinct.items():
            part = self._distinct_part(group, cuts)
            if part is None:
                continue
            made = part.run(rows, {})
            given.update({name: array[places] for name, array in made.items() if name.startswith(_CUT)})
            ends = [i for i in cuts.ends if self.groups[i] == group]
            coded.update({_final(i): Coded(_value_of(made, _final(i)), places) for i in ends})
        main = self._main(cuts)
        results = main.run(batch, given) if main is not None else {}
        return {name: self._value(name, index, results, coded) for name, index in self.targets.items()}

    def _value(self, name: str, index: int, results: Arrays, coded: Mapping[str, Coded]) -> Value | Coded:
        key = OUTPUT_PREFIX + name
        return _value_of(results, key) if key in results else coded[_final(index)]

    def _distinct(self, batch: pa.RecordBatch | pa.Table) -> dict[Group, tuple[pa.Table, npt.NDArray[Any]]]:
        """Per group for which the detour pays: its distinct rows, and where each row of the batch finds its own."""
        if self.dictionary is False or (self.dictionary is None and batch.num_rows < _FEWEST_ROWS):
            return {}
        most = batch.num_rows if self.dictionary else int(_MOST_DISTINCT * batch.num_rows)
        encoded: dict[str, tuple[pa.Array, npt.NDArray[Any]]] = {}
        found = {}
        for group in sorted(set(self.groups.values()), key=lambda g: (len(g), g)):
            for column in group:
                if column not in encoded:
                    encoded[column] = distinct_of(batch.column(column))
            distinct = distinct_rows(group, [encoded[c] for c in group], most)
            if distinct is not None:
                found[group] = distinct
        return found

    def _distinct_part(self, group: Group, cuts: Cuts) -> _Part | _Staged | None:
        """The part that runs on a group's distinct rows."""
        key = (group, cuts)
        if key not in self._parts:
            nodes = [i for i in sorted(cuts.inner | cuts.ends) if self.groups[i] == group]
            targets = [Target(_cut(i), i, final=False) for i in nodes if i in cuts.inner]
            targets += [Target(_final(i), i, final=self.final) for i in nodes if i in cuts.ends]
            self._parts[key] = self._part(targets, {}) if targets else None
        return self._parts[key]

    def _main(self, cuts: Cuts) -> _Part | _Staged | None:
        """The part that runs on all rows, given the nodes that were computed on distinct rows."""
        if cuts not in self._parts:
            given = {i: _cut(i) for i in cuts.inner}
            targets = [Target(OUTPUT_PREFIX + n, i, self.final) for n, i in self.targets.items() if i not in cuts.ends]
            self._parts[cuts] = self._part(targets, given) if targets else None
        return self._parts[cuts]

    def _part(self, targets: Sequence[Target], cuts: Mapping[int, str]) -> _Part | _Staged:
        soft = _without_onnx(self.graph, [t.index for t in targets], cuts)
        if not soft:
            return self._session_part(targets, cuts)
        known, stages = dict(cuts), []
        for index in soft:
            reads = [i for i in dict.fromkeys(self.graph.nodes[index].inputs) if self.graph.nodes[i].op != "constant"]
            inputs = [Target(_soft(i), i, final=False) for i in reads]
            stages.append((index, self._session_part(inputs, known)))
            known[index] = _soft_cut(index)
        return _Staged(self.graph, tuple(stages), self._session_part(targets, known))

    def _session_part(self, targets: Sequence[Target], cuts: Mapping[int, str]) -> _Part:
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
        ragged = value_type.kind == "ragged"
        shape = (0, value_type.size or 0) if value_type.kind == "fixed" or ragged else (0,)
        data: npt.NDArray[Any] = np.zeros(shape, numpy_types.get(value_type.dtype, np.int64))
        present = np.zeros(0, np.bool_) if value_type.optional else None
        return Value(data, present, np.zeros(0, np.int64) if ragged else None)


def _soft(index: int) -> str:
    return f"soft:{index}"


def _soft_cut(index: int) -> str:
    return f"soft cut:{index}"


def _without_onnx(graph: Graph, roots: Sequence[int], cuts: Mapping[int, str]) -> list[int]:
    """Nodes behind the roots, not behind the cuts, that have no ONNX form, in order."""
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        index = stack.pop()
        if index not in seen and index not in cuts:
            seen.add(index)
            stack.extend(graph.nodes[index].inputs)
    plain = ("input", "constant")
    return sorted(i for i in seen if graph.nodes[i].op not in plain and operation(graph.nodes[i].op).onnx is None)


def _value_of(arrays: Arrays, key: str) -> Value:
    return Value(arrays[key], arrays.get(key + PRESENT), arrays.get(key + LENGTH))


_CUT = "cut:"


def _cut(index: int) -> str:
    return f"{_CUT}{index}"


def _final(index: int) -> str:
    return f"final:{index}"

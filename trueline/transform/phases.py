"""The passes over the data: all analyzers of one phase run fused in one pass, on the values that serving will see.

A phase's accumulator computes, per block, the part of the graph that its analyzers read (with ONNX Runtime, as the
transform itself does; a raw column is read from Arrow as it is) and feeds each mergeable state.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from trueline._core.values import widen
from trueline.engine.base import AccumulatorSpec, Dataset, Engine
from trueline.engine.state import pack_state, unpack_state
from trueline.transform.analyzers import Vocabulary, analyzer
from trueline.transform.bind import bind
from trueline.transform.bulk import Executor
from trueline.transform.graph import Graph
from trueline.transform.operations.base import Value
from trueline.transform.states import STATES, Parts, State

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Findings", "PhaseAccumulator", "find"]

Findings = dict[int, Any]
"""Result by analyzer node: a number, a list of boundaries, or a `Vocabulary`."""
_KIND, _VERSION = "transform-phase", 1


class PhaseAccumulator:
    """All states of one phase over record batches.

    Args:
        graph: JSON text of the graph, bound to what earlier phases found; workers keep its sessions by this text.
        states: ``[state name, node index]`` of every state.
    """

    def __init__(self, graph: str, states: Sequence[Sequence[Any]]) -> None:
        self._plan = _plan(graph)
        self._keys = [(str(name), int(index)) for name, index in states]
        nodes = self._plan.graph.nodes
        self._states: list[State] = [STATES[name](nodes[index].type.dtype) for name, index in self._keys]

    @classmethod
    def load(cls, state: bytes, graph: str, states: Sequence[Sequence[Any]]) -> Self:
        """The accumulator that gave this state."""
        made = cls(graph, states)
        _, headers, arrays = unpack_state(state, _KIND, _VERSION)
        for i, child in enumerate(made._states):
            start = f"{i}."
            child.restore(headers[i], {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)})
        return made

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        values = self._plan.values(batch, [index for _, index in self._keys])
        for (_, index), state in zip(self._keys, self._states, strict=True):
            state.update(values[index])

    def merge(self, other: Self) -> None:
        """Takes in the state of later blocks."""
        for mine, theirs in zip(self._states, other._states, strict=True):
            mine.merge(theirs)

    def state(self) -> bytes:
        """Headers and arrays of all states."""
        headers, arrays = [], {}
        for i, child in enumerate(self._states):
            header, own = child.parts()
            headers.append(header)
            arrays.update({f"{i}.{name}": array for name, array in own.items()})
        return pack_state(_KIND, _VERSION, headers, arrays)

    def finish(self) -> dict[tuple[str, int], Parts]:
        """The finished states' headers and arrays by state name and node."""
        return {key: state.parts() for key, state in zip(self._keys, self._states, strict=True)}


class _Plan:
    """Computes the nodes that analyzers read."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._executors: dict[tuple[int, ...], Executor] = {}

    def values(self, batch: pa.RecordBatch, indices: Sequence[int]) -> dict[int, pa.Array]:
        """Present values of each node, as Arrow arrays without nulls."""
        batch = widen(batch)
        wanted = sorted(set(indices))
        steps = self.graph.steps_for(self.graph.input_names(wanted))
        table: Any = batch
        if steps:
            from trueline._core.host_arrow import with_host_columns

            table = with_host_columns(batch, steps)
        raw = {i: self.graph.nodes[i].attrs["name"] for i in wanted if self._plain(i)}
        computed = tuple(i for i in wanted if i not in raw)
        found = {i: _present_column(table.column(name)) for i, name in raw.items()}
        if computed:
            if computed not in self._executors:
                self._executors[computed] = Executor(self.graph, {str(i): i for i in computed}, final=False)
            results = self._executors[computed].run(table)
            found.update({i: _arrow(results[str(i)]) for i in computed})
        return found

    def _plain(self, index: int) -> bool:
        node = self.graph.nodes[index]
        return (
            node.op == "input"
            and node.type.kind == "scalar"
            and node.type.dtype in ("float64", "int64", "utf8", "bool")
        )


@lru_cache(maxsize=8)
def _plan(graph: str) -> _Plan:
    return _Plan(Graph.from_json(json.loads(graph)))


def _present_column(column: Any) -> pa.Array:
    import pyarrow as pa

    dropped = column.drop_null()
    return dropped.combine_chunks() if isinstance(dropped, pa.ChunkedArray) else dropped


def _arrow(value: Value) -> pa.Array:
    import pyarrow as pa

    data = value.data if value.present is None else value.data[value.present]
    return pa.array(np.ascontiguousarray(data).ravel(), pa.string() if data.dtype == object else None)


def find(graph: Graph, dataset: Dataset, engine: Engine) -> Findings:
    """Every analyzer's result, phase by phase.

    Args:
        graph: a traced graph.
        dataset: the data to analyse.
        engine: who runs the passes.
    """
    wanted = graph.reachable([i for _, i in graph.outputs], through_analyzers=True)
    findings: Findings = {}
    levels = sorted({graph.phases[i] for i in wanted if graph.nodes[i].is_analyzer})
    for level in levels:
        indices = sorted(i for i in wanted if graph.nodes[i].is_analyzer and graph.phases[i] == level)
        findings.update(_one_phase(graph, findings, indices, dataset, engine))
    return findings


def constants(findings: Findings) -> dict[int, Any]:
    """What `bind` takes: a vocabulary as its tokens."""
    return {i: list(v.tokens) if isinstance(v, Vocabulary) else v for i, v in findings.items()}


def _one_phase(graph: Graph, findings: Findings, indices: list[int], dataset: Dataset, engine: Engine) -> Findings:
    reads = {i: graph.nodes[i].inputs[0] for i in indices}
    # analyzers' inputs stand as outputs, so that binding tells where they went
    marked = Graph(graph.nodes, tuple((str(i), reads[i]) for i in indices), graph.features, graph.host_steps)
    bound = bind(marked, constants(findings), partial=True).pruned()
    places = dict(bound.outputs)
    keys = {i: (analyzer(graph.nodes[i].op).state, places[str(i)]) for i in indices}
    spec: AccumulatorSpec[dict[tuple[str, int], Parts]] = AccumulatorSpec(
        f"{__name__}:PhaseAccumulator",
        {
            "graph": json.dumps(bound.to_json(), allow_nan=False),
            "states": [list(key) for key in sorted(set(keys.values()))],
        },
    )
    names = bound.input_names(places.values())
    columns = sorted(bound.raw_names(names))
    finished = engine.run(spec, dataset, columns=columns)
    states: dict[tuple[str, int], State] = {}
    for (name, place), (header, arrays) in finished.items():
        states[name, place] = STATES[name](bound.nodes[place].type.dtype)
        states[name, place].restore(header, arrays)
    return {i: analyzer(graph.nodes[i].op).read(states[keys[i]], graph.nodes[i].attrs) for i in indices}

"""The passes over the data: all analyzers of one phase run fused in one pass, on the values that serving will see.

A phase's accumulator computes, per block, the part of the graph that its analyzers read (with ONNX Runtime, as the
transform itself does; a raw column is read from Arrow as it is) and feeds each mergeable state.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

from trueline._core.rowid import ROW_COLUMN
from trueline._core.values import widen
from trueline.engine.base import AccumulatorSpec, Dataset, Engine
from trueline.engine.state import pack_state, unpack_state
from trueline.transform.analyzers import State, Vocabulary, analyzer, state_maker
from trueline.transform.analyzers.inputs import Inputs, PlainColumn
from trueline.transform.bind import bind
from trueline.transform.bulk import Executor
from trueline.transform.folds import is_fold, with_fold_columns
from trueline.transform.graph import Graph
from trueline.transform.operations.base import Value
from trueline.transform.render import expression

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Findings", "PhaseAccumulator", "find"]

Findings = dict[int, Any]
"""Result by analyzer node: a number, a (nested) list, or a `Vocabulary`."""
_KIND, _VERSION = "transform-phase", 2


class PhaseAccumulator:
    """All states of one phase over record batches.

    Args:
        graph: JSON text of the graph, bound to what earlier phases found; workers keep its sessions by this text.
        states: ``[state name, node indices, params]`` of every state.
    """

    def __init__(self, graph: str, states: Sequence[Sequence[Any]]) -> None:
        self._plan = _plan(graph)
        self._wanted = [StateKey(str(name), tuple(indices), dict(params)) for name, indices, params in states]
        self._states: list[State] = [key.empty(self._plan.graph) for key in self._wanted]

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
        graph = self._plan.graph
        columns = self._plan.columns(batch, [i for key in self._wanted for i in key.columns(graph)])
        rows = batch.column(ROW_COLUMN).to_numpy() if ROW_COLUMN in batch.schema.names else None
        for key, state in zip(self._wanted, self._states, strict=True):
            own = key.columns(graph)
            state.update(Inputs([columns[i] for i in own], [expression(graph, i) for i in own], rows))

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

    def finish(self) -> bytes:
        """The state: what analyzers read of it is taken out where the results are wanted."""
        return self.state()

    @property
    def states(self) -> list[State]:
        """The states in the order of `states`."""
        return self._states


@dataclass(frozen=True)
class StateKey:
    """Which state, of which nodes, with which parameters."""

    name: str
    indices: tuple[int, ...]
    params: Mapping[str, Any]

    def columns(self, graph: Graph) -> list[int]:
        """The inputs that are no constants."""
        return [i for i in self.indices if not graph.nodes[i].type.constant]

    def empty(self, graph: Graph) -> State:
        """A state that has seen nothing; constant inputs are given to it by their values."""
        nodes = [graph.nodes[i] for i in self.indices]
        types = [replace(n.type, literal=n.attrs["value"]) if n.op == "constant" else n.type for n in nodes]
        state: State = state_maker(self.name)(types, self.params)
        return state

    def to_json(self) -> list[Any]:
        """As `PhaseAccumulator` takes it."""
        return [self.name, list(self.indices), dict(self.params)]


class _Plan:
    """Computes the nodes that analyzers read."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._executors: dict[tuple[int, ...], Executor] = {}

    def columns(self, batch: pa.RecordBatch, indices: Sequence[int]) -> dict[int, Value | PlainColumn]:
        """The value of each node in every row."""
        wanted = sorted(set(indices))
        batch = with_fold_columns(widen(batch), self.graph.input_names(wanted))
        steps = self.graph.steps_for(self.graph.input_names(wanted))
        table: Any = batch
        if steps:
            from trueline._core.host_arrow import with_host_columns

            table = with_host_columns(batch, steps)
        raw = {i: str(self.graph.nodes[i].attrs["name"]) for i in wanted if self._plain(i)}
        computed = tuple(i for i in wanted if i not in raw)
        found: dict[int, Value | PlainColumn] = {i: PlainColumn(_whole(table.column(n))) for i, n in raw.items()}
        if computed:
            if computed not in self._executors:
                self._executors[computed] = Executor(self.graph, {str(i): i for i in computed}, final=False)
            results = self._executors[computed].run(table)
            found.update({i: results[str(i)] for i in computed})
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


def _whole(column: Any) -> pa.Array:
    import pyarrow as pa

    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


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
    reads = sorted({j for i in indices for j in graph.nodes[i].inputs})
    # analyzers' inputs stand as outputs, so that binding tells where they went
    marked = Graph(graph.nodes, tuple((str(j), j) for j in reads), graph.features, graph.host_steps)
    # what analyzers read are rows to be trained on
    bound = bind(marked, constants(findings), partial=True, training=True).pruned()
    places = dict(bound.outputs)
    records = {i: analyzer(graph.nodes[i].op) for i in indices}
    keys = {i: _state_key(graph, i, places) for i in indices}
    distinct = {json.dumps(key.to_json(), sort_keys=True): key for key in keys.values()}
    texts = sorted(distinct)
    params: dict[str, Any] = {
        "graph": json.dumps(bound.to_json(), allow_nan=False),
        "states": [distinct[t].to_json() for t in texts],
    }
    spec: AccumulatorSpec[bytes] = AccumulatorSpec(f"{__name__}:PhaseAccumulator", params)
    read = bound.input_names(places.values())
    columns = bound.raw_names(read)
    if (any(r.rows for r in records.values()) or any(map(is_fold, read))) and ROW_COLUMN in dataset.columns:
        columns |= {ROW_COLUMN}
    done = PhaseAccumulator.load(engine.run(spec, dataset, columns=sorted(columns)), **params)
    states = dict(zip(texts, done.states, strict=True))
    chosen = {i: states[json.dumps(keys[i].to_json(), sort_keys=True)] for i in indices}
    return {i: records[i].read(chosen[i], graph.nodes[i].attrs) for i in indices}


def _state_key(graph: Graph, index: int, places: Mapping[str, int]) -> StateKey:
    node = graph.nodes[index]
    record = analyzer(node.op)
    name = record.state or str(node.attrs["state"])
    return StateKey(name, tuple(places[str(j)] for j in node.inputs), record.state_params(node.attrs))

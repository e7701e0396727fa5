"""The passes over the data: all analyzers of one phase run fused in one pass, on the values that serving will see.

Data may come as several datasets, one per span: each gives one state of its own, the states are merged in the order of
the spans, and a cache (`trueline.transform.cache`) may hold them, so that a new span is all that is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from trueline._core.errors import TransformError, TruelineError
from trueline._core.rowid import ROW_COLUMN
from trueline.engine.base import AccumulatorSpec, Dataset, Engine
from trueline.engine.tree import TreeMerge
from trueline.transform.accumulator import PhaseAccumulator, StateKey
from trueline.transform.analyzers import Analyzer, Vocabulary, analyzer
from trueline.transform.bind import bind
from trueline.transform.cache import AnalyzerCache, phase_hash
from trueline.transform.folds import is_fold
from trueline.transform.graph import Graph

__all__ = ["Findings", "PhaseAccumulator", "constants", "find"]

Findings = dict[int, Any]
"""Result by analyzer node: a number, a (nested) list, or a `Vocabulary`."""
Spans = Mapping[str, Dataset | None]
"""Datasets by key, in the order in which they are merged; None for one whose states the cache must hold."""


def find(graph: Graph, data: Dataset | Spans, engine: Engine, cache: AnalyzerCache | None = None) -> Findings:
    """Every analyzer's result, phase by phase.

    Args:
        graph: a traced graph.
        data: the data to analyse, whole or by span.
        engine: who runs the passes.
        cache: states of spans that were read before; it is given those that are read now.
    """
    spans = {"": data} if isinstance(data, Dataset) else data
    wanted = graph.reachable([i for _, i in graph.outputs], through_analyzers=True)
    findings: Findings = {}
    levels = sorted({graph.phases[i] for i in wanted if graph.nodes[i].is_analyzer})
    for level in levels:
        indices = sorted(i for i in wanted if graph.nodes[i].is_analyzer and graph.phases[i] == level)
        phase = _Phase.of(graph, findings, indices)
        done = _merged(phase, level, spans, engine, cache)
        states = dict(zip((key.text for key in phase.states), done.states, strict=True))
        findings.update({i: _read(graph, i, phase.records[i], states[phase.keys[i].text]) for i in indices})
    return findings


def constants(findings: Findings) -> dict[int, Any]:
    """What `bind` takes: a vocabulary as its tokens."""
    return {i: list(v.tokens) if isinstance(v, Vocabulary) else v for i, v in findings.items()}


@dataclass(frozen=True)
class _Phase:
    """One pass: the graph bound to what earlier passes found, and the states that this one fills.

    Attributes:
        graph: the bound graph of the values that the analyzers read.
        records: the analyzers by node.
        keys: which state each of them reads.
        states: the distinct states, in the order in which the accumulator holds them.
    """

    graph: Graph
    records: dict[int, Analyzer]
    keys: dict[int, StateKey]
    states: list[StateKey]

    @classmethod
    def of(cls, graph: Graph, findings: Findings, indices: list[int]) -> _Phase:
        """The pass of these analyzers."""
        reads = sorted({j for i in indices for j in graph.nodes[i].inputs})
        # analyzers' inputs stand as outputs, so that binding tells where they went
        marked = Graph(graph.nodes, tuple((str(j), j) for j in reads), graph.features, graph.host_steps)
        # what analyzers read are rows to be trained on
        bound = bind(marked, constants(findings), partial=True, training=True).pruned()
        places = dict(bound.outputs)
        keys = {i: _state_key(graph, i, places) for i in indices}
        distinct = {key.text: key for key in reversed(keys.values())}
        return cls(
            bound, {i: analyzer(graph.nodes[i].op) for i in indices}, keys, [distinct[t] for t in sorted(distinct)]
        )

    @property
    def spec(self) -> AccumulatorSpec[bytes]:
        """The accumulator as data."""
        params = {
            "graph": json.dumps(self.graph.to_json(), allow_nan=False),
            "states": [key.to_json() for key in self.states],
        }
        read = self.graph.input_names(i for _, i in self.graph.outputs)
        texts = [f for f in self.graph.features if (f.dtype, f.kind) == ("utf8", "scalar") and f.name in read]
        coded = tuple(f.name for f in texts)
        return AccumulatorSpec(f"{PhaseAccumulator.__module__}:PhaseAccumulator", params, coded)

    def columns(self, dataset: Dataset) -> list[str]:
        """What of a dataset the pass reads."""
        read = self.graph.input_names(i for _, i in self.graph.outputs)
        columns = self.graph.raw_names(read)
        rows = any(r.rows for r in self.records.values()) or any(map(is_fold, read))
        return sorted(columns | {ROW_COLUMN} if rows and ROW_COLUMN in dataset.columns else columns)


def _merged(phase: _Phase, level: int, spans: Spans, engine: Engine, cache: AnalyzerCache | None) -> PhaseAccumulator:
    """The states of all spans: no more than log2 of their number are held at a time."""
    spec = phase.spec
    tree: TreeMerge[bytes, PhaseAccumulator] = TreeMerge(_merge, partial(PhaseAccumulator.load, **spec.params))
    digest = "" if cache is None else phase_hash(phase.graph, phase.states)
    for position, (key, dataset) in enumerate(spans.items()):
        state = None if cache is None else cache.get(key, digest)
        if state is None:
            if dataset is None:
                raise TransformError(
                    f"the cache holds no states of {key!r} for phase {level}, and there is no data to read them from",
                    hint="give the dataset itself: after the first phase, a state depends on what all spans gave.",
                )
            state = engine.run(spec, dataset, columns=phase.columns(dataset))
            if cache is not None:
                cache.put(key, digest, state)
        tree.add(position, state)
    merged = tree.finish()
    return PhaseAccumulator(**spec.params) if merged is None else merged


def _merge(left: PhaseAccumulator, right: PhaseAccumulator) -> PhaseAccumulator:
    left.merge(right)
    return left


def _read(graph: Graph, index: int, record: Analyzer, state: Any) -> Any:
    """An analyzer's result; what is wrong with it is told at the line that asked for it."""
    node = graph.nodes[index]
    try:
        return record.read(state, node.attrs)
    except TruelineError as error:
        if error.where is not None or not node.where:
            raise
        raise TransformError(error.message, where=node.where, hint=error.hint, problems=error.problems) from error
    except Exception as error:
        if record.state:
            raise
        message = f"analyzer {node.attrs['state']} has no result: {type(error).__name__}: {error}"
        raise TransformError(message, where=node.where or None) from error


def _state_key(graph: Graph, index: int, places: Mapping[str, int]) -> StateKey:
    node = graph.nodes[index]
    record = analyzer(node.op)
    name = record.state or str(node.attrs["state"])
    indices = tuple(places[str(j)] for j in node.inputs)
    return StateKey(name, indices, record.state_params(node.attrs), "" if record.state else node.where)

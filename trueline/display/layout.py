"""Where the boxes of a directed acyclic graph stand: layers by longest path, order within a layer by barycentre.

The method of Sugiyama, Tagawa and Toda (1981) in its simplest form: three sweeps of barycentres, no dummy nodes.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["layered"]


def layered(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, tuple[int, float]]:
    """(layer, lane) of each node; edges between unknown nodes and back edges of a cycle are ignored."""
    known = set(nodes)
    before: dict[str, list[str]] = {n: [] for n in nodes}
    after: dict[str, list[str]] = {n: [] for n in nodes}
    for a, b in edges:
        if a in known and b in known and a != b:
            before[b].append(a)
            after[a].append(b)
    layer = _layers(nodes, before)
    columns: list[list[str]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for node in nodes:
        columns[layer[node]].append(node)
    for sweep in range(3):
        order = columns if sweep % 2 == 0 else columns[::-1]
        neighbours = before if sweep % 2 == 0 else after
        lane = {n: float(i) for column in columns for i, n in enumerate(column)}
        for column in order:
            column.sort(key=lambda n: (_mean([lane[m] for m in neighbours[n]], lane[n]), n))
            lane.update({n: float(i) for i, n in enumerate(column)})
    height = max((len(c) for c in columns), default=0)
    return {n: (x, i + (height - len(c)) / 2) for x, c in enumerate(columns) for i, n in enumerate(c)}


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _layers(nodes: Sequence[str], before: dict[str, list[str]]) -> dict[str, int]:
    layer: dict[str, int] = {}
    waiting = list(nodes)
    while waiting:
        ready = [n for n in waiting if all(m in layer for m in before[n])] or waiting[:1]
        for node in ready:
            layer[node] = max((layer[m] + 1 for m in before[node] if m in layer), default=0)
        waiting = [n for n in waiting if n not in layer]
    return layer

"""Where the boxes of a directed acyclic graph stand: layers by longest path, order within a layer by barycentre.

The method of Sugiyama, Tagawa and Toda (1981) in a simple form: an edge that spans several layers gets a place in
each of them, so that it runs between the boxes and not behind them (edges of one node share a trunk); four sweeps of
barycentres order the places.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Layout", "layered"]

_SWEEPS = 4
Place = tuple[int, float]


@dataclass(frozen=True)
class Layout:
    """Places as (layer, lane): of each node, and of the points that each edge passes between its ends."""

    nodes: dict[str, Place]
    bends: dict[tuple[str, str], list[Place]]


def layered(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> Layout:
    """The layout of a graph; edges with unknown ends and back edges of a cycle are left out."""
    known = set(nodes)
    wanted = [(a, b) for a, b in dict.fromkeys(edges) if a in known and b in known]
    layer = _layers(nodes, {n: [a for a, b in wanted if b == n and a != n] for n in nodes})
    drawn = [(a, b) for a, b in wanted if layer[a] < layer[b]]
    columns: list[list[Hashable]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    before: dict[Hashable, list[Hashable]] = {n: [] for n in nodes}
    after: dict[Hashable, list[Hashable]] = {n: [] for n in nodes}
    for node in nodes:
        columns[layer[node]].append(node)
    for a, b in drawn:
        chain: list[Hashable] = [a, *((a, x) for x in range(layer[a] + 1, layer[b])), b]
        for x, point in enumerate(chain[1:-1], layer[a] + 1):
            if point not in columns[x]:
                columns[x].append(point)
        for left, right in pairwise(chain):
            after.setdefault(left, []).append(right)
            before.setdefault(right, []).append(left)
    _order(columns, before, after)
    height = max((len(c) for c in columns), default=0)
    places = {p: (x, i + (height - len(c)) / 2) for x, c in enumerate(columns) for i, p in enumerate(c)}
    bends = {(a, b): [places[(a, x)] for x in range(layer[a] + 1, layer[b])] for a, b in drawn}
    return Layout({n: places[n] for n in nodes}, bends)


def _order(
    columns: list[list[Hashable]], before: dict[Hashable, list[Hashable]], after: dict[Hashable, list[Hashable]]
) -> None:
    lane = {p: float(i) for column in columns for i, p in enumerate(column)}
    for sweep in range(_SWEEPS):
        neighbours = before if sweep % 2 == 0 else after
        for column in columns if sweep % 2 == 0 else columns[::-1]:
            middle = {p: _mean([lane[q] for q in neighbours.get(p, ())], lane[p]) for p in column}
            column.sort(key=middle.__getitem__)
            lane.update({p: float(i) for i, p in enumerate(column)})


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

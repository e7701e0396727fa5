"""Straight edges: each box of a layered layout moves, within its column's order, towards the boxes it is joined to.

A column's places are the least-squares answer under "in this order, at least one lane apart", which the pool adjacent
violators algorithm gives (Barlow, Bartholomew, Bremner and Brunk, 1972). Columns are swept to the right and back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from trueline.display.layout import Layout

__all__ = ["straightened"]

_SWEEPS = 6
Place = tuple[int, float]


def straightened(layout: Layout) -> Layout:
    """The same layers and the same order within them, other lanes; the topmost lane is 0."""
    chains = [(layout.nodes[a], *bends, layout.nodes[b]) for (a, b), bends in layout.bends.items()]
    before, after = _neighbours(chains)
    lanes: dict[Place, float] = {place: place[1] for place in (*layout.nodes.values(), *before, *after)}
    columns: dict[int, list[Place]] = {}
    for place in sorted(lanes):
        columns.setdefault(place[0], []).append(place)
    for sweep in range(_SWEEPS):
        towards = before if sweep % 2 == 0 else after
        for layer in sorted(columns, reverse=sweep % 2 == 1):
            wanted = [_mean([lanes[p] for p in towards.get(place, ())], lanes[place]) for place in columns[layer]]
            lanes.update(zip(columns[layer], _apart(wanted), strict=True))
    top = min(lanes.values(), default=0.0)
    at = {place: (place[0], lane - top) for place, lane in lanes.items()}
    nodes = {key: at[place] for key, place in layout.nodes.items()}
    return Layout(nodes, {edge: [at[place] for place in bends] for edge, bends in layout.bends.items()})


def _neighbours(chains: Iterable[Sequence[Place]]) -> tuple[Mapping[Place, list[Place]], Mapping[Place, list[Place]]]:
    before: dict[Place, list[Place]] = {}
    after: dict[Place, list[Place]] = {}
    for chain in chains:
        for left, right in pairwise(chain):
            after.setdefault(left, []).append(right)
            before.setdefault(right, []).append(left)
    return before, after


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _apart(wanted: Sequence[float]) -> list[float]:
    """The nearest places to the wanted ones, in order and at least 1 apart."""
    pools: list[tuple[float, int]] = []
    for i, value in enumerate(wanted):
        mean, count = value - i, 1
        while pools and pools[-1][0] > mean:
            other, size = pools.pop()
            mean, count = (mean * count + other * size) / (count + size), count + size
        pools.append((mean, count))
    flat = [mean for mean, count in pools for _ in range(count)]
    return [value + i for i, value in enumerate(flat)]

"""Lanes of a lineage drawing: the order stays, nothing overlaps, and a chain is a straight line."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from trueline.display import LineageEdge, LineageGraph, LineageItem, lineage_view
from trueline.display.layout import layered
from trueline.display.lineage_lanes import straightened

EDGES = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)).filter(lambda e: e[0] < e[1]), max_size=40)


@given(edges=EDGES)
def test_boxes_keep_their_layers_and_order_and_never_overlap(edges):
    nodes = [str(i) for i in range(15)]
    before = layered(nodes, [(str(a), str(b)) for a, b in edges])
    after = straightened(before)
    pairs = [(before.nodes[n], after.nodes[n]) for n in nodes]
    pairs += [pair for edge, bends in before.bends.items() for pair in zip(bends, after.bends[edge], strict=True)]
    moved = dict(pairs)
    assert all(old[0] == new[0] for old, new in moved.items())
    for layer in {place[0] for place in moved}:
        lanes = [new[1] for old, new in sorted(moved.items()) if old[0] == layer]
        assert all(low + 1 <= high + 1e-9 for low, high in pairwise(lanes))
    assert min(new[1] for new in moved.values()) == 0


def test_a_chain_beside_a_fan_is_a_straight_line():
    fan = [("a", f"b{i}") for i in range(5)]
    chain = [("b2", "c"), ("c", "d"), ("d", "e")]
    layout = straightened(layered(["a", *(f"b{i}" for i in range(5)), "c", "d", "e"], [*fan, *chain]))
    assert len({round(layout.nodes[name][1], 6) for name in ("b2", "c", "d", "e")}) == 1
    assert layout.nodes["a"][1] == sum(layout.nodes[f"b{i}"][1] for i in range(5)) / 5


def test_an_empty_graph_says_so_and_unknown_ends_are_left_out():
    assert "Nothing is recorded" in str(lineage_view(LineageGraph("t", [], [])))
    lone = LineageItem("a1", "artifact", "Examples", state="LIVE")
    drawn = str(lineage_view(LineageGraph("t", [lone], [LineageEdge("e9", "a1")])))
    assert "Examples" in drawn
    assert 'class="link' not in drawn

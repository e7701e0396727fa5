"""Trees as arrays, nodes of several intervals, and how such a node becomes ONNX nodes of one comparison each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LEAF", "Pieces", "Tree", "constant_tree", "integer_pieces", "lowered_pieces"]

LEAF = -1
_RUN = 8

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pieces:
    """A node of several intervals, which go left and right by turns.

    Attributes:
        bounds: ascending, one at least. A value on a bound belongs to the interval below it (or above it in an
            ensemble that compares strictly).
        first_left: whether values below the first bound go left.
    """

    bounds: tuple[float, ...]
    first_left: bool

    def __post_init__(self) -> None:
        if not self.bounds or any(a >= b for a, b in zip(self.bounds, self.bounds[1:], strict=False)):
            raise ValueError(f"bounds must ascend: {self.bounds[:10]!r}")


@dataclass(frozen=True)
class Tree:
    """One tree; arrays of K nodes, node 0 is the root.

    Attributes:
        feature: column that a node tests; -1 at a leaf.
        threshold: where the left side ends; not read at leaves and at nodes in `pieces`.
        left: the child for values below the threshold.
        right: the other child.
        missing_left: where NaN goes.
        values: ``[K, len(outputs)]``; read at leaves.
        outputs: the outputs of the ensemble to which the leaf's values are added.
        pieces: nodes that have more than one bound.
    """

    feature: Ints
    threshold: Floats
    left: Ints
    right: Ints
    missing_left: npt.NDArray[np.bool_]
    values: Floats
    outputs: tuple[int, ...] = (0,)
    pieces: Mapping[int, Pieces] = field(default_factory=dict)


def constant_tree(value: float, output: int = 0) -> Tree:
    """A tree of one leaf."""
    leaf, none = np.array([LEAF]), np.zeros(1, np.int64)
    return Tree(leaf, np.zeros(1), none, none, np.zeros(1, bool), np.full((1, 1), value), (output,))


def integer_pieces(members: Sequence[int], inside_left: bool, strict: bool, from_minus_one: bool) -> Pieces:
    """A set of integers, for libraries that drop a value's fraction: 3.7 belongs to 3.

    Args:
        members: integers from 0; one at least.
        inside_left: whether the members go left.
        strict: of the ensemble.
        from_minus_one: whether -0.5 belongs to 0, as where fractions are dropped before the sign is looked at.
    """
    ordered = np.unique(np.asarray(members, np.int64))
    gaps = np.flatnonzero(np.diff(ordered) > 1)
    firsts = ordered[np.concatenate([[0], gaps + 1])]
    lasts = ordered[np.concatenate([gaps, [len(ordered) - 1]])]
    least = float(np.nextafter(np.float32(-1), np.float32(0))) if from_minus_one else 0.0
    lower = np.where(firsts == 0, least, firsts)
    edges = np.stack([lower, lasts + 1.0], axis=1).ravel()
    if not strict:
        edges = np.nextafter(edges, -np.inf)
    return Pieces(tuple(edges.tolist()), not inside_left)


def lowered_pieces(
    tree: Tree, columns: Mapping[str, npt.NDArray[Any]]
) -> tuple[dict[str, npt.NDArray[Any]], npt.NDArray[np.int64]]:
    """The nodes of a tree with its `Tree.pieces` as single comparisons, and the leaves among them that no row reaches.

    Args:
        tree: the tree.
        columns: its nodes as if each had one bound: node, feature, threshold, true, false, missing_true.
    """
    made = {name: values.copy() for name, values in columns.items()}
    rows: list[tuple[int, int, float, int, int, int]] = []
    free = len(tree.feature)
    for node, pieces in tree.pieces.items():
        search = _Search(tree, node, pieces, free)
        search.build(0, len(pieces.bounds), node)
        rows += search.rows
        free = search.free
    own = [r for r in rows if r[0] < len(tree.feature)]
    more = [r for r in rows if r[0] >= len(tree.feature)]
    for place, name in enumerate(made):
        made[name][[r[0] for r in own]] = [r[place] for r in own]
        added = np.array([r[place] for r in more], made[name].dtype)
        made[name] = np.concatenate([made[name], added])
    return made, np.array([r[0] for r in more if r[1] == LEAF], np.int64)


class _Search:
    """A binary search for the interval of a value, down to runs of a few that are asked one by one.

    A true branch may lead where others lead, a false branch must not: so ONNX Runtime lays nodes out, and so false
    branches are followed first. An interval that ends a run and is not the last of all is reached by a false branch:
    a node stands there whose comparison is true of every value in the interval, and whose false branch is a leaf that
    no row reaches. Runs keep trees shallow: ONNX Runtime reads them by recursion.
    """

    def __init__(self, tree: Tree, node: int, pieces: Pieces, free: int) -> None:
        count = len(pieces.bounds)
        goes_left = (np.arange(count + 1) % 2 == 0) == pieces.first_left
        self.feature = int(tree.feature[node])
        self.bounds = pieces.bounds
        self.sides = np.where(goes_left, tree.left[node], tree.right[node]).tolist()
        # NaN fails every comparison, which leads to the last bound; its two sides are the two there are.
        self.missing_true = int(bool(goes_left[-1]) != bool(tree.missing_left[node]))
        self.free = free
        self.rows: list[tuple[int, int, float, int, int, int]] = []

    def build(self, first: int, last: int, node: int | None = None) -> int:
        """A node that finds the interval among `first` to `last`; returns its id."""
        own = self._new() if node is None else node
        bound = first if last - first <= _RUN else (first + last - 1) // 2
        below = self.sides[first] if bound == first else self.build(first, bound)
        final = bound + 1 == last
        above = self._ending(last) if final else self.build(bound + 1, last)
        missing = self.missing_true if final and last == len(self.bounds) else 0
        self.rows.append((own, self.feature, self.bounds[bound], below, above, missing))
        return own

    def _ending(self, interval: int) -> int:
        """Where a false branch leads that ends in this interval."""
        side = int(self.sides[interval])
        if interval == len(self.bounds):
            return side
        own, unreached = self._new(), self._new()
        self.rows.append((own, self.feature, self.bounds[interval], side, unreached, 0))
        self.rows.append((unreached, LEAF, 0.0, 0, 0, 0))
        return own

    def _new(self) -> int:
        self.free += 1
        return self.free - 1

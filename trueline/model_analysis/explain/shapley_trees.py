"""Exact Shapley values of tree ensembles whose players are raw columns, read off the model's own ONNX graph.

A row falls into a leaf when every split on the way holds. Of a background row and a row to explain, each raw column on
the way lets pass the one, the other, both or neither; with ``a`` columns that need the row and ``b`` that need the
background row, the leaf gives ``(a-1)! b! / (a+b)!`` of its value to each of the former and takes ``a! (b-1)! /
(a+b)!`` from each of the latter (the interventional TreeSHAP of Lundberg et al. 2020). Here all splits on features made
from one raw column are one player, so one-hot columns and buckets need no adding up, which would not be exact: the
values are those of `exact_values`, at a cost that grows with leaves and not with coalitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.explain.target import Floats
from trueline.model_analysis.explain.trees_onnx import Trees

__all__ = ["tree_margins", "tree_values"]

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Leaf:
    """A leaf: the splits on the way (node, whether it must be true), and what it adds to each output."""

    path: tuple[tuple[int, bool], ...]
    value: Floats


def _leaves(trees: Trees) -> list[_Leaf]:
    """Every leaf of every tree."""
    found: list[_Leaf] = []
    for root in trees.roots:
        stack: list[tuple[int, tuple[tuple[int, bool], ...]]] = [(root, ())]
        while stack:
            node, path = stack.pop()
            if trees.leaf[node]:
                found.append(_Leaf(path, trees.values[node]))
            else:
                stack.append((int(trees.false[node]), (*path, (node, False))))
                stack.append((int(trees.true[node]), (*path, (node, True))))
    return found


def tree_margins(trees: Trees, inputs: npt.NDArray[Any]) -> Floats:
    """What the trees add up to, ``[N, K]``, by following the splits."""
    holds = trees.holds(inputs)
    total = np.tile(trees.base, (len(inputs), 1))
    for leaf in _leaves(trees):
        there = np.ones(len(inputs), bool)
        for node, wanted in leaf.path:
            there &= holds[:, node] == wanted
        total[there] += leaf.value
    return total


def tree_values(trees: Trees, background: npt.NDArray[Any], rows: npt.NDArray[Any], players: int) -> Floats:
    """Shapley values ``[N, K, players]`` of the margin.

    Args:
        trees: the ensemble.
        background: the trees' own inputs of the background rows, ``[B, columns]``.
        rows: those of the rows to explain, ``[N, columns]``.
        players: how many raw columns there are.
    """
    theirs, own = trees.holds(background), trees.holds(rows)
    out = np.zeros((len(rows), trees.base.shape[0], players))
    for leaf in _leaves(trees):
        if not leaf.path:
            continue
        on_path = list(dict.fromkeys(int(trees.player[node]) for node, _ in leaf.path))
        code_own = _codes(trees, leaf.path, on_path, own)
        code_theirs = _codes(trees, leaf.path, on_path, theirs)
        shares, inverse = _shares(code_own, code_theirs, len(on_path))
        out[:, :, on_path] += shares[inverse][:, None, :] * leaf.value[None, :, None]
    return out


def _codes(trees: Trees, path: Sequence[tuple[int, bool]], players: list[int], holds: Bools) -> Ints:
    """For each row a number whose bits say which players let it pass."""
    codes = np.zeros(len(holds), np.int64)
    for place, player in enumerate(players):
        passes = np.ones(len(holds), bool)
        for node, wanted in path:
            if trees.player[node] == player:
                passes &= holds[:, node] == wanted
        codes |= passes.astype(np.int64) << place
    return codes


def _shares(own: Ints, theirs: Ints, players: int) -> tuple[Floats, Ints]:
    """The share of the leaf's value for each player, mean over the background, by distinct code of the rows."""
    codes, inverse = np.unique(own, return_inverse=True)
    others, counts = np.unique(theirs, return_counts=True)
    bits = np.arange(players)
    mine = (codes[:, None, None] >> bits) & 1 == 1
    yours = (others[None, :, None] >> bits) & 1 == 1
    need_row, need_other = mine & ~yours, yours & ~mine
    a, b = need_row.sum(axis=2), need_other.sum(axis=2)
    reached = (mine | yours).all(axis=2)
    size = players + 1
    plus, minus = np.zeros((size, size)), np.zeros((size, size))
    for i in range(size):
        for j in range(size - i):
            plus[i, j] = factorial(i - 1) * factorial(j) / factorial(i + j) if i else 0.0
            minus[i, j] = factorial(i) * factorial(j - 1) / factorial(i + j) if j else 0.0
    weight = reached * counts[None, :] / counts.sum()
    each = need_row * (weight * plus[a, b])[:, :, None] - need_other * (weight * minus[a, b])[:, :, None]
    return each.sum(axis=1), inverse.reshape(-1)

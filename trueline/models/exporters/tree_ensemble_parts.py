"""Sums too large for the digits of a float32, carried as two numbers to where their differences are taken.

ONNX's trees give float32, whatever they add in. Softmax asks for differences of sums: where these are in the
hundreds, the rounding of each changes a probability in its fifth digit. So each leaf is written as two: a multiple of
a power of two, so large that every sum of such is a float32 exactly, and the small rest.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from trueline.models.exporters.tree_ensemble import Ensemble
from trueline.models.exporters.tree_ensemble_nodes import Tree

__all__ = ["in_two_parts", "largest_sum"]

_MANTISSA = 24


def largest_sum(ensemble: Ensemble) -> float:
    """No output of the ensemble is larger than this: the base and the largest leaf of every tree."""
    found = np.abs(np.array(ensemble.base, np.float64))
    for tree in ensemble.trees:
        found[list(tree.outputs)] += np.abs(tree.values[tree.feature == -1]).max(axis=0)
    return float(found.max())


def in_two_parts(ensemble: Ensemble) -> Ensemble:
    """The ensemble with twice the outputs: all large parts, then all rests; the sum of both is the output.

    Sums of large parts are exact. Those of the rests are at most a tree's count times half a grid step, which float32
    holds to 24 bits more.
    """
    # One bit more than the largest sum needs: rounding to the grid may have moved each leaf up.
    grid = 2.0 ** (np.ceil(np.log2(max(largest_sum(ensemble), 1e-30))) + 1 - _MANTISSA)
    count = len(ensemble.base)
    base = np.array(ensemble.base, np.float64)
    whole = _on_grid(base, grid)
    trees = tuple(_parted(tree, grid, count) for tree in ensemble.trees)
    return replace(ensemble, trees=trees, base=(*whole.tolist(), *(base - whole).tolist()))


def _on_grid(values: npt.NDArray[np.float64], grid: float) -> npt.NDArray[np.float64]:
    return np.asarray(np.rint(values / grid) * grid)


def _parted(tree: Tree, grid: float, count: int) -> Tree:
    whole = _on_grid(tree.values, grid)
    outputs = (*tree.outputs, *(o + count for o in tree.outputs))
    return replace(tree, values=np.concatenate([whole, tree.values - whole], axis=1), outputs=outputs)

"""Shapley values of a game whose players are raw features: by all coalitions, by permutations, and for sums.

The value of a coalition for a row is the mean score over the background when the coalition's features are the row's and
all others are the background row's (the interventional game of Lundberg and Lee 2017). Exact values weigh all ``2**F``
coalitions (Shapley 1953). Sampling walks through permutations in antithetic pairs, each with its reverse (Castro et al.
2009; Mitchell et al. 2022): every walk adds up to the score less the base, so the values always do.
"""

from __future__ import annotations

from math import factorial

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.explain.rows import Ints, Pool
from trueline.model_analysis.explain.target import Floats

__all__ = ["MOST_EXACT", "coalition_values", "exact_values", "sampled_values", "walks_of"]

MOST_EXACT = 12
"""All coalitions are asked of up to so many features: 4096 of them."""
_ASKED = 65_536
Bools = npt.NDArray[np.bool_]


def coalition_values(pool: Pool, background: int, rows: Ints, masks: Bools) -> Floats:
    """The value of each coalition for each row, ``[N, M, K]``.

    Args:
        pool: the background rows first, then the rows to explain.
        background: how many of the pool's rows are background, B.
        rows: places in the pool, ``[N]``.
        masks: coalitions, ``[M, F]``.
    """
    count, features = masks.shape
    others = np.arange(background, dtype=np.int64)[None, None, :, None]
    step = max(1, _ASKED // max(count * background, 1))
    parts = []
    for start in range(0, len(rows), step):
        own = rows[start : start + step]
        places = np.where(masks[None, :, None, :], own[:, None, None, None], others)
        scores = pool.scores(places.reshape(-1, features))
        parts.append(scores.reshape(len(own), count, background, -1).mean(axis=2))
    return np.concatenate(parts)


def exact_values(pool: Pool, background: int, rows: Ints) -> Floats:
    """Shapley values ``[N, K, F]`` from all coalitions."""
    features = len(pool.target.features)
    numbers = np.arange(1 << features)
    masks: Bools = (numbers[:, None] >> np.arange(features)) & 1 == 1
    sizes = masks.sum(axis=1)
    join = [factorial(s) * factorial(features - s - 1) / factorial(features) for s in range(features)]
    weight_in = np.array([0.0, *join])[sizes]  # of a coalition that holds the feature: its size less one came before
    weight_out = np.array([*join, 0.0])[sizes]
    weights = np.where(masks, weight_in[:, None], -weight_out[:, None])
    parts = []
    for row in rows:
        values = coalition_values(pool, background, np.array([row]), masks)[0]
        parts.append(np.einsum("mf,mk->kf", weights, values))
    return np.stack(parts)


def walks_of(features: int, pairs: int, seed: int) -> Ints:
    """Permutations ``[2 * pairs, F]``: each is followed by its reverse."""
    rng = np.random.default_rng([seed, features])
    found = []
    for _ in range(pairs):
        order = rng.permutation(features)
        found += [order, order[::-1]]
    return np.array(found, np.int64).reshape(2 * pairs, features)


def sampled_values(pool: Pool, background: int, rows: Ints, walks: Ints) -> tuple[Floats, Floats]:
    """Shapley values by walks, and the values of each pair of walks: ``[N, K, F]`` and ``[N, K, P, F]``.

    All rows share the walks, so that a row's values do not depend on which other rows are explained.
    """
    count, features = walks.shape
    steps = np.zeros((count, features + 1, features), bool)
    for w, order in enumerate(walks):
        for i, f in enumerate(order):
            steps[w, i + 1 :, f] = True
    masks, place = np.unique(steps.reshape(-1, features), axis=0, return_inverse=True)
    place = place.reshape(count, features + 1)
    values = coalition_values(pool, background, rows, masks)  # [N, M, K]
    gains = values[:, place[:, 1:]] - values[:, place[:, :-1]]  # [N, W, F steps, K]
    by_feature = np.empty_like(gains)
    for w, order in enumerate(walks):
        by_feature[:, w, order] = gains[:, w]
    pairs = by_feature.reshape(len(rows), count // 2, 2, features, -1).mean(axis=2)  # [N, P, F, K]
    shown = pairs.transpose(0, 3, 1, 2)
    return shown.mean(axis=2), shown

"""Which mixtures of a row and the background are asked of a model, and what follows from its answers.

The value of a coalition is the mean score over the background when the coalition's features are the row's and all
others the background's. Exact Shapley values weigh all ``2**F`` coalitions (Shapley 1953); sampled ones walk through
permutations in antithetic pairs (Castro et al. 2009; Mitchell et al. 2022), with the very walks that
`trueline.model_analysis.explain` takes for the same seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["MOST_EXACT", "Floats", "Game", "game_of"]

Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
MOST_EXACT = 12
"""All coalitions are asked of up to so many features."""
_Found = tuple[Floats, Floats | None]


@dataclass(frozen=True, eq=False)
class Game:
    """Coalitions and how they make values.

    Attributes:
        masks: all coalitions, ``[M, F]``.
        attribute: from coalition values ``[N, M, K]`` to values ``[N, K, F]`` and their standard errors, or None.
        sums: whether the values add up to the score less the base.
    """

    masks: Bools
    attribute: Callable[[Floats], _Found]
    sums: bool

    @property
    def asked(self) -> Bools:
        """The coalitions that are neither the whole row nor the mere background: those are asked anyway."""
        return self.masks[self._between]

    @property
    def _between(self) -> Bools:
        between: Bools = np.asarray(self.masks.any(axis=1) & ~self.masks.all(axis=1))
        return between

    def evaluations(self, rows: int, background: int) -> int:
        """How many rows the model is asked."""
        return rows + background + rows * background * len(self.asked)

    def values(self, own: Floats, others: Floats, mixed: Floats) -> _Found:
        """Values ``[N, K, F]`` and standard errors out of scores.

        Args:
            own: of the rows, ``[N, K]``.
            others: of the background, ``[B, K]``.
            mixed: of the mixtures, ``[N * asked * B, K]``.
        """
        base = others.mean(axis=0)
        values = np.empty((len(own), len(self.masks), own.shape[1]))
        values[:, ~self.masks.any(axis=1)] = base
        values[:, self.masks.all(axis=1)] = own[:, None]
        count = len(self.asked)
        values[:, self._between] = mixed.reshape(len(own), count, len(others), own.shape[1]).mean(axis=2)
        found, errors = self.attribute(values)
        return (_added_up(found, own - base) if self.sums else found), errors


def game_of(method: str, features: int, pairs: int, seed: int) -> Game:
    """The game of a method: ``ablation``, ``exact`` or ``sampling``.

    Args:
        method: its name.
        features: how many, F.
        pairs: pairs of walks, for sampling.
        seed: of the walks.
    """
    if method == "ablation":
        return _ablation(features)
    return _exact(features) if method == "exact" else _sampling(features, pairs, seed)


def _ablation(features: int) -> Game:
    """All features, and all but one: the value of a feature is what is lost without it."""
    masks = np.concatenate([np.ones((1, features), bool), ~np.eye(features, dtype=bool)])
    return Game(masks, lambda values: ((values[:, :1] - values[:, 1:]).transpose(0, 2, 1), None), False)


def _exact(features: int) -> Game:
    numbers = np.arange(1 << features)
    masks: Bools = (numbers[:, None] >> np.arange(features)) & 1 == 1
    sizes = masks.sum(axis=1)
    join = [factorial(s) * factorial(features - s - 1) / factorial(features) for s in range(features)]
    weights = np.where(masks, np.array([0.0, *join])[sizes][:, None], -np.array([*join, 0.0])[sizes][:, None])
    return Game(masks, lambda values: (np.einsum("mf,nmk->nkf", weights, values), None), True)


def _sampling(features: int, pairs: int, seed: int) -> Game:
    rng = np.random.default_rng([seed, features])
    walks = np.array([w for _ in range(pairs) for order in [rng.permutation(features)] for w in (order, order[::-1])])
    steps = np.zeros((2 * pairs, features + 1, features), bool)
    for w, order in enumerate(walks):
        for i, feature in enumerate(order):
            steps[w, i + 1 :, feature] = True
    masks, place = np.unique(steps.reshape(-1, features), axis=0, return_inverse=True)
    place = place.reshape(2 * pairs, features + 1)

    def attribute(values: Floats) -> _Found:
        gains = values[:, place[:, 1:]] - values[:, place[:, :-1]]  # [N, W, F steps, K]
        by_feature = np.empty_like(gains)
        for w, order in enumerate(walks):
            by_feature[:, w, order] = gains[:, w]
        shown = by_feature.reshape(len(values), pairs, 2, features, -1).mean(axis=2).transpose(0, 3, 1, 2)
        errors = shown.std(axis=2, ddof=1) / np.sqrt(pairs) if pairs > 1 else None
        return shown.mean(axis=2), errors

    return Game(masks, attribute, True)


def _added_up(values: Floats, total: Floats) -> Floats:
    """The values with the rounding error of their sum, some 1e-16, dealt to the greatest of them."""
    gap = total - values.sum(axis=2)
    most = np.abs(values).argmax(axis=2)
    out = values.copy()
    np.put_along_axis(
        out, most[:, :, None], np.take_along_axis(out, most[:, :, None], axis=2) + gap[:, :, None], axis=2
    )
    return out

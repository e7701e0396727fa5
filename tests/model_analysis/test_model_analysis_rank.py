"""The order of scores is kept in the same bits whether states are handed over in memory or as bytes."""

from __future__ import annotations

import numpy as np
import pytest

from trueline.model_analysis.rank import RankStore, pack_ranks, unpack_ranks

GROUPS, CAP = 4, 120


def store(rng: np.random.Generator, rows: int) -> RankStore:
    made = RankStore(GROUPS, CAP)
    weight, label = rng.random(rows), rng.random(rows)
    made.add(weight * label, weight * (1 - label), rng.random(rows), rng.integers(0, GROUPS, rows))
    return made


def through_bytes(found: RankStore) -> RankStore:
    made = RankStore(GROUPS, CAP)
    made.restore(unpack_ranks(pack_ranks([found]))[0])
    return made


@pytest.mark.parametrize("sizes", [(50, 40, 20), (50, 40, 40, 7, 3), (10,) * 20, (121, 1, 119), (60, 60, 60, 60, 130)])
def test_states_in_memory_and_as_bytes_give_the_same_bits(sizes: tuple[int, ...]) -> None:
    def merged(hand_over) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(3)
        parts = [store(rng, n) for n in sizes]
        while len(parts) > 1:  # a tree, as engines merge
            pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
            for pair in pairs:
                if len(pair) == 2:
                    pair[0].merge(hand_over(pair[1]))
            parts = [hand_over(pair[0]) for pair in pairs]
        return parts[0].arrays()

    kept, sent = merged(lambda s: s), merged(through_bytes)
    assert kept.keys() == sent.keys()
    assert all(np.array_equal(kept[name], sent[name]) for name in kept)
    assert ("rows" in kept) == (sum(sizes) <= CAP)

"""The second job of a row-by-row comparison: the join of one bucket, and what its pairs of rows come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline.data_validation.feature_skew_prints import ABSENT, EMPTY, place_of
from trueline.engine.base import Block

__all__ = ["join_bucket"]

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
_PAIRS_AT_ONCE = 500_000


def join_bucket(
    block: Block,
    *,
    folder: str,
    blocks: Mapping[str, Sequence[int]],
    plan: Mapping[str, Any],
    duplicates: bool,
    sample_size: int,
) -> dict[str, Any]:
    """Joins one bucket (``block.number``): counts by feature, of identifiers and of values; pairs to show."""
    names = [f["name"] for f in plan["features"]]
    base = _bucket(folder, "base", blocks["base"], block.number, len(names))
    test = _bucket(folder, "test", blocks["test"], block.number, len(names))
    ids, counts = _identifiers(base, test)
    meet = (counts[0] > 0) & (counts[1] > 0)
    stats = {
        "base_with_id_count": len(base),
        "test_with_id_count": len(test),
        "identifiers_count": len(ids),
        "ids_missing_in_base_count": int((counts[0] == 0).sum()),
        "ids_missing_in_test_count": int((counts[1] == 0).sum()),
        "matching_pairs_count": int((counts[0] * counts[1])[meet].sum()),
        "duplicate_id_count": int(((counts[0] > 1) | (counts[1] > 1)).sum()),
    }
    once = (counts[0] == 1) & (counts[1] == 1)
    taken = meet if duplicates else meet & once
    totals = np.zeros((len(names), 7), np.int64)
    pairs: list[dict[str, Any]] = []
    confusion: dict[tuple[str, int, int], int] = {}
    for left, right in _pairs(base, test, ids[taken], counts[:, taken]):
        ones, others = base[left, 3:], test[right, 3:]
        outcome = _outcomes(ones, others)
        totals += _totals(ones, others, outcome)
        pairs += _sample(base[left], test[right], outcome, names, sample_size)
        for i, feature in enumerate(plan["features"]):
            if feature["confusion"]:
                _confuse(confusion, feature["name"], ones[:, i], others[:, i])
    pairs = sorted(pairs, key=lambda p: int(p["order"]))[:sample_size]
    return {
        "features": dict(zip(names, totals.tolist(), strict=True)),
        "stats": stats,
        "pairs": pairs,
        "confusion": [[*key, count] for key, count in sorted(confusion.items())],
    }


def _bucket(folder: str, side: str, numbers: Sequence[int], bucket: int, features: int) -> U64:
    """The bucket's rows of one side, sorted by key: key, block, row, fingerprints."""
    found = [np.zeros((0, features + 3), np.uint64)]
    for number in numbers:
        ends = np.load(place_of(folder, side, number, "ends"), allow_pickle=False)
        rows = np.load(place_of(folder, side, number, "rows"), mmap_mode="r", allow_pickle=False)
        part = np.asarray(rows[ends[bucket] : ends[bucket + 1]])
        found.append(np.insert(part, 1, np.uint64(number), axis=1))
    matrix = np.concatenate(found)
    return matrix[np.lexsort((matrix[:, 2], matrix[:, 1], matrix[:, 0]))]


def _identifiers(base: U64, test: U64) -> tuple[U64, I64]:
    """Distinct keys of both sides, and how often each stands in base and in test: shape ``[2, ids]``."""
    ids = np.union1d(base[:, 0], test[:, 0])
    counts = [np.searchsorted(s[:, 0], ids, side="right") - np.searchsorted(s[:, 0], ids) for s in (base, test)]
    return ids, np.array(counts, np.int64)


def _pairs(base: U64, test: U64, ids: U64, counts: I64) -> Iterator[tuple[I64, I64]]:
    """Positions of all pairs of rows with the same key, not too many at a time."""
    starts = np.searchsorted(base[:, 0], ids), np.searchsorted(test[:, 0], ids)
    rows = _ranges(starts[0], counts[0])
    partners, first = np.repeat(counts[1], counts[0]), np.repeat(starts[1], counts[0])
    total = np.cumsum(partners)
    begin = 0
    while begin < len(rows):
        before = int(total[begin - 1]) if begin else 0
        end = max(int(np.searchsorted(total, before + _PAIRS_AT_ONCE, side="right")), begin + 1)
        yield np.repeat(rows[begin:end], partners[begin:end]), _ranges(first[begin:end], partners[begin:end])
        begin = end


def _ranges(starts: npt.NDArray[Any], lengths: I64) -> I64:
    """``start, start + 1, ...`` for each start, one after the other."""
    ends = np.cumsum(lengths)
    offsets = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - lengths, lengths)
    return np.asarray(np.repeat(starts, lengths) + offsets, np.int64)


_NOTHING, _MATCH, _BASE_ONLY, _TEST_ONLY, _MISMATCH, _HALF = range(6)


def _outcomes(ones: U64, others: U64) -> npt.NDArray[np.int8]:
    """What each pair's feature came to; ``_HALF``: absent on one side, an empty list on the other."""
    here, there = ones > EMPTY, others > EMPTY
    outcome = np.full(ones.shape, _HALF, np.int8)
    outcome[ones == others] = _MATCH
    outcome[(ones == ABSENT) & (others == ABSENT)] = _NOTHING
    outcome[here & ~there] = _BASE_ONLY
    outcome[~here & there] = _TEST_ONLY
    outcome[here & there & (ones != others)] = _MISMATCH
    return outcome


def _totals(ones: U64, others: U64, outcome: npt.NDArray[np.int8]) -> I64:
    """For each feature the six counts of `FeatureSkew`, and whether any row of a pair knows it."""
    kinds = [(outcome == k).sum(axis=0) for k in (_MATCH, _BASE_ONLY, _TEST_ONLY, _MISMATCH)]
    counts = [(ones > EMPTY).sum(axis=0), (others > EMPTY).sum(axis=0), *kinds, (outcome != _NOTHING).sum(axis=0)]
    return np.array(counts, np.int64).T


def _sample(
    base: U64, test: U64, outcome: npt.NDArray[np.int8], names: Sequence[str], size: int
) -> list[dict[str, Any]]:
    """Pairs that differ, those with the smallest hash of their identifiers and values: the same for any blocks."""
    import pyarrow as pa

    from trueline._core.hash import hash_array

    rows = np.flatnonzero((outcome > _MATCH).any(axis=1))
    if not size or not len(rows):
        return []
    ones, others = (np.bitwise_xor.reduce(side[rows, 3:], axis=1) for side in (base, test))
    places = base[rows, 0] ^ (ones * np.uint64(0x9E3779B97F4A7C15)) ^ (others * np.uint64(0xC2B2AE3D27D4EB4F))
    order = hash_array(pa.array(places.view(np.int64)))
    best = np.argsort(order, kind="stable")[:size]
    kinds = {
        "base_only_features": _BASE_ONLY,
        "test_only_features": _TEST_ONLY,
        "matched_features": _MATCH,
        "mismatched_features": _MISMATCH,
    }
    found = []
    for i in best.tolist():
        row = rows[i]
        told = {k: [n for n, o in zip(names, outcome[row], strict=True) if o == kind] for k, kind in kinds.items()}
        sides = {"base": [int(base[row, 1]), int(base[row, 2])], "test": [int(test[row, 1]), int(test[row, 2])]}
        found.append({"order": int(order[i]), **sides, **told})
    return found


def _confuse(confusion: dict[tuple[str, int, int], int], name: str, ones: U64, others: U64) -> None:
    pairs, counts = np.unique(np.stack([ones, others], axis=1), axis=0, return_counts=True)
    for (one, other), count in zip(pairs.tolist(), counts.tolist(), strict=True):
        if one > EMPTY or other > EMPTY:
            key = (name, max(one, EMPTY), max(other, EMPTY))
            confusion[key] = confusion.get(key, 0) + count

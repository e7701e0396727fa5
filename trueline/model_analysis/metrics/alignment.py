"""Longest common subsequences and edit distances of token sequences, bit-parallel on Python's integers.

Sources: Hyyrö 2004, "Bit-parallel LCS-length computation revisited"; Myers 1999 in Hyyrö's 2003 form for distances.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

__all__ = ["common_places", "common_subsequence", "edit_distance"]


def _places(sequence: Sequence[Hashable]) -> dict[Hashable, int]:
    """Token -> the bits of the places where it stands."""
    bits: dict[Hashable, int] = {}
    for place, token in enumerate(sequence):
        bits[token] = bits.get(token, 0) | 1 << place
    return bits


def common_subsequence(one: Sequence[Hashable], two: Sequence[Hashable]) -> int:
    """Length of the longest common subsequence.

    >>> common_subsequence("ABCBDAB", "BDCABA")
    4
    """
    bits, full = _places(one), (1 << len(one)) - 1
    v = full
    for token in two:
        u = v & bits.get(token, 0)
        v = (v + u | v - u) & full
    return len(one) - v.bit_count()


def common_places(one: Sequence[Hashable], two: Sequence[Hashable]) -> set[int]:
    """Places of `one` that a longest common subsequence takes; of several it is the one that ends latest in `one`."""
    table = [[0] * (len(two) + 1)]
    for token in one:
        above, row = table[-1], [0]
        for j, other in enumerate(two):
            row.append(above[j] + 1 if token == other else max(above[j + 1], row[j]))
        table.append(row)
    i, j, found = len(one), len(two), set()
    while i and j:
        if one[i - 1] == two[j - 1]:
            i, j = i - 1, j - 1
            found.add(i)
        elif table[i][j - 1] > table[i - 1][j]:
            j -= 1
        else:
            i -= 1
    return found


def edit_distance(one: Sequence[Hashable], two: Sequence[Hashable]) -> int:
    """Fewest insertions, deletions and substitutions that make `two` of `one` (Levenshtein).

    >>> edit_distance("kitten", "sitting")
    3
    """
    if not one:
        return len(two)
    bits, full, last = _places(one), (1 << len(one)) - 1, 1 << len(one) - 1
    plus, minus, distance = full, 0, len(one)
    for token in two:
        match = bits.get(token, 0)
        diagonal = (((match & plus) + plus) ^ plus) | match | minus
        up, down = minus | ~(diagonal | plus) & full, plus & diagonal
        distance += bool(up & last) - bool(down & last)
        up, down = (up << 1 | 1) & full, down << 1 & full
        plus, minus = down | ~(diagonal | up) & full, up & diagonal
    return distance

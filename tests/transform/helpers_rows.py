"""Rows for any operation: tables made from a seed, and the same rows as hypothesis strategies.

A table from a seed holds every special value and random ones beside them; it costs a hundredth of what hypothesis needs
for as many rows. The strategies shrink what they find.
"""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from helpers_transform import TYPES, VECTOR
from hypothesis import strategies as st

from trueline.transform.operations import OPERATIONS

SPECIALS: dict[str, list[Any]] = {
    "float64": [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        1.5,
        2.5,
        -3.0,
        2.0**63,
        -(2.0**63),
        9.3e18,
        -9.3e18,
        1e300,
        5e-324,
        np.inf,
        -np.inf,
        np.nan,
    ],
    "int64": [0, 1, 2, 3, -1, -2, -3, 7, 2**53 + 1, -(2**63), 2**63 - 1],
    "bool": [True, False],
    "utf8": [
        "",
        "a",
        "A",
        "b",
        "Ä",
        "ß",
        "12",
        "-1.5e3",
        "1e999",
        "é\0x",
        "日本",
        "a\nb",
        " 7",
        "a b",
        "😀,",
        "e\u0301",
    ],
    "timestamp": [0, -1, 1_700_000_000_000_000, 951_782_400_000_000, -(2**61), 2**61],
}
TAME_SPECIALS = [0.0, -0.0, 1.0, -1.0, 0.5, -20.25, 700.0, -700.0, np.inf, -np.inf, np.nan]
I64 = st.integers(-(2**63), 2**63 - 1)
STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "float64": st.floats() | st.sampled_from(SPECIALS["float64"]),
    "int64": I64 | st.integers(-3, 3) | st.sampled_from(SPECIALS["int64"]),
    "bool": st.booleans(),
    "utf8": st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(SPECIALS["utf8"]),
    "timestamp": st.integers(-(2**61), 2**61) | st.sampled_from(SPECIALS["timestamp"]),
}
# what is not a number of ordinary size has no bound in ulps for exp and its kin
TAME = st.floats(-700, 700, allow_subnormal=False) | st.sampled_from(TAME_SPECIALS)
_PLANES = [(0, 0x7F), (0x80, 0x24F), (0x300, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF)]


def is_tame(op: str, inner: str) -> bool:
    """Whether an operation's bound in ulps holds for numbers of ordinary size only."""
    return OPERATIONS[op].kind == "rounded" and inner == "float64"


def strategy_of(op: str, dtype: str, optional: bool) -> st.SearchStrategy[Any]:
    """One cell of a column of this type."""
    kind, _, inner = dtype.rstrip(">").rpartition("<")
    one = TAME if is_tame(op, inner) else STRATEGIES[inner]
    if kind == "list":
        one = st.lists(one, max_size=4)
    elif kind == "vector":
        one = st.lists(one, min_size=VECTOR, max_size=VECTOR)
    return st.none() | one if optional else one


def seeded_table(op: str, types: Sequence[str], rows: int, optional: bool) -> pa.Table:
    """Columns x0, x1, ... that depend on the arguments alone; every special value is in each column of enough rows."""
    rng = random.Random(f"{op} {types} {optional}")
    return pa.table({f"x{i}": _column(op, t, rows, optional, rng) for i, t in enumerate(types)})


def _column(op: str, dtype: str, rows: int, optional: bool, rng: random.Random) -> pa.Array:
    kind, _, inner = dtype.rstrip(">").rpartition("<")
    tame = is_tame(op, inner)
    specials = TAME_SPECIALS if tame else SPECIALS[inner]
    once = rng.sample(specials, len(specials))

    def one() -> Any:
        if once:
            return once.pop()
        return rng.choice(specials) if rng.random() < 0.5 else _random(inner, tame, rng)

    def cell() -> Any:
        if optional and rng.random() < 0.15:
            return None
        return [one() for _ in range(VECTOR if kind == "vector" else rng.randrange(5))] if kind else one()

    return pa.array([cell() for _ in range(rows)], TYPES[dtype])


def _random(inner: str, tame: bool, rng: random.Random) -> Any:
    """Small values as often as any bits at all."""
    if inner == "float64":
        if tame:
            return (
                rng.uniform(-700, 700) if rng.random() < 0.5 else math.ldexp(rng.uniform(-1, 1), rng.randrange(-60, 10))
            )
        return struct.unpack("<d", rng.randbytes(8))[0] if rng.random() < 0.5 else round(rng.gauss(0, 5), 2)
    if inner == "utf8":
        spans = rng.choices(_PLANES, [6, 2, 2, 1, 1], k=rng.randrange(7))
        return "".join(chr(rng.randint(*span)) for span in spans)
    if inner == "bool":
        return rng.random() < 0.5
    most = 2 ** rng.randrange(1, 62 if inner == "timestamp" else 64)
    return rng.randrange(-most, most)

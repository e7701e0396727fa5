"""Rows of every type and a preprocessing function over all of them, for the graph in node and in the browser."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa

import trueline.transform as tlt

__all__ = ["preprocessing", "raw_rows"]

_WORDS = ["Blue Cab", "taxi", "Zürich", "日本語のタクシー", "", "😀 cab", "blue cab", "12", "-3.5e2", "x" * 300]
_NUMBERS = [0.0, -0.0, 1.5, -2.25, 1e-300, 1e300, float("nan"), float("inf"), float("-inf"), 3.0, 0.1]


def raw_rows(count: int) -> pa.Table:
    """Rows with missing values, NaN, infinities, wide integers and text of many alphabets, the same each time."""
    rng = random.Random(7)

    def column(values: list[Any], missing: float = 0.2) -> list[Any]:
        return [None if rng.random() < missing else rng.choice(values) for _ in range(count)]

    return pa.table(
        {
            "fare": pa.array(column([*_NUMBERS, *(rng.gauss(10, 4) for _ in range(100))]), pa.float64()),
            "miles": pa.array([rng.expovariate(0.3) for _ in range(count)], pa.float64()),
            "seconds": pa.array(column([0, 1, -5, 2**53 + 1, -(2**62), *range(60, 2000, 7)]), pa.int64()),
            "shared": pa.array(column([True, False]), pa.bool_()),
            "company": pa.array(column(_WORDS), pa.string()),
            "payment": pa.array(column(["cash", "Card", "chit"], 0.0), pa.string()),
        }
    )


def preprocessing(x: Any) -> dict[str, Any]:
    """Arithmetic, analyzers, text, hashing, vectors."""
    fare, miles, seconds, company = x["fare"], x["miles"], x["seconds"], x["company"]
    lower = tlt.lower(company)
    return {
        "fare_z": tlt.scale_to_z_score(fare),
        "miles_01": tlt.scale_to_0_1(miles),
        "per_mile": tlt.where(miles > 1.0, fare / miles, 0.0),
        "log_miles": tlt.log1p(miles) - tlt.sigmoid(fare),
        "minutes": seconds // 60,
        "rest": seconds % 7,
        "seconds_text": tlt.cast(seconds, "utf8"),
        "same_seconds": seconds,
        "fare_bucket": tlt.bucketize(fare, 5),
        "company_id": tlt.compute_and_apply_vocabulary(lower, top_k=5, num_oov_buckets=3),
        "company_lower": lower,
        "number": tlt.parse_number(company),
        "is_word": tlt.matches(company, "[a-zA-Z ]+"),
        "cross": tlt.cross(company, x["payment"], seconds, hash_buckets=100),
        "joined": tlt.join(company, x["shared"], separator="|"),
        "vector": tlt.concat([tlt.one_hot(seconds % 4, 4), tlt.fill_missing(fare, -1.0), tlt.sqrt(miles)]),
        "known": ~tlt.is_missing(fare) & tlt.fill_missing(x["shared"], False),
        "whole": tlt.cast(fare, "int64"),
        "clipped": tlt.clip(tlt.round(fare), -10, 10),
    }

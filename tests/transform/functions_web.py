"""Rows of every type and a preprocessing function over all of them, for the graph in node and in the browser."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa

import trueline.transform as tlt

__all__ = ["preprocessing", "raw_rows"]

_WORDS = ["Blue Cab", "taxi", "Zürich", "日本語のタクシー", "", "😀 cab", "blue cab", "12", "-3.5e2", "x" * 300]
_REVIEWS = ["Ein gutes Taxi, gerne wieder!", "not good at all", "good good GOOD", "  ", "二つの駅 と 駅", "😀😀 ok"]
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
            "start": pa.array(column([0, -1, 1_700_000_000_123_456, 951_782_400_000_000]), pa.timestamp("us")),
            "date": pa.array(column(["2024-02-29", "1969-12-31", "no date", "2023-13-01", ""]), pa.string()),
            "review": pa.array(column(_REVIEWS), pa.string()),
            "stops": pa.array(column([[], [1], [3, 3, -2], [2**40, 7, 7, 0]]), pa.list_(pa.int64())),
            "tags": pa.array(column([[], ["a"], ["b", "", "Ä"], ["日本", "a", "b", "c"]]), pa.list_(pa.string())),
            "pixels": pa.array(column([[0.0, 1.0, 2.5], [-1.0, 0.5, 1e6]]), pa.list_(pa.float64(), 3)),
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
        **_text(x),
        **_times(x),
        **_lists(x),
        **_per_key(x),
    }


def _text(x: Any) -> dict[str, Any]:
    words = tlt.split(tlt.strip(tlt.lower(x["review"])), " ")
    ids, weights = tlt.tfidf(tlt.compute_and_apply_vocabulary(tlt.tokenize(x["review"]), top_k=8), 9)
    return {
        "words": words,
        "word_count": tlt.word_count(words),
        "bag": tlt.bag_of_words(words, (1, 2), " "),
        "pairs": tlt.ngrams(words, (2, 2), "+"),
        "term_ids": ids,
        "term_weights": weights,
        "initial": tlt.substring(x["company"], 0, 1),
        "good": tlt.contains(x["review"], "good"),
        "upper": tlt.upper(x["company"], unicode=True),
    }


def _times(x: Any) -> dict[str, Any]:
    sine, cosine = tlt.cyclical(tlt.hour(x["start"]), 24)
    return {
        "month": tlt.month(x["start"]),
        "weekday": tlt.weekday(tlt.parse_date(x["date"])),
        "hour_sin": sine,
        "hour_cos": cosine,
        "same_start": x["start"],
    }


def _lists(x: Any) -> dict[str, Any]:
    return {
        "stops": tlt.dedupe(x["stops"]),
        "stop_sum": tlt.list_sum(x["stops"]),
        "stops_padded": tlt.pad(x["stops"], 3, -1),
        "tags": tlt.truncate(x["tags"], 2),
        "tag_ids": tlt.multi_hot(tlt.compute_and_apply_vocabulary(x["tags"]), 6),
        "pixels": tlt.normalize_l2(x["pixels"]),
        "price": tlt.lookup(x["payment"], {"cash": 1.5, "Card": -2.0}, default=0.0),
    }


def _per_key(x: Any) -> dict[str, Any]:
    return {
        "miles_per_key": tlt.scale_to_z_score_per_key(x["miles"], x["payment"]),
        "fare_per_key": tlt.scale_to_0_1_per_key(x["fare"], x["payment"]),
        "gaussian": tlt.scale_to_gaussian(x["miles"]),
        "robust": tlt.robust_scale(x["miles"]),
        "rare": tlt.compute_and_apply_vocabulary(tlt.group_rare(x["company"], min_count=60)),
    }

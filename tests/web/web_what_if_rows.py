"""Rows of every kind with gaps and hostile texts, and what is made of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
from web_python_code import text_length

import trueline.transform as tlt
from trueline._core.rowid import row_ids

ROWS = 400
SHOPS = ["Blue", "Green", "</script><script>window.hacked = true</script>", "Ltd. \"x\" & 'y'", "ירושלים\u202e"]
FEATURES = ("fare", "miles", "hour", "shop", "shared", "tags", "time", "position")


def rides(rows: int = ROWS, seed: int = 3) -> pa.Table:
    rng = np.random.default_rng(seed)
    miles = rng.gamma(2, 2, rows).round(1)
    fare = (3 + 2 * miles + rng.normal(0, 1, rows)).round(2)
    fare[:3] = [np.nan, np.inf, -np.inf]
    shop = rng.integers(0, 5, rows)
    shared = rng.random(rows) < 0.4
    score = miles / 4 - 1 + shared + 0.5 * (shop == 1) + rng.normal(0, 0.5, rows)
    start = dt.datetime(2024, 5, 1)
    gaps = rng.random((rows, 4)) < 0.1
    return pa.table(
        {
            "__row__": row_ids(2, 0, rows),
            "fare": pa.array(fare, mask=gaps[:, 0]),
            "miles": miles,
            "hour": rng.integers(0, 24, rows),
            "number": pa.array(rng.integers(2**60, 2**61, rows)),
            "shop": pa.array([SHOPS[i] for i in shop], mask=gaps[:, 1]),
            "shared": pa.array(shared, mask=gaps[:, 2]),
            "tags": pa.array([["a", "b", "c"][: i % 4] for i in range(rows)], mask=gaps[:, 3]),
            "when": pa.array([start + dt.timedelta(minutes=37 * i) for i in range(rows)], pa.timestamp("us")),
            "position": pa.FixedSizeListArray.from_arrays(pa.array(rng.normal(size=2 * rows).round(3)), 2),
            "good": pa.array(score > 0, mask=rng.random(rows) < 0.04),
            "kind": np.array(["low <b>", "mid", "top"], object)[np.digitize(score, [-0.4, 0.8])],
            "price": 3 * score + rng.normal(0, 0.2, rows),
        }
    )


def preprocessing(x: Any) -> dict[str, Any]:
    shop = tlt.compute_and_apply_vocabulary(tlt.fill_missing(x["shop"], "none"), num_oov_buckets=1)
    return {
        "fare": tlt.fill_missing(x["fare"], 0.0),
        "miles": tlt.fill_missing(x["miles"], 0.0),
        "hour": tlt.fill_missing(x["hour"], 0),
        "shop": tlt.one_hot(shop, 7),
        "shop_length": tlt.fill_missing(tlt.host(text_length, x["shop"], dtype="int64"), 0),
        "number": tlt.fill_missing(x["number"] % 97, 0),
        "shared": tlt.fill_missing(x["shared"], False),
        "tags": tlt.fill_missing(tlt.list_length(x["tags"]), 0),
        "time": tlt.fill_missing(tlt.hour(x["when"]), 0),
        "position": x["position"],
        "good": x["good"],
        "kind": x["kind"],
        "price": x["price"],
    }

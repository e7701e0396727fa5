"""Chicago taxi trips, as TFX's taxi template has them: line by line, with ``tft`` and ``tf`` written ``tlt``."""

from __future__ import annotations

from typing import Any

import trueline.transform as tlt

DENSE_FLOAT_FEATURE_KEYS = ["trip_miles", "fare", "trip_seconds"]
BUCKET_FEATURE_KEYS = ["pickup_latitude", "pickup_longitude", "dropoff_latitude", "dropoff_longitude"]
FEATURE_BUCKET_COUNT = 10
CATEGORICAL_FEATURE_KEYS = [
    "trip_start_hour",
    "trip_start_day",
    "trip_start_month",
    "pickup_census_tract",
    "dropoff_census_tract",
    "pickup_community_area",
    "dropoff_community_area",
]
VOCAB_FEATURE_KEYS = ["payment_type", "company"]
VOCAB_SIZE = 20
OOV_SIZE = 10
FARE_KEY = "fare"
LABEL_KEY = "tips"


def transformed_name(key: str) -> str:
    """The name of a feature."""
    return key + "_xf"


def preprocessing_fn(inputs: Any) -> dict[str, Any]:
    """Amounts scaled, words numbered, places in buckets; whether the tip was more than a fifth of the fare."""
    outputs = {}
    for key in DENSE_FLOAT_FEATURE_KEYS:
        outputs[transformed_name(key)] = tlt.scale_to_z_score(_fill_in_missing(inputs[key]))
    for key in VOCAB_FEATURE_KEYS:
        outputs[transformed_name(key)] = tlt.compute_and_apply_vocabulary(
            _fill_in_missing(inputs[key]), top_k=VOCAB_SIZE, num_oov_buckets=OOV_SIZE
        )
    for key in BUCKET_FEATURE_KEYS:
        outputs[transformed_name(key)] = tlt.bucketize(_fill_in_missing(inputs[key]), FEATURE_BUCKET_COUNT)
    for key in CATEGORICAL_FEATURE_KEYS:
        outputs[transformed_name(key)] = _fill_in_missing(inputs[key])

    taxi_fare = _fill_in_missing(inputs[FARE_KEY])
    tips = _fill_in_missing(inputs[LABEL_KEY])
    outputs[transformed_name(LABEL_KEY)] = tlt.where(
        tlt.is_nan(taxi_fare), 0, tlt.cast(tips > taxi_fare * 0.2, "int64")
    )
    return outputs


def _fill_in_missing(x: Any) -> Any:
    return tlt.fill_missing(x, "" if x.dtype == "utf8" else 0)

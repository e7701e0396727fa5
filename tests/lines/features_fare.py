"""Taxi fares from what is known when the trip ends: a regression."""

from __future__ import annotations

from typing import Any

import trueline.transform as tlt

LABEL_KEY = "paid"


def preprocessing_fn(inputs: Any) -> dict[str, Any]:
    """Distance and duration scaled, the hour as an angle, places in buckets, the company numbered; the fare in tens."""
    miles = tlt.fill_missing(inputs["trip_miles"], 0.0)
    seconds = tlt.fill_missing(tlt.cast(inputs["trip_seconds"], "float64"), 0.0)
    hour = tlt.cast(inputs["trip_start_hour"], "float64") * (6.283185307179586 / 24.0)
    outputs = {
        "miles": tlt.scale_to_z_score(tlt.log1p(miles)),
        "seconds": tlt.scale_to_z_score(tlt.log1p(seconds)),
        "hour_sin": tlt.sin(hour),
        "hour_cos": tlt.cos(hour),
        "company": tlt.compute_and_apply_vocabulary(
            tlt.fill_missing(inputs["company"], "none"), top_k=20, num_oov_buckets=1
        ),
    }
    for key in ("pickup_latitude", "pickup_longitude"):
        outputs[key] = tlt.bucketize(tlt.fill_missing(inputs[key], 0.0), 8)
    # Fares of hundreds of dollars are errors of the meter: they are left out, as a trip without a fare is.
    fare = inputs["fare"]
    outputs[LABEL_KEY] = tlt.missing_if(fare * 0.1, fare > 100.0)
    return outputs

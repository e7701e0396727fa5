"""Consumer complaints: the features of the book "Building Machine Learning Pipelines", and the two dates."""

from __future__ import annotations

from typing import Any

import trueline.transform as tlt

ONE_HOT_FEATURES = {
    "Product": 11,
    "Sub-product": 45,
    "Company response to consumer": 5,
    "State": 60,
    "Issue": 90,
}
BUCKET_FEATURES = {"ZIP code": 10}
LABEL_KEY = "Consumer disputed?"


def transformed_name(key: str) -> str:
    """The name of a feature."""
    return key.lower().replace(" ", "_").replace("-", "_").replace("?", "") + "_xf"


def preprocessing_fn(inputs: Any) -> dict[str, Any]:
    """Categories one-hot, zip codes in buckets, dates as parts and their distance; was the answer disputed?"""
    outputs = {}
    for key, dim in ONE_HOT_FEATURES.items():
        index = tlt.compute_and_apply_vocabulary(tlt.fill_missing(inputs[key], ""), top_k=dim + 1)
        outputs[transformed_name(key)] = tlt.one_hot(index, dim + 1)
    for key, bucket_count in BUCKET_FEATURES.items():
        bucket = tlt.bucketize(convert_zip_code(inputs[key]), bucket_count)
        outputs[transformed_name(key)] = tlt.one_hot(bucket, bucket_count + 1)

    received, sent = us_date(inputs["Date received"]), us_date(inputs["Date sent to company"])
    outputs["days_until_sent"] = tlt.fill_missing(tlt.date_difference(sent, received), 0)
    outputs["received_weekday"] = tlt.one_hot(tlt.fill_missing(tlt.weekday(received), -1), 7)
    outputs["received_season"] = tlt.fill_missing(tlt.cyclical_time(received, "month"), 0.0)
    outputs["timely"] = inputs["Timely response?"] == "Yes"
    outputs["company"] = tlt.hash_strings(tlt.lower(inputs["Company"]), 64)
    state = tlt.fill_missing(inputs["State"], "")
    outputs["state_and_product"] = tlt.cross(state, inputs["Product"], hash_buckets=100)
    outputs[transformed_name(LABEL_KEY)] = tlt.map_values(inputs[LABEL_KEY], {"Yes": 1, "No": 0})
    return outputs


def convert_zip_code(zipcode: Any) -> Any:
    """The number of a zip code; of those without their last digits (``300XX``) with zeros there; else 0."""
    number = tlt.parse_number(tlt.regex_extract(zipcode, "[0-9]{3,5}"))
    scaled = tlt.where(tlt.ends_with(zipcode, "XX"), number * 100.0, number)
    return tlt.fill_missing(scaled, 0.0)


def us_date(x: Any) -> Any:
    """A date such as ``7/29/2013``: month and day get their zero, then it is read as any other date."""
    parts = tlt.split(x, "/")
    month, day = (tlt.substring(tlt.join("0", parts[place]), -2) for place in (0, 1))
    return tlt.parse_date(tlt.join(parts[2], month, day, separator="-"))

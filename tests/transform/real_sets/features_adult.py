"""Census income: TensorFlow Transform's census example, and the same with what this library adds."""

from __future__ import annotations

from typing import Any

import trueline.transform as tlt

NUMERIC_FEATURE_KEYS = ["age", "capital-gain", "capital-loss", "hours-per-week"]
OPTIONAL_NUMERIC_FEATURE_KEYS = ["education-num"]
CATEGORICAL_FEATURE_KEYS = [
    "workclass",
    "education",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "native-country",
]
LABEL_KEY = "income"
NUM_OOV_BUCKETS = 1
ORDERED_COLUMNS = [
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship", "race",
    "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income",
]  # fmt: skip


def census_preprocessing_fn(inputs: Any) -> dict[str, Any]:
    """TensorFlow Transform's example, line by line; ``?`` is a word, the label a vector of two."""
    outputs = inputs.copy()
    for key in NUMERIC_FEATURE_KEYS:
        outputs[key] = tlt.scale_to_0_1(inputs[key])
    for key in OPTIONAL_NUMERIC_FEATURE_KEYS:
        outputs[key] = tlt.scale_to_0_1(tlt.fill_missing(inputs[key], 0))
    for key in CATEGORICAL_FEATURE_KEYS:
        outputs[key] = tlt.compute_and_apply_vocabulary(
            tlt.strip(inputs[key]), num_oov_buckets=NUM_OOV_BUCKETS, vocab_filename=key
        )
    label = tlt.strip(tlt.regex_replace(inputs[LABEL_KEY], r"\.", ""))
    data_labels = tlt.map_values(label, {">50K": 0, "<=50K": 1}, default=-1)
    outputs[LABEL_KEY] = tlt.one_hot(data_labels, 2)
    return outputs


def preprocessing_fn(inputs: Any) -> dict[str, Any]:
    """``?`` is missing and has a number of its own; capital in logarithms; a label of 0 and 1; runs in a browser."""
    outputs = {}
    for key in ["age", "hours-per-week", "education-num"]:
        outputs[key] = tlt.scale_to_z_score(tlt.fill_with_median(inputs[key]))
    for key in ["capital-gain", "capital-loss"]:
        outputs[key] = tlt.scale_to_0_1(tlt.log1p(tlt.fill_missing(inputs[key], 0)))
    for key in CATEGORICAL_FEATURE_KEYS:
        word = tlt.missing_if(tlt.strip(inputs[key]), "?")
        outputs[key + "_known"] = ~tlt.is_missing(word)
        ids = tlt.compute_and_apply_vocabulary(word, num_oov_buckets=NUM_OOV_BUCKETS, vocab_filename=key)
        outputs[key] = tlt.fill_missing(ids, -1)
    outputs["age_by_education"] = tlt.fill_missing(
        tlt.scale_to_z_score_per_key(tlt.cast(inputs["age"], "float64"), tlt.strip(inputs["education"])), 0.0
    )
    label = tlt.rstrip(tlt.strip(inputs[LABEL_KEY]), ".")
    outputs[LABEL_KEY] = tlt.map_values(label, {"<=50K": 0, ">50K": 1})
    return outputs

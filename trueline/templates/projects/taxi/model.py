"""What is particular to taxi trips: the features, the label, and the model. Everything else is the line's."""

from __future__ import annotations

from sklearn.ensemble import HistGradientBoostingClassifier

import trueline.transform as tlt

LABEL = "big_tipper"

# Amounts: missing becomes 0, then mean 0 and standard deviation 1.
DENSE = ("trip_miles", "fare", "trip_seconds")
# Places: ten buckets with about as many trips each. Latitude alone says little, its bucket says "downtown".
BUCKETED = ("pickup_latitude", "pickup_longitude", "dropoff_latitude", "dropoff_longitude")
# Words: each becomes its number in the vocabulary of the training split; unseen ones share a few numbers.
WORDS = ("payment_type", "company")
# Small whole numbers, taken as they are; -1 says "not known".
NUMBERS = ("trip_start_hour", "trip_start_day", "trip_start_month", "pickup_community_area", "dropoff_community_area")


def preprocessing_fn(inputs):
    """Raw columns to features and label; traced once, then the same graph in training, evaluation and the server."""
    outputs = {}
    for name in DENSE:
        outputs[name] = tlt.scale_to_z_score(tlt.fill_missing(inputs[name], 0))
    for name in BUCKETED:
        outputs[name] = tlt.bucketize(tlt.fill_missing(inputs[name], 0.0), 10)
    for name in WORDS:
        outputs[name] = tlt.compute_and_apply_vocabulary(
            tlt.fill_missing(inputs[name], "unknown"), top_k=1000, num_oov_buckets=10, vocab_filename=name
        )
    for name in NUMBERS:
        outputs[name] = tlt.fill_missing(inputs[name], -1)
    # A trip without a recorded tip has no label: it is left out of training and of the metrics.
    outputs[LABEL] = inputs["tips"] > 0.2 * inputs["fare"]
    return outputs


def run_fn(fn_args):
    """Fits the model; the line exports it, merges it with the features and checks that nothing changed."""
    x, y, _ = fn_args.train.arrays()
    model = HistGradientBoostingClassifier(random_state=fn_args.seed, **fn_args.hyperparameters)
    return model.fit(x, y)

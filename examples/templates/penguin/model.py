"""Penguins: three species from measurements that are partly missing."""

from __future__ import annotations

from sklearn.linear_model import LogisticRegression

import trueline.transform as tlt

LABEL = "species"

# Features by name, and the columns that they come from. Names of columns may hold blanks and brackets.
MEASURES = {
    "culmen_length": "Culmen Length (mm)",
    "culmen_depth": "Culmen Depth (mm)",
    "flipper_length": "Flipper Length (mm)",
    "body_mass": "Body Mass (g)",
    "delta_15_n": "Delta 15 N (o/oo)",
    "delta_13_c": "Delta 13 C (o/oo)",
}


def preprocessing_fn(inputs):
    """Measurements scaled, with a flag where one is missing; sex as one of four; the species as it is written."""
    outputs = {}
    for name, column in MEASURES.items():
        # Missing becomes the mean, and the flag lets the model know.
        outputs[name] = tlt.fill_missing(tlt.scale_to_z_score(inputs[column]), 0.0)
        outputs[name + "_missing"] = tlt.is_missing(inputs[column])
    sex = tlt.lower(tlt.fill_missing(inputs["Sex"], "unknown"))
    outputs["sex"] = tlt.one_hot(tlt.compute_and_apply_vocabulary(sex, num_oov_buckets=1, vocab_filename="sex"), 4)
    outputs[LABEL] = inputs["Species"]
    return outputs


def run_fn(fn_args):
    """Fits the model; the line exports it, merges it with the features and checks that nothing changed."""
    x, y, _ = fn_args.train.arrays()
    return LogisticRegression(max_iter=1000, random_state=fn_args.seed, **fn_args.hyperparameters).fit(x, y)

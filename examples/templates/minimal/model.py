"""What is particular to your table: its label, its columns of numbers and of words. Everything else is the line's."""

from __future__ import annotations

from sklearn.ensemble import HistGradientBoostingClassifier

import trueline.transform as tlt

LABEL = "left"  # the column to predict: two or more classes, words or whole numbers
NUMBERS = ("age", "support_calls", "months")  # columns of numbers
WORDS = ("plan",)  # columns of words


def preprocessing_fn(inputs):
    """Raw columns to features and label; traced once, then the same graph in training, evaluation and the server."""
    outputs = {}
    for name in NUMBERS:
        # Missing becomes the mean, and a feature of its own says that it was missing.
        outputs[name] = tlt.fill_missing(tlt.scale_to_z_score(inputs[name]), 0.0)
        outputs[name + "_missing"] = tlt.is_missing(inputs[name])
    for name in WORDS:
        # A word becomes its number in the vocabulary of the training split; words that it lacks share one number.
        outputs[name] = tlt.compute_and_apply_vocabulary(
            tlt.fill_missing(inputs[name], "unknown"), num_oov_buckets=1, vocab_filename=name
        )
    outputs[LABEL] = inputs[LABEL]  # a row without a label is neither trained on nor measured
    return outputs


def run_fn(fn_args):
    """Fits the model; any framework may stand here. The line exports it and checks that nothing changed."""
    x, y, _ = fn_args.train.arrays()
    model = HistGradientBoostingClassifier(random_state=fn_args.seed, **fn_args.hyperparameters)
    return model.fit(x, y)

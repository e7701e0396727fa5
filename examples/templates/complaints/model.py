"""What is particular to complaints: the words that become features, the classes, and the model."""

from __future__ import annotations

from sklearn.linear_model import LogisticRegression

import trueline.transform as tlt

LABEL = "desk"

# Six desks answer complaints; what is rare goes to one desk together.
DESKS = {
    "Mortgage": "mortgage",
    "Credit reporting": "credit reporting",
    "Debt collection": "debt collection",
    "Bank account or service": "bank account",
    "Credit card": "credit card",
}
OTHER_DESK = "other"

# Texts: what was wrong, in words.
TEXTS = ("Issue", "Sub-issue")
# Categories with few values, one number of a vector each.
WORDS = ("Submitted via", "Consumer consent provided?")
# Several hundred companies: hashed, so that a company that is not in the training data has a place too.
COMPANY_BUCKETS = 128
TEXT_BUCKETS = 256


def preprocessing_fn(inputs):
    """Raw columns to features and label; traced once, then the same graph in training, evaluation and the server."""
    outputs = {}
    for name in TEXTS:
        words = tlt.tokenize(tlt.lower(tlt.fill_missing(inputs[name], "")), "[a-z']+")
        phrases = tlt.bag_of_words(words, (1, 2), " ")
        outputs[feature_name(name)] = tlt.hash_trick(phrases, TEXT_BUCKETS)
        outputs[feature_name(name) + "_length"] = tlt.scale_to_0_1(tlt.word_count(words))
    for name in WORDS:
        index = tlt.compute_and_apply_vocabulary(
            tlt.fill_missing(inputs[name], "unknown"), top_k=7, num_oov_buckets=1, vocab_filename=feature_name(name)
        )
        outputs[feature_name(name)] = tlt.one_hot(index, 8)
    company = tlt.hash_strings(tlt.lower(inputs["Company"]), COMPANY_BUCKETS)
    outputs["company"] = tlt.one_hot(company, COMPANY_BUCKETS)
    outputs[LABEL] = tlt.map_values(inputs["Product"], DESKS, default=OTHER_DESK)
    return outputs


def feature_name(column: str) -> str:
    """A column's name as the name of a feature: ``Submitted via`` is ``submitted_via``."""
    return column.lower().replace(" ", "_").replace("-", "_").rstrip("?")


def run_fn(fn_args):
    """Fits the model; the line exports it, merges it with the features and checks that nothing changed."""
    x, y, _ = fn_args.train.arrays()
    model = LogisticRegression(random_state=fn_args.seed, **fn_args.hyperparameters)
    return model.fit(x, y)

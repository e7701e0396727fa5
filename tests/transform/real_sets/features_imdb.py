"""Film reviews: markup removed, words numbered, as padded ids, as counts, as TF-IDF, as word pairs."""

from __future__ import annotations

from typing import Any

import trueline.transform as tlt

MAX_FEATURES = 500
MAX_LEN = 100
LABEL_KEY = "label"


def preprocessing_fn(inputs: Any) -> dict[str, Any]:
    """TFX's imdb features (padded ids, 0 is nothing), and more of the same words."""
    text = tlt.lower(tlt.reduce_join(tlt.split(inputs["text"], "<br />"), " "))
    words = tlt.tokenize(text)
    ids = tlt.compute_and_apply_vocabulary(words, default_value=-1, top_k=MAX_FEATURES, vocab_filename="words")
    known, weights = tlt.tfidf(ids, MAX_FEATURES + 1)
    pairs = tlt.bag_of_words(words, (2, 2))
    return {
        "review": tlt.pad(ids, MAX_LEN, -1) + 1,
        "words": tlt.word_count(words),
        "counts": tlt.multi_hot(ids, MAX_FEATURES, counts=True),
        "tfidf_ids": known,
        "tfidf_weights": weights,
        "pairs": tlt.compute_and_apply_vocabulary(pairs, num_oov_buckets=5, top_k=100, vocab_filename="pairs"),
        "shouting": tlt.cast(tlt.matches(inputs["text"], "(?s:.*)[!]{2,}(?s:.*)"), "int64"),
        LABEL_KEY: inputs[LABEL_KEY],
    }


def markup_preprocessing_fn(inputs: Any) -> dict[str, Any]:
    """Any markup removed, by a regular expression: for the server, not for the browser."""
    text = tlt.lower(tlt.regex_replace(inputs["text"], "<[^>]*>", " "))
    return {"words": tlt.tokenize(text), LABEL_KEY: inputs[LABEL_KEY]}

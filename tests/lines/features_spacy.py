"""Film reviews whose words spaCy finds: a host step, run before the graph in bulk, in evaluation and in the server."""

from __future__ import annotations

from typing import Any

from spacy_words import words

import trueline.transform as tlt

LABEL_KEY = "label"
TOP = 300


def preprocessing_fn(inputs: Any) -> dict[str, Any]:
    """The share of each frequent word among a review's words, and how many there are."""
    tokens = tlt.host(words, inputs["text"], dtype="utf8", kind="ragged")
    ids = tlt.compute_and_apply_vocabulary(tokens, default_value=-1, top_k=TOP, vocab_filename="spacy_words")
    return {
        "counts": tlt.multi_hot(ids, TOP, counts=True),
        "length": tlt.fill_missing(tlt.scale_to_z_score(tlt.cast(tlt.word_count(tokens), "float64")), 0.0),
        LABEL_KEY: inputs[LABEL_KEY],
    }

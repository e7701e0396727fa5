"""Documents of ids: TF-IDF, document frequencies, inverse document frequencies, by TensorFlow Transform's names.

A row is a document: a list or a vector of ids. Ids are taken modulo the size of the vocabulary, so that -1, unknown,
is the last one. An empty document counts as a document, a missing one does not.
"""

from __future__ import annotations

from trueline.transform.column import Column
from trueline.transform.functions_lookup import take

__all__ = ["document_frequency", "idf", "tfidf"]


def _ids(x: Column, vocab_size: int | Column) -> tuple[Column, Column]:
    """Ids within the vocabulary, and its size as a constant."""
    size = vocab_size if isinstance(vocab_size, Column) else x.tracer.constant(int(vocab_size))
    return x.tracer.op("wrap_ids", x, size), size


def tfidf(x: Column, vocab_size: int | Column, smooth: bool = True, name: str | None = None) -> tuple[Column, Column]:
    """The distinct ids of each document in ascending order, and the weight of each: two columns of lists.

    The weight is ``count / length of the document * idf``. Smooth: ``idf = 1 + ln((N + 1) / (df + 1))`` for N
    documents, df of which have the id; else ``1 + ln(N / df)``. An id that no document had counts as one of a single
    document where it is not smooth (TensorFlow Transform: infinite). Of few ids `multi_hot` with ``counts=True`` makes
    a vector.

    Args:
        x: lists or vectors of int64 ids.
        vocab_size: how many ids there are: a whole number, or `get_num_buckets_for_transformed_feature`.
        smooth: as if one more document had every id.
        name: makes no difference.

    Returns:
        ``(ids, weights)``; rows and lengths are the same in both.
    """
    with x.tracer.scope("tfidf"):
        ids, size = _ids(x, vocab_size)
        table = x.tracer.op("analyze.idf", ids, size, smooth=bool(smooth), add_baseline=True)
        return x.tracer.op("term_ids", ids), x.tracer.op("term_weights", ids, table)


def document_frequency(x: Column, vocab_size: int | Column, name: str | None = None) -> Column:
    """In how many documents each id occurs, int64, in the structure of `x`.

    Args:
        x: lists or vectors of int64 ids.
        vocab_size: as for `tfidf`.
        name: makes no difference.
    """
    with x.tracer.scope("document_frequency"):
        ids, size = _ids(x, vocab_size)
        return take(ids, x.tracer.op("analyze.document_frequency", ids, size), default=0)


def idf(
    x: Column, vocab_size: int | Column, smooth: bool = True, add_baseline: bool = True, name: str | None = None
) -> Column:
    """The inverse document frequency of each id, float64, in the structure of `x`.

    Args:
        x: lists or vectors of int64 ids.
        vocab_size: as for `tfidf`.
        smooth: as for `tfidf`.
        add_baseline: with the 1 of `tfidf`'s formula.
        name: makes no difference.
    """
    with x.tracer.scope("idf"):
        ids, size = _ids(x, vocab_size)
        table = x.tracer.op("analyze.idf", ids, size, smooth=bool(smooth), add_baseline=bool(add_baseline))
        return take(ids, table, default=0.0)

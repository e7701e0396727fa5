"""Functions from text to lists of tokens, and on such lists."""

from __future__ import annotations

from collections.abc import Sequence

from trueline.transform.arguments import pair_argument, text_argument
from trueline.transform.column import Column

__all__ = ["bag_of_words", "char_ngrams", "characters", "ngrams", "reduce_join", "split", "tokenize", "word_count"]

WORDS = r"[\p{L}\p{M}\p{N}_]+"
"""Letters of any script with their marks, digits and ``_``."""


def split(x: Column, delimiter: str | None = " ") -> Column:
    """The parts of each text between delimiters, as Python's ``str.split`` finds them: a list.

    Args:
        x: a column of text.
        delimiter: parts may be empty, and an empty text has one empty part. None or "": at white space, whatever
            Python's ``str.isspace`` takes for it; then no part is empty, and an empty text has none.
    """
    given = None if delimiter is None else text_argument(x, "delimiter", delimiter)
    return x.tracer.op("split", x, delimiter=given or None)


def tokenize(x: Column, pattern: str = WORDS) -> Column:
    r"""The matches of an RE2 pattern in each text, from left to right, none inside another: a list.

    Args:
        x: a column of text.
        pattern: of a token, by default a word of any script. Of several matches at one place the longest is taken. In
            RE2 ``\w``, ``\d`` and ``\s`` are ASCII; ``\p{L}`` is any letter. It may not match the empty text.
    """
    return x.tracer.op("tokenize", x, pattern=text_argument(x, "pattern", pattern))


def characters(x: Column) -> Column:
    """The code points of each text: a list. One cell takes 32 bytes and more: for short texts."""
    return x.tracer.op("characters", x)


def ngrams(tokens: Column, ngram_range: Sequence[int] = (1, 1), separator: str = " ") -> Column:
    """The runs of neighbouring tokens, joined: for each place all lengths of the range, the shortest first.

    Args:
        tokens: a column of lists of text.
        ngram_range: shortest and longest run, both included.
        separator: what stands between joined tokens.
    """
    bounds = pair_argument(tokens, "ngram_range", ngram_range)
    between = text_argument(tokens, "separator", separator)
    return tokens.tracer.op("ngrams", tokens, ngram_range=bounds, separator=between)


def bag_of_words(tokens: Column, ngram_range: Sequence[int] = (1, 1), separator: str = " ") -> Column:
    """`ngrams`, each of them once in a row, in the order of their first occurrence."""
    with tokens.tracer.scope("bag_of_words"):
        return tokens.tracer.op("distinct", ngrams(tokens, ngram_range, separator))


def char_ngrams(x: Column, ngram_range: Sequence[int] = (1, 1)) -> Column:
    """The runs of neighbouring characters of each text: a list in the order of `ngrams`."""
    with x.tracer.scope("char_ngrams"):
        return ngrams(characters(x), ngram_range, separator="")


def word_count(tokens: Column) -> Column:
    """The number of tokens in each list, int64; missing where the list is."""
    with tokens.tracer.scope("word_count"):
        return tokens.tracer.op("list_length", tokens)


def reduce_join(tokens: Column, separator: str = "") -> Column:
    """The texts of each list joined to one; "" for an empty list."""
    return tokens.tracer.op("reduce_join", tokens, separator=text_argument(tokens, "separator", separator))

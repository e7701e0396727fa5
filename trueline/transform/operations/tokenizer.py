"""The road into ONNX Runtime's Tokenizer: texts in any shape to tokens, or to the one token that matters.

The kernel looks for the leftmost longest matches of an RE2 pattern. It gives 0 rows without a second dimension and as
many columns as the longest row has tokens, none if no text has any; what follows evens that out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trueline.transform.emitter import MS_DOMAIN

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["first_token", "flat", "shaped_like", "tokens"]


def flat(em: Emitter, texts: str) -> str:
    """All texts in one dimension."""
    return em.node("Reshape", texts, em.ints(-1))


def shaped_like(em: Emitter, values: str, like: str) -> str:
    """One dimension back in the shape of `like`."""
    return em.node("Reshape", values, em.node("Shape", like), allowzero=1)


def tokens(em: Emitter, texts: str, pattern: str = "", *, separator: str = "") -> str:
    """The tokens ``[M, K]`` of texts ``[M]``, "" behind the last one; no token is empty.

    Args:
        em: the writer.
        texts: one dimension of texts.
        pattern: what a token is.
        separator: instead: what lies between tokens.
    """
    how: dict[str, Any] = {"separators": [separator]} if separator else {"tokenexp": f"(?:{pattern})"}
    made = em.node("Tokenizer", texts, domain=MS_DOMAIN, mark=0, mincharnum=1, pad_value="", **how)
    # ONNX knows no type of a foreign operator's output, and its shape inference faults in RegexFullMatch and
    # LabelEncoder where it knows none. ONNX Runtime leaves out a cast that changes nothing.
    made = em.cast(made, "utf8")
    shape = em.node("Concat", em.rows(texts), em.node("Shape", made, start=-1), axis=0)
    return em.node("Reshape", made, shape, allowzero=1)


def first_token(em: Emitter, texts: str, pattern: str = "", *, separator: str = "", sure: str = ".") -> str:
    """The first token of each text, "" where there is none; in the shape of `texts`.

    Args:
        em: the writer.
        texts: in any shape.
        pattern: what a token is.
        separator: instead: what lies between tokens.
        sure: a text that has a token. It stands behind the others, so that there is a first column in any case.
    """
    padded = em.node("Concat", flat(em, texts), em.constant([sure], "utf8"), axis=0)
    found = tokens(em, padded, pattern, separator=separator)
    first = em.node("Gather", found, em.constant(0, "int64"), axis=1)
    return shaped_like(em, em.node("Slice", first, em.ints(0), em.ints(-1), em.ints(0)), texts)

"""How texts are cut into tokens for BLEU and ROUGE."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache

from trueline.model_analysis.metrics.stemmer import stem

__all__ = ["TOKENIZERS", "rouge_tokens"]

_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_MTEVAL_13A = tuple(
    (re.compile(pattern), to)
    for pattern, to in (
        (r"([{-~\[-` -&(-+:-@/])", r" \1 "),  # punctuation but for . , - and '
        (r"([^0-9])([.,])", r"\1 \2 "),  # a point or comma that no digit precedes
        (r"([.,])([^0-9])", r" \1 \2"),  # or follows
        (r"([0-9])(-)", r"\1 \2 "),  # a dash after a digit
    )
)


def _thirteen_a(text: str) -> list[str]:
    """NIST's mteval-v13a, the usual one: language-independent, for languages with spaces."""
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    if "&" in text:
        for entity, sign in _ENTITIES:
            text = text.replace(entity, sign)
    text = f" {text} "
    for pattern, to in _MTEVAL_13A:
        text = pattern.sub(to, text)
    return text.split()


@lru_cache(maxsize=4096)
def _kind(character: str) -> str:
    """Major class of a character in Unicode: N numbers, P punctuation, S symbols and so on."""
    return unicodedata.category(character)[0]


def _pairs(text: str, cut: Callable[[str, str], str | None]) -> str:
    """Pairs of neighbours, from the left and without overlap, as `cut` writes them anew (None: as they are)."""
    made, i = [], 0
    while i < len(text):
        new = cut(text[i], text[i + 1]) if i + 1 < len(text) else None
        made.append(text[i] if new is None else new)
        i += 1 if new is None else 2
    return "".join(made)


def _international(text: str) -> list[str]:
    """NIST's mteval-v14 international: punctuation and symbols of all of Unicode, numbers kept whole."""
    text = _pairs(text, lambda a, b: f"{a} {b} " if _kind(a) != "N" and _kind(b) == "P" else None)
    text = _pairs(text, lambda a, b: f" {a} {b}" if _kind(a) == "P" and _kind(b) != "N" else None)
    return "".join(f" {c} " if _kind(c) == "S" else c for c in text).split()


TOKENIZERS: Mapping[str, Callable[[str], list[str]]] = {
    "13a": _thirteen_a,
    "intl": _international,
    "char": lambda text: [c for c in text if not c.isspace()],
    "none": str.split,
}
"""The names are sacrebleu's."""
_NOT_WORD = re.compile(r"[^a-z0-9]+")


def rouge_tokens(text: str, stemmed: bool) -> list[str]:
    """Lower-case runs of a-z and 0-9; words of more than three letters are stemmed where asked for."""
    words = _NOT_WORD.sub(" ", text.lower()).split()
    return [stem(word) if len(word) > 3 else word for word in words] if stemmed else words

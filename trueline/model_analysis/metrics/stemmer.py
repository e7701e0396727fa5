"""Porter's stemmer of English with the extensions that ROUGE is computed with (those of NLTK).

Source: M. F. Porter 1980, "An algorithm for suffix stripping". A word is consonants and vowels in turn,
``[C](VC)^m[V]``; m is its measure. In each step the first suffix that fits decides, whether its condition holds or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias

__all__ = ["stem"]

Condition: TypeAlias = Callable[[str], bool]
Rule: TypeAlias = tuple[str, str, Condition | None]
_IRREGULAR = {
    "skies": "sky", "sky": "sky", "dying": "die", "lying": "lie", "tying": "tie", "news": "news", "innings": "inning",
    "inning": "inning", "outings": "outing", "outing": "outing", "cannings": "canning", "canning": "canning",
    "howe": "howe", "proceed": "proceed", "exceed": "exceed", "succeed": "succeed",
}  # fmt: skip


def _consonant(word: str, i: int) -> bool:
    if word[i] in "aeiou":
        return False
    return word[i] != "y" or i == 0 or not _consonant(word, i - 1)


def _measure(word: str) -> int:
    kinds = [_consonant(word, i) for i in range(len(word))]
    return sum(1 for before, after in pairwise(kinds) if after and not before)


def _some(word: str) -> bool:
    return _measure(word) > 0


def _much(word: str) -> bool:
    return _measure(word) > 1


def _has_vowel(word: str) -> bool:
    return any(not _consonant(word, i) for i in range(len(word)))


def _doubled(word: str) -> bool:
    return len(word) >= 2 and word[-1] == word[-2] and _consonant(word, len(word) - 1)


def _short(word: str) -> bool:
    """Ends in consonant, vowel, consonant other than w, x, y; or is a vowel and a consonant."""
    end = len(word)
    if end == 2:
        return not _consonant(word, 0) and _consonant(word, 1)
    shape = [_consonant(word, i) for i in range(max(end - 3, 0), end)]
    return shape == [True, False, True] and word[-1] not in "wxy"


def _apply(word: str, rules: Sequence[Rule]) -> str:
    for suffix, new, condition in rules:
        if word.endswith(suffix):
            kept = word[: len(word) - len(suffix)]
            return kept + new if condition is None or condition(kept) else word
    return word


def _plural(word: str) -> str:
    if word.endswith("ies") and len(word) == 4:
        return word[:-1]
    return _apply(word, (("sses", "ss", None), ("ies", "i", None), ("ss", "ss", None), ("s", "", None)))


def _past(word: str) -> str:
    if word.endswith("ied"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("eed"):
        return word[:-1] if _some(word[:-3]) else word
    for suffix in ("ed", "ing"):
        kept = word.removesuffix(suffix)
        if kept != word and _has_vowel(kept):
            return _mended(kept)
    return word


def _mended(kept: str) -> str:
    if kept.endswith(("at", "bl", "iz")):
        return kept + "e"
    if _doubled(kept):
        return kept if kept[-1] in "lsz" else kept[:-1]
    return kept + "e" if _measure(kept) == 1 and _short(kept) else kept


def _final_y(word: str) -> str:
    return _apply(word, (("y", "i", lambda kept: len(kept) > 1 and _consonant(kept, len(kept) - 1)),))


_LONG: tuple[Rule, ...] = (
    *((suffix, new, _some) for suffix, new in (
        ("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"), ("bli", "ble"),
        ("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous"), ("ization", "ize"), ("ation", "ate"),
        ("ator", "ate"), ("alism", "al"), ("iveness", "ive"), ("fulness", "ful"), ("ousness", "ous"), ("aliti", "al"),
        ("iviti", "ive"), ("biliti", "ble"), ("fulli", "ful"))),
    ("logi", "log", lambda kept: _some(kept + "l")),
)  # fmt: skip
_NOUNS: tuple[Rule, ...] = tuple(
    (suffix, new, _some)
    for suffix, new in (
        ("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", ""))
)  # fmt: skip
_ENDINGS: tuple[Rule, ...] = (
    *((suffix, "", _much) for suffix in
      ("al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent")),
    ("ion", "", lambda kept: _much(kept) and kept[-1] in "st"),
    *((suffix, "", _much) for suffix in ("ou", "ism", "ate", "iti", "ous", "ive", "ize")),
)  # fmt: skip


def _long(word: str) -> str:
    if word.endswith("alli") and _some(word[:-4]):
        return _long(word[:-2])
    return _apply(word, _LONG)


def _final_e(word: str) -> str:
    if word.endswith("e"):
        kept = word[:-1]
        if _much(kept) or (_measure(kept) == 1 and not _short(kept)):
            return kept
    return word


def _final_l(word: str) -> str:
    return _apply(word, (("ll", "l", lambda kept: _much(kept + "l")),))


_STEPS: tuple[Callable[[str], str], ...] = (
    _plural, _past, _final_y, _long, lambda w: _apply(w, _NOUNS), lambda w: _apply(w, _ENDINGS), _final_e, _final_l,
)  # fmt: skip


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """The stem of a lower-case word.

    >>> [stem(w) for w in ("generalizations", "flies", "hopping", "sky")]
    ['gener', 'fli', 'hop', 'sky']
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= 2:
        return word
    for step in _STEPS:
        word = step(word)
    return word

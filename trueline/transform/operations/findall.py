"""The oracle of tokenising: all leftmost longest matches of an RE2 pattern, from Arrow's RE2.

Arrow's functions take the first alternative that fits, not the longest; the longest match is found by asking how far
matches from one place can reach. Slow, and meant for comparison alone; but runs of one class of characters, as words
are, take one question to RE2 for each distinct character, so that whole documents can be compared.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

__all__ = ["can_be_empty", "find_all"]

_CONTEXT = ("", "a", " ", "\n")
"""All that an empty match can depend on: the text's ends, words, line breaks."""
_RUN = re.compile(r"(\[\^?(?:[^]\[\\]|\\[^Q])+\])\+", re.DOTALL)
"""One bracketed class and a plus."""


def can_be_empty(pattern: str) -> str:
    """What speaks against a pattern of tokens; "" if nothing does."""
    import pyarrow as pa

    if "\\C" in pattern.replace("\\\\", ""):
        return r"\C matches single bytes: a token must be text"
    try:
        empty = any(_found(p + n, pattern, len(p), len(n), len(n)) for p in _CONTEXT for n in _CONTEXT)
    except pa.ArrowInvalid as error:
        return f"{pattern!r} is no RE2 pattern: {error}"
    return f"the pattern {pattern!r} matches the empty text, which is no token" if empty else ""


def find_all(pattern: str, texts: Sequence[str]) -> list[list[str]]:
    """The tokens of each text, from left to right, none inside another."""
    run = _RUN.fullmatch(pattern)
    if run is not None:
        return _runs(run[1], texts)
    return [_tokens(pattern, text) for text in texts]


def _runs(characters: str, texts: Sequence[str]) -> list[list[str]]:
    """The longest runs of characters of a class, which are all matches of the class with a plus."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = sorted({c for text in texts for c in text})
    fits = pc.match_substring_regex(pa.array(known, pa.string()), rf"\A{characters}\z").to_pylist()
    inside = {c for c, fit in zip(known, fits, strict=True) if fit}
    return [["".join(run) for yes, run in itertools.groupby(text, inside.__contains__) if yes] for text in texts]


def _tokens(pattern: str, text: str) -> list[str]:
    tokens, start = [], 0
    while start < len(text):
        if not _found(text, pattern, start, 0, len(text) - start, search=True):
            break
        while not _found(text, pattern, start, 0, len(text) - start):
            start += 1
        end = _longest(pattern, text, start)
        tokens.append(text[start:end])
        start = end
    return tokens


def _longest(pattern: str, text: str, start: int) -> int:
    """Where the longest match from a place ends: whether one reaches a place or goes beyond falls with the place."""
    low, high = start + 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if _found(text, pattern, start, 0, len(text) - middle):
            low = middle
        else:
            high = middle - 1
    return low


def _found(text: str, pattern: str, start: int, least: int, most: int, *, search: bool = False) -> bool:
    """Whether a match begins at `start` (or later) and leaves between `least` and `most` characters behind it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    later = "(?s:.*)" if search else ""
    whole = rf"\A{_any(start, start)}{later}(?:{pattern}){_any(least, most)}\z"
    return bool(pc.match_substring_regex(pa.array([text], pa.string()), whole)[0].as_py())


def _any(least: int, most: int) -> str:
    """So many characters; RE2 counts to 1000."""
    parts = []
    while most > 0:
        step = min(most, 1000)
        parts.append(f"(?s:.{{{min(least, step)},{step}}})")
        least, most = max(least - step, 0), most - step
    return "".join(parts)

"""Names that TensorFlow signatures take: letters, digits and underscores."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["LENGTH_SUFFIX", "PRESENT_SUFFIX", "signature_names"]

PRESENT_SUFFIX = "__present"
"""Of the bool tensor that says which rows of an optional feature are there."""
LENGTH_SUFFIX = "__length"
"""Of the int64 tensor with the lengths of lists."""


def signature_names(names: Iterable[str]) -> dict[str, str]:
    """The signature's name of every feature; equal to the feature's own where that is an identifier of ASCII letters.

    >>> signature_names(["fare", "Trip Miles", "trip miles?", "2nd"])
    {'fare': 'fare', 'Trip Miles': 'Trip_Miles', 'trip miles?': 'trip_miles_', '2nd': 'f_2nd'}
    """
    names = list(names)
    found = {n: n for n in names if _plain(n)}
    taken = set(found.values())
    for name in names:
        if name in found:
            continue
        stem = re.sub(r"[^A-Za-z0-9_]", "_", name)
        stem = stem if stem[:1].isalpha() else f"f_{stem}"
        stem += "_" if stem.endswith((PRESENT_SUFFIX, LENGTH_SUFFIX)) else ""
        made, count = stem, 1
        while made in taken:
            count += 1
            made = f"{stem}_{count}"
        taken.add(made)
        found[name] = made
    return {n: found[n] for n in names}


def _plain(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) is not None and not name.endswith(
        (PRESENT_SUFFIX, LENGTH_SUFFIX)
    )

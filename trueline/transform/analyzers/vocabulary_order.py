"""Which tokens a vocabulary keeps and in which order: the rules of TensorFlow Transform.

The order is descending by (number, bytes of the token): counts, weights or mutual information; integers count as their
decimal text. Limits apply to the same order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import EngineError, TransformError
from trueline.engine.base import resolve

__all__ = ["Vocabulary", "arrange", "valid_tokens"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in order of id, their numbers, and how many distinct tokens there were before any limit.

    Attributes:
        tokens: texts or integers.
        counts: how often each occurs; its summed weight or mutual information (float) where it is ordered by that; -1
            for reserved tokens.
        unfiltered: how many distinct tokens there were.
    """

    tokens: tuple[Any, ...]
    counts: tuple[int | float, ...]
    unfiltered: int


def valid_tokens(tokens: Any, file_format: str) -> Any:
    """Which tokens a file of that format can hold, an Arrow mask: in text files no empty ones and no line breaks.

    None for all.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if file_format != "text" or pa.types.is_integer(tokens.type):
        return None
    broken = pc.or_(pc.match_substring(tokens, "\n"), pc.match_substring(tokens, "\r"))
    return pc.and_(pc.not_equal(pc.binary_length(tokens), 0), pc.invert(broken))


def arrange(tokens: Any, numbers: Array, attrs: Mapping[str, Any]) -> Vocabulary:
    """The vocabulary of counted tokens.

    Args:
        tokens: distinct tokens, an Arrow array of text or int64.
        numbers: of each token, int64 or float64.
        attrs: ``top_k``, ``frequency_threshold``, ``min_fraction`` (of the sum of all numbers), ``reserved``,
            ``coverage_top_k``, ``coverage_frequency_threshold``, ``key_fn``, ``fingerprint_shuffle``, ``file_format``;
            what is None or absent does not apply.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table = pa.table({"token": tokens, "number": numbers})
    valid = valid_tokens(tokens, str(attrs.get("file_format") or "text"))
    if valid is not None:
        table = table.filter(valid)
    unfiltered, total = table.num_rows, float(np.sum(table["number"].to_numpy()))
    reserved = list(attrs.get("reserved") or [])
    if reserved:
        table = table.filter(pc.invert(pc.is_in(table["token"], pa.array(reserved, tokens.type))))
    table = table.append_column("text", table["token"].cast(pa.large_string()))
    table = table.take(pc.sort_indices(table, [("number", "descending"), ("text", "descending")]))
    kept = _standard(table["number"].to_numpy(), total, attrs)
    if attrs.get("key_fn"):
        kept = kept | _coverage(table, attrs)
    table = table.filter(pa.array(kept))
    if attrs.get("fingerprint_shuffle"):
        digests = [hashlib.sha1(t.encode(), usedforsecurity=False).digest() for t in table["text"].to_pylist()]
        table = table.take(pa.array(sorted(range(len(digests)), key=digests.__getitem__), pa.int64()))
    found, counts = table["token"].to_pylist(), table["number"].to_pylist()
    return Vocabulary((*reserved, *found), (*([-1] * len(reserved)), *counts), unfiltered)


def _standard(numbers: Array, total: float, attrs: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """Which rows of the ordered tokens the limits keep."""
    kept = np.ones(len(numbers), np.bool_)
    if attrs.get("frequency_threshold") is not None:
        kept &= numbers >= attrs["frequency_threshold"]
    if attrs.get("min_fraction") is not None:
        kept &= numbers >= float(attrs["min_fraction"]) * total
    if attrs.get("top_k") is not None:
        kept &= np.cumsum(kept) <= int(attrs["top_k"])
    return kept


def _coverage(table: Any, attrs: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """Which rows of the ordered tokens the second arm keeps: the first so many of each key."""
    keys = _keys(table["token"].to_pylist(), str(attrs["key_fn"]))
    kept = np.ones(len(keys), np.bool_)
    if attrs.get("coverage_frequency_threshold") is not None:
        kept &= table["number"].to_numpy() >= attrs["coverage_frequency_threshold"]
    if attrs.get("coverage_top_k") is not None:
        seen: dict[Any, int] = {}
        for row in np.flatnonzero(kept).tolist():
            seen[keys[row]] = seen.get(keys[row], 0) + 1
            kept[row] = seen[keys[row]] <= int(attrs["coverage_top_k"])
    return kept


def _keys(tokens: Sequence[Any], key_fn: str) -> list[Any]:
    try:
        function: Callable[[Any], Any] = resolve(key_fn)
        return [function(token) for token in tokens]
    except EngineError as error:
        raise TransformError(f"key_fn {key_fn!r} cannot be imported: {error.message}", hint=error.hint) from error
    except Exception as error:
        raise TransformError(
            f"key_fn {key_fn!r} fails: {type(error).__name__}: {error}", hint="it gets one token and returns its key."
        ) from error

"""Approximate vocabularies in fixed memory, and TensorFlow Transform's namespace ``experimental``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueline.transform.column import Column
from trueline.transform.functions import as_float
from trueline.transform.mappers_vocabulary import FileFormat, apply_vocabulary, file_attrs, made, reserve

__all__ = ["approximate_vocabulary", "compute_and_apply_approximate_vocabulary"]

_MOST = 200_000


def approximate_vocabulary(
    x: Column,
    top_k: int,
    *,
    vocab_filename: str | None = None,
    store_frequency: bool = False,
    reserved_tokens: Sequence[str | int] | None = None,
    weights: Column | None = None,
    file_format: FileFormat = "text",
    name: str | None = None,
) -> Column:
    """The `top_k` most frequent values, found in memory that does not grow with the data: a table.

    A Misra-Gries summary of ``c = max(4 * top_k, 4096)`` values: exact while there are no more distinct ones; beyond,
    no count is too low, and none too high by more than ``total / (c + 1)``; a value with a larger share is never
    missed. The order is `vocabulary`'s, by these counts.

    Args:
        x: text or integers.
        top_k: how many values to keep, 1 to 200,000.
        vocab_filename: as for `vocabulary`.
        store_frequency: as for `vocabulary`.
        reserved_tokens: as for `vocabulary`; they come on top of the `top_k`.
        weights: numbers above 0, one a row or one for each element: values are ordered by their sums.
        file_format: as for `vocabulary`.
        name: as for `vocabulary`.
    """
    if not 1 <= int(top_k) <= _MOST:
        raise x.tracer.error(f"top_k must lie between 1 and {_MOST}, it is {top_k}")
    attrs: dict[str, Any] = {"top_k": int(top_k), **file_attrs(x, file_format, store_frequency)}
    inputs = [reserve(x, reserved_tokens, attrs)]
    if weights is not None:
        inputs.append(as_float(weights))
    return made("analyze.vocabulary_approximate", inputs, attrs, vocab_filename, name)


def compute_and_apply_approximate_vocabulary(
    x: Column,
    top_k: int,
    *,
    default_value: int = -1,
    num_oov_buckets: int = 0,
    vocab_filename: str | None = None,
    store_frequency: bool = False,
    reserved_tokens: Sequence[str | int] | None = None,
    weights: Column | None = None,
    file_format: FileFormat = "text",
    name: str | None = None,
) -> Column:
    """`approximate_vocabulary` and `apply_vocabulary` in one."""
    with x.tracer.scope("compute_and_apply_approximate_vocabulary"):
        found = approximate_vocabulary(
            x,
            top_k,
            vocab_filename=vocab_filename,
            store_frequency=store_frequency,
            reserved_tokens=reserved_tokens,
            weights=weights,
            file_format=file_format,
            name=name,
        )
        return apply_vocabulary(x, found, default_value=default_value, num_oov_buckets=num_oov_buckets)

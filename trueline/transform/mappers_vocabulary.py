"""Vocabularies by TensorFlow Transform's names: the distinct values of a column, and the place of a value among them.

Deviations, all deliberate: an empty vocabulary is empty (no placeholder entry); hash buckets are MurmurHash3 instead of
FarmHash; missing stays missing instead of being sparse.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from trueline._core.values import DType
from trueline.transform.column import Column

__all__ = ["apply_vocabulary", "compute_and_apply_vocabulary", "free_name", "vocabulary"]


def vocabulary(
    x: Column,
    *,
    top_k: int | None = None,
    frequency_threshold: int | None = None,
    vocab_filename: str | None = None,
) -> Column:
    """The column's distinct values by descending count, then descending bytes (integers as decimal text): a table.

    Empty texts and texts with a line break are no tokens, as in TensorFlow Transform.

    Args:
        x: text or integers.
        top_k: keep the first so many.
        frequency_threshold: keep tokens that occur at least so often.
        vocab_filename: the vocabulary's name; by default ``vocab_<column>``, after the raw column that it reads.
    """
    for name, limit in (("top_k", top_k), ("frequency_threshold", frequency_threshold)):
        if limit is not None and limit < 0:
            raise x.tracer.error(f"{name} must not be negative, it is {limit}")
    attrs: dict[str, Any] = {"top_k": top_k, "frequency_threshold": frequency_threshold}
    attrs["name"] = free_name(x, "analyze.vocabulary", [x], attrs, vocab_filename)
    return x.tracer.op("analyze.vocabulary", x, **attrs)


def free_name(
    x: Column, op: str, inputs: Sequence[Column], attrs: dict[str, Any], given: str | None, prefix: str = "vocab_"
) -> str:
    """A vocabulary's name: one that is free, or that of an equal one.

    Args:
        x: the column that a name is made of where none is given.
        op: the analyzer.
        inputs: all its inputs.
        attrs: its attributes without ``name``.
        given: the user's name. As in TensorFlow Transform, what is no letter, digit, space, ``_`` or ``-`` becomes
            ``_``, and spaces and dashes become one dash.
        prefix: stands before the column's name.

    Raises:
        TransformError: two different vocabularies are given one name.
    """
    tracer = x.tracer
    read = "_".join(sorted(tracer.graph.input_names([x.index])))
    stem = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "_", given if given is not None else prefix + read)) or "vocab"
    own = (op, tuple(i.index for i in inputs))
    taken = {str(n.attrs["name"]): n for n in tracer.nodes if n.is_analyzer and "name" in n.attrs}

    def free(name: str) -> bool:
        node = taken.get(name)
        return node is None or ((node.op, node.inputs) == own and dict(node.attrs) == {**attrs, "name": name})

    name, count = stem, 1
    while not free(name):
        if given is not None:
            raise tracer.error(f"two different vocabularies are named {given!r}", "give each its own vocab_filename.")
        count += 1
        name = f"{stem}_{count}"
    return name


def apply_vocabulary(
    x: Column, vocabulary: Column | Sequence[str] | Sequence[int], *, default_value: int = -1, num_oov_buckets: int = 0
) -> Column:
    """The place of each value in a vocabulary, int64; missing stays missing.

    Args:
        x: text or integers.
        vocabulary: what `vocabulary` gave, or a list of distinct tokens.
        default_value: id of an unknown value where there are no buckets.
        num_oov_buckets: unknown values get vocabulary size + MurmurHash3(token) % num_oov_buckets.
    """
    if not isinstance(vocabulary, Column):
        tokens = list(vocabulary)
        if len(set(tokens)) != len(tokens):
            raise x.tracer.error("the vocabulary holds a token twice")
        dtype: DType = x.dtype if x.dtype == "int64" else "utf8"
        wrong = [t for t in tokens if type(t) is not (int if dtype == "int64" else str)]
        if wrong:
            raise x.tracer.error(f"the vocabulary of {x.tracer.describe(x)} holds {wrong[0]!r}")
        vocabulary = x.tracer.table(tokens, dtype)
    attrs = {"default": int(default_value), "oov": int(num_oov_buckets)}
    with x.tracer.scope("apply_vocabulary"):
        return x.tracer.op("apply_vocabulary", x, vocabulary, **attrs)


def compute_and_apply_vocabulary(
    x: Column,
    *,
    default_value: int = -1,
    top_k: int | None = None,
    frequency_threshold: int | None = None,
    num_oov_buckets: int = 0,
    vocab_filename: str | None = None,
) -> Column:
    """`vocabulary` and `apply_vocabulary` in one."""
    with x.tracer.scope("compute_and_apply_vocabulary"):
        found = vocabulary(x, top_k=top_k, frequency_threshold=frequency_threshold, vocab_filename=vocab_filename)
        return apply_vocabulary(x, found, default_value=default_value, num_oov_buckets=num_oov_buckets)

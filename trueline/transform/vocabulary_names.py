"""Names of vocabularies: one that is free, or that of an equal one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from trueline.transform.column import Column

__all__ = ["clean_name", "free_name"]


_LONGEST = 150


def clean_name(name: str) -> str:
    """The name as TensorFlow Transform writes it.

    What is no letter, digit, space, ``_`` or ``-`` becomes ``_``, and spaces and dashes become one dash.
    """
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "_", name)) or "vocab"


def free_name(
    x: Column, op: str, inputs: Sequence[Column], attrs: Mapping[str, Any], given: str | None, prefix: str = "vocab_"
) -> str:
    """A vocabulary's name.

    Args:
        x: the column that a name is made of where none is given.
        op: the analyzer.
        inputs: all its inputs.
        attrs: its attributes without ``name``.
        given: the user's name, see `clean_name`.
        prefix: stands before the column's name.

    Raises:
        TransformError: two different vocabularies are given one name.
    """
    tracer = x.tracer
    read = "_".join(sorted(tracer.graph.input_names([x.index])))
    stem = clean_name(given if given is not None else prefix + read)
    if len(stem.encode()) > _LONGEST:
        if given is not None:
            raise tracer.error(
                f"the vocabulary's name {stem[:30]!r}... is too long for a file", f"at most {_LONGEST} bytes of UTF-8."
            )
        stem = (
            f"{stem.encode()[: _LONGEST - 17].decode(errors='ignore')}_{hashlib.sha256(stem.encode()).hexdigest()[:16]}"
        )
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

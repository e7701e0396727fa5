r"""Operations of the profile ``server``: those that onnxruntime-extensions adds to ONNX Runtime.

Its kernels take texts up to the first NUL character. A text with one is left as it is, here and in the oracle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trueline.transform.emitter import EXTENSIONS_DOMAIN
from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Array, Attrs, Operation, RuleError, Value, Wire, broadcast, expect

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS"]

_ALTERNATIVES = (
    "tlt.map_values for texts that are known beforehand; tlt.strip, tlt.substring, tlt.split or tlt.regex_extract for "
    "parts of the text; tlt.host before the graph."
)


def _rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types, "utf8")
    import pyarrow as pa
    import pyarrow.compute as pc

    if not attrs["pattern"]:
        raise RuleError("the pattern is empty; to put a text before another one use tlt.join")
    if "\0" in attrs["pattern"] + attrs["rewrite"]:
        raise RuleError("neither the pattern nor the rewrite may have a NUL character")
    try:  # the kernel would leave every text as it is, without a word
        pc.replace_substring_regex(pa.array(["a"]), attrs["pattern"], attrs["rewrite"])
    except pa.ArrowInvalid as error:
        raise RuleError(f"{attrs['pattern']!r} with {attrs['rewrite']!r} is no RE2 replacement: {error}") from error
    return broadcast(types, "utf8")


def _numpy(values: Sequence[Value], attrs: Attrs) -> Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = values[0].data.ravel().tolist()
    limit = None if attrs["replace_all"] else 1
    made = pc.replace_substring_regex(
        pa.array(texts, pa.string()), attrs["pattern"], attrs["rewrite"], max_replacements=limit
    )
    out = np.empty(len(texts), dtype=object)
    out[:] = [old if "\0" in old else new for old, new in zip(texts, made.to_pylist(), strict=True)]
    return out.reshape(values[0].data.shape)


def _onnx(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    x = wires[0].data
    pattern, rewrite = em.constant([attrs["pattern"]], "utf8"), em.constant([attrs["rewrite"]], "utf8")
    made = em.node(
        "StringRegexReplace",
        x,
        pattern,
        rewrite,
        domain=EXTENSIONS_DOMAIN,
        global_replace=int(attrs["replace_all"]),
    )
    return em.node("Where", em.node("RegexFullMatch", x, pattern=r"(?s:.*)\x00(?s:.*)"), x, made)


OPERATIONS = (Operation("regex_replace", _rule, _numpy, _onnx, profile="server", alternatives=_ALTERNATIVES),)
"""Rows of the table of operations."""

"""JSON values as YAML that every reader takes alike: block style, every text in double quotes, nothing left to guess.

YAML 1.1 reads bare words such as ``no`` or ``1e3`` in its own way; a text in double quotes is a text in every version.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["yaml_text"]

_PLAIN_KEY = re.compile(r"[a-z][a-z0-9_-]*\Z")
_WORDS = frozenset({"y", "yes", "n", "no", "on", "off", "true", "false", "null"})
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def yaml_text(value: Mapping[str, Any]) -> str:
    """A YAML mapping that ends with a newline.

    Args:
        value: texts, booleans, None, integers, finite floats, lists and mappings of these.

    Raises:
        ValueError: a float that is not finite, or a value of another type.
    """
    return "".join(f"{line}\n" for line in _lines(value))


def _lines(value: Mapping[str, Any] | Sequence[Any]) -> list[str]:
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, item in value.items():
            head = f"{_key(str(key))}:"
            if _is_block(item):
                lines += [head, *(f"  {line}" for line in _lines(item))]
            else:
                lines.append(f"{head} {_scalar(item)}")
        return lines
    for item in value:
        if _is_block(item):
            first, *rest = _lines(item)
            lines += [f"- {first}", *(f"  {line}" for line in rest)]
        else:
            lines.append(f"- {_scalar(item)}")
    return lines


def _is_block(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple) and len(value) > 0


def _key(text: str) -> str:
    return text if _PLAIN_KEY.match(text) and text not in _WORDS else _quoted(text)


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, list | tuple):
        return "[]"
    raise ValueError(f"YAML here holds no {type(value).__name__}")


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number that a header may hold")
    text = repr(float(value))
    mantissa, mark, exponent = text.partition("e")
    # YAML 1.1 takes 1e-07 for a text: it asks for a point.
    return text if not mark or "." in mantissa else f"{mantissa}.0e{exponent}"


def _quoted(text: str) -> str:
    return '"' + "".join(_character(c) for c in text) + '"'


def _character(c: str) -> str:
    if c in _ESCAPES:
        return _ESCAPES[c]
    code = ord(c)
    if 0xD800 <= code <= 0xDFFF:
        return "\\uFFFD"  # half a pair is no character, and cannot be written
    if c.isprintable():
        return c
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"

"""Plain YAML of plain data: block style, one way to write each value, text quoted wherever it could be read otherwise.

Quoted text is JSON's, which YAML 1.2 reads the same.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["yaml_text"]

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*(?:[:=][A-Za-z0-9_./-]+)*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})
_CONTROLS = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_LINES = re.compile(r"[\x20-\x7e\n]*[\x21-\x7e]\n")


def yaml_text(documents: Sequence[Mapping[str, Any]]) -> str:
    """Several documents of mappings, lists, text, numbers, truth values and None.

    Raises:
        TypeError: another kind of value.
    """
    return "---\n".join("".join(f"{line}\n" for line in _mapping(document, "")) for document in documents)


def _mapping(value: Mapping[str, Any], indent: str) -> list[str]:
    lines = []
    for key, item in value.items():
        lines += _entry(f"{indent}{_scalar(key)}:", item, indent, f"{indent}  ")
    return lines


def _entry(start: str, item: Any, indent: str, deeper: str) -> list[str]:
    """One key or dash with what belongs to it."""
    if isinstance(item, Mapping) and item:
        return [start, *_mapping(item, deeper)]
    if isinstance(item, list | tuple) and item:
        return [start, *_list(item, f"{indent}  ")]
    if isinstance(item, str) and "\n" in item and _LINES.fullmatch(item) and not item.startswith((" ", "\n")):
        return [f"{start} |", *(f"{deeper}{line}" if line else "" for line in item[:-1].split("\n"))]
    return [f"{start} {_scalar(item)}"]


def _list(value: Sequence[Any], indent: str) -> list[str]:
    lines = []
    for item in value:
        made = _mapping(item, f"{indent}  ") if isinstance(item, Mapping) and item else None
        if made is None:
            lines += _entry(f"{indent}-", item, f"{indent}", f"{indent}  ")
        else:
            lines += [f"{indent}- {made[0][len(indent) + 2 :]}", *made[1:]]
    return lines


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        digits, e, power = repr(value).partition("e")
        return f"{digits}{'' if '.' in digits else '.0'}{e}{power}"  # YAML 1.1 takes 1e+16 for text
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
        return value if plain else _quoted(value)
    if isinstance(value, Mapping | list | tuple) and not value:
        return "{}" if isinstance(value, Mapping) else "[]"
    raise TypeError(f"YAML of {type(value).__name__} is not written here")


def _quoted(text: str) -> str:
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))

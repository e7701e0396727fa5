"""Single values of protobuf's text format: numbers, names of enums, texts with escapes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

__all__ = ["LIMITS", "SCALARS", "Token", "plain_value", "unescaped"]

SCALARS = MappingProxyType(
    {
        "string": "a text in quotes",
        "bool": "true or false",
        "int32": "a whole number of 32 bits",
        "int64": "a whole number of 64 bits",
        "uint32": "a whole number of 32 bits without sign",
        "float": "a number",
        "double": "a number",
    }
)
"""By kind what it takes, in words."""
LIMITS = MappingProxyType({"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1), "uint32": (0, 2**32 - 1)})

_ESCAPE = re.compile(
    rb"\\(?:(?P<octal>[0-7]{1,3})|[xX](?P<hex>[0-9a-fA-F]{1,2})|u(?P<short>[0-9a-fA-F]{4})"
    rb"|U(?P<long>[0-9a-fA-F]{8})|(?P<one>.)|(?P<end>$))",
    re.DOTALL,
)
_ONE = {b"a": 7, b"b": 8, b"f": 12, b"n": 10, b"r": 13, b"t": 9, b"v": 11, b"?": 63, b"\\": 92, b"'": 39, b'"': 34}
_BOOLS = {"true": True, "True": True, "t": True, "1": True, "false": False, "False": False, "f": False, "0": False}


@dataclass(frozen=True)
class Token:
    """A word, number, string, sign or the end, and its offset in the text."""

    kind: str  # word, number, string, sign, end
    text: str
    at: int


def plain_value(kind: str, token: Token, minus: bool, enums: Mapping[str, Mapping[str, int]]) -> Any:
    """A number, a bool or the name of an enum's value; None where the token is none."""
    text = token.text
    if kind == "bool":
        return None if minus else _BOOLS.get(text)
    if kind in enums:
        if token.kind == "word":
            return text if text in enums[kind] and not minus else None
        number = _integer(token, minus, "int32")
        return next((name for name, value in enums[kind].items() if value == number), None)
    return _float(token, minus) if kind in ("float", "double") else _integer(token, minus, kind)


def _integer(token: Token, minus: bool, kind: str) -> int | None:
    text = token.text.lower()
    if token.kind != "number" or len(text) > 100:
        return None
    for pattern, base in ((r"0x[0-9a-f]+", 16), (r"0[0-7]+", 8), (r"0|[1-9]\d*", 10)):
        if re.fullmatch(pattern, text):
            value = int(text, base) * (-1 if minus else 1)
            low, high = LIMITS[kind]
            return value if low <= value <= high else None
    return None


def _float(token: Token, minus: bool) -> float | None:
    text = token.text.lower()
    sign = -1.0 if minus else 1.0
    if token.kind == "word":
        return {"inf": sign * math.inf, "infinity": sign * math.inf, "nan": math.nan}.get(text)
    text = text.removesuffix("f") if not text.startswith("0x") else text
    if text.startswith("0x") or re.match(r"0\d", text):
        return None
    return sign * float(text)


def unescaped(text: str) -> bytes:
    """The bytes of a text in quotes.

    Raises:
        ValueError: an escape that does not exist.
    """

    def one(match: re.Match[bytes]) -> bytes:
        if match["octal"]:
            code = int(match["octal"], 8)
            if code > 255:
                raise ValueError(f"the escape {match.group().decode()} is no byte")
            return bytes([code])
        if match["hex"]:
            return bytes([int(match["hex"], 16)])
        point = match["short"] or match["long"]
        if point:
            code = int(point, 16)
            if code > 0x10FFFF or 0xD800 <= code < 0xE000:
                raise ValueError(f"the escape {match.group().decode()} is no character")
            return chr(code).encode()
        if match["one"] in _ONE:
            return bytes([_ONE[match["one"]]])
        raise ValueError(f"there is no escape {match.group().decode(errors='replace')!r}")

    try:
        raw = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError("the text holds half a surrogate pair") from error
    return _ESCAPE.sub(one, raw)

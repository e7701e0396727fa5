"""What a card must not tell: secrets, and places on a machine."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["WITHHELD", "public", "public_text"]

WITHHELD = "(withheld)"
_SECRET = re.compile(
    r"(^|[_\-.])(password|passwd|pwd|secret|token|credentials?|api_?key|access_?key|private_?key)s?$", re.I
)
_LOGIN = re.compile(r"([a-zA-Z][\w+.-]*://)[^/\s@]+@")
_PLACE = re.compile(
    r"(?:[a-zA-Z][\w+.-]*://|(?<![\w.~/\\-])(?:~?/|[A-Za-z]:\\))(?:[^\s\"'<>|,;:()\[\]{}\\/]*[\\/])+"
    r"(?P<name>[^\s\"'<>|,;()\[\]{}\\/]*)"
)
_WEB = ("http://", "https://")


def public_text(text: str) -> str:
    """The text without logins, and with the last names of absolute places instead of the places; web links stay."""

    def last(found: re.Match[str]) -> str:
        return found[0] if found[0].startswith(_WEB) else f"…/{found['name']}"

    return _PLACE.sub(last, _LOGIN.sub(r"\1", text))


def _is_count(value: Any, name: str) -> bool:
    """``max_tokens=512`` is no secret."""
    return isinstance(value, int | float) and "token" in name.lower()


def public(value: Any, name: str = "") -> Any:
    """A JSON value without what must not be told; numbers that are not finite become texts, for JSON has none.

    A value whose name says that it is a secret (``password``, ``api_key``, ``token`` and the like) is withheld.
    """
    if _SECRET.search(name) and not (value is None or isinstance(value, bool) or _is_count(value, name)):
        return WITHHELD
    if isinstance(value, Mapping):
        return {public_text(str(k)): public(v, str(k)) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [public(v, name) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, str):
        return public_text(value)
    return value if value is None or isinstance(value, bool | int | float) else public_text(str(value))

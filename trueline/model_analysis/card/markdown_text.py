"""Text as Markdown in which nothing of the data becomes markup: for paragraphs, for cells of tables, for code."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from trueline.display.html import number, visible

__all__ = ["code", "escaped", "prose", "shown"]

_SPECIAL = re.compile(r"[\\`*\[\]|~$]")
_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_START = re.compile(r"^(\s*)([#>]|[-+=](?=\s|$|[-+=])|(\d+)(?=[.)](\s|$)))")
_HTML = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))
_RULE = re.compile(r"^\s*([-=_*]\s*){2,}$|^\s*#|^\s*(`{3,}|~{3,})")


def shown(value: Any) -> str:
    """A value for people: numbers short, lists with commas."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | int | float):
        return number(value)
    if isinstance(value, Iterable):
        return ", ".join(shown(v) for v in value)
    return str(value)


def escaped(value: Any) -> str:
    """One line of text that stands for itself, in a paragraph as in a table."""
    text = visible(shown(value))
    for found, instead in _HTML:
        text = text.replace(found, instead)
    text = _UNDERSCORE.sub(r"\\_", _SPECIAL.sub(r"\\\g<0>", text))
    return _START.sub(lambda m: f"{m[1]}{m[3]}\\" if m[3] else f"{m[1]}\\{m[2]}", text)


def code(value: Any) -> str:
    """A name as code; one that code cannot hold in a table as well as in a paragraph is plain text."""
    text = visible(shown(value))
    if not text.strip() or set("|`") & set(text) or text != text.strip():
        return escaped(text)
    return f"`{text}`"


def prose(text: str) -> str:
    """What a person wrote: its lists, links and emphasis stay; HTML, headings, rules and fences do not."""
    lines = []
    for line in text.strip().replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        kept = visible(line.replace("\t", "    "))
        kept = kept.replace("&", "&amp;").replace("<", "&lt;")
        lines.append(re.sub(r"^(\s*)(\S)", r"\1\\\2", kept) if _RULE.match(kept) else kept)
    return "\n".join(lines)

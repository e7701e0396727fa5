"""How states, times and findings are written in tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["STYLES", "amount", "duration", "found_text", "moment", "state_text", "table_console"]

STYLES: Mapping[str, str] = {
    "PENDING": "dim",
    "RUNNING": "cyan",
    "WAITING": "bold magenta",
    "COMPLETE": "green",
    "CACHED": "blue",
    "REUSED": "blue",
    "FAILED": "bold red",
    "SKIPPED": "yellow",
    "OMITTED": "dim",
    "CANCELED": "yellow",
    "DIED": "bold red",
}
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def table_console() -> Console:
    """Where tables go: as wide as the terminal; into a file or a pipe as wide as the table is."""
    import sys

    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=10_000, soft_wrap=True)


def duration(seconds: float | None) -> str:
    """``0.42 s``, ``3 min 05 s``, ``2 h 07 min``; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 59.995:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def amount(size: float | None) -> str:
    """Bytes as ``512 bytes``, ``36.2 MiB``; nothing for None."""
    if size is None:
        return ""
    step = 0
    while size >= 1024 and step < len(_UNITS) - 1:
        size, step = size / 1024, step + 1
    return f"{size:.0f} {_UNITS[step]}" if step == 0 or size >= 100 else f"{size:.1f} {_UNITS[step]}"


def state_text(state: str) -> str:
    """A state in its colour, as rich reads it."""
    style = STYLES.get(state, "")
    return f"[{style}]{state.lower()}[/]" if style else state.lower()


def moment(milliseconds: int | None) -> str:
    """Milliseconds since 1970 as local date and time; nothing for None."""
    return "" if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000).strftime("%Y-%m-%d %H:%M:%S")


def found_text(found: Mapping[str, Any] | None) -> str:
    """Findings on one line: ``rows 15,002, blessed yes``; what is empty is left out, and so is what lies deeper."""
    return _pairs(found or {}, deep=True)


def _pairs(found: Mapping[str, Any], deep: bool) -> str:
    said = {name: value for name, value in found.items() if _says(value) and (deep or not isinstance(value, Mapping))}
    return ", ".join(f"{name.replace('_', ' ') if deep else name} {_value(value)}" for name, value in said.items())


def _says(value: Any) -> bool:
    return value is not None and value != "" and value != [] and value != {}


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return f"({_pairs(value, deep=False)})"
    if isinstance(value, list | tuple):
        return ", ".join(_value(item) for item in value)
    return str(value)

"""How states, times and findings are written in tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from trueline.display.amounts import amount, duration

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


def table_console() -> Console:
    """Where tables go: as wide as the terminal; into a file or a pipe as wide as the table is."""
    import sys

    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=10_000, soft_wrap=True)


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

"""How spans of time and amounts of memory are written for people, in tables and on pages alike."""

from __future__ import annotations

__all__ = ["amount", "duration"]

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


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

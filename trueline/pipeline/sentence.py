"""A long message in one sentence."""

from __future__ import annotations

__all__ = ["sentence"]


def sentence(message: str) -> str:
    """What a message says first, with the first of the problems that it lists."""
    first, *rest = message.splitlines() or [""]
    problems = [line.removeprefix("  - ") for line in rest if line.startswith("  - ")]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{first}: {problems[0]}{more}" if problems else first

"""The command line: thin commands over the rooms below, each imported only when it is called.

It may import every room; nothing imports it.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code when `arguments` are given, else leaves the process with it.

    Args:
        arguments: what follows ``trueline`` on the command line; None takes the process's own.
    """
    from trueline.cli.app import run_command

    code = run_command(arguments)
    if arguments is None:
        raise SystemExit(code)
    return code

"""Exit codes, and errors as a person or a program reads them: no traceback unless asked for.

With ``--json`` an error is one line on standard output, where the result would have been, and the same message for
people stands on stderr: ``{"error": {"type", "message", "where", "hint", "problems"}, "exit_code": n}``.
"""

from __future__ import annotations

import errno
import json
import traceback
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import click

from trueline._core.errors import ConfigError, GateError, TruelineError
from trueline._core.extras import missing_extra_hint

__all__ = [
    "EXIT_CODES",
    "FAILED",
    "GATE",
    "INTERRUPTED",
    "OK",
    "USAGE",
    "exit_code_of",
    "print_failure",
    "print_json",
    "wants_json",
]

OK = 0
FAILED = 1
USAGE = 2
GATE = 3
INTERRUPTED = 130

EXIT_CODES: Mapping[int, str] = {
    OK: "everything asked for was done",
    FAILED: "a node failed, or data, a model or a file could not be used",
    USAGE: "the command, an option or the pipeline is written wrongly; nothing ran",
    GATE: "a gate is closed: data, model or infrastructure did not pass; nothing was pushed",
    INTERRUPTED: "interrupted",
}

_OS_HINTS: Mapping[int, str] = {
    errno.EACCES: "give a place that this user may read and write.",
    errno.EPERM: "give a place that this user may read and write.",
    errno.EROFS: "this file system can only be read: give another place.",
    errno.ENOSPC: "the disk is full: free some space, or write elsewhere.",
    errno.EDQUOT: "the quota of this user is used up: free some space, or write elsewhere.",
    errno.EFBIG: "the system allows no larger file here.",
    errno.ENAMETOOLONG: "give a shorter name.",
    errno.ENOENT: "nothing can be read or made there.",
    errno.ENOTDIR: "a part of this path is a file and no folder.",
    errno.EEXIST: "a file stands where a folder is needed.",
    errno.EISDIR: "this is a folder; give a file.",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n).",
}


def exit_code_of(error: BaseException) -> int:
    """The exit code that an error means."""
    if isinstance(error, GateError):
        return GATE
    if isinstance(error, ConfigError):
        return USAGE
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return INTERRUPTED
    return FAILED


def print_failure(error: BaseException, *, debug: bool) -> None:
    """Writes an error to stderr: our own errors as they speak, others with their type and the way to see more."""
    if debug:
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
        return
    if isinstance(error, TruelineError):
        text = str(error)
    else:
        told = _told(error)
        place = f"{told['where']}: " if told["where"] else ""
        kind = "" if isinstance(error, OSError) and error.strerror else f"{told['type']}: "
        text = f"{place}{kind}{told['message']}" + (f"\nHint: {told['hint']}" if told["hint"] else "")
    click.echo(click.style("Error: ", fg="red", bold=True) + text, err=True)


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for JSON: ``--json``, or ``--format json``."""
    if any(argument in ("--json", "--format=json") for argument in arguments):
        return True
    return any(pair == ("--format", "json") for pair in pairwise(arguments))


def print_json(error: BaseException, code: int) -> None:
    """Writes an error to standard output as one line of JSON."""
    click.echo(json.dumps({"error": _told(error), "exit_code": code}))


def _told(error: BaseException) -> dict[str, Any]:
    """Type, message, where, hint and problems; what an error does not say is null, or an empty list."""
    told: dict[str, Any] = {"type": type(error).__name__, "message": str(error), "where": None, "hint": None}
    problems: list[str] = []
    if isinstance(error, TruelineError):
        told |= {"message": error.message, "where": error.where, "hint": error.hint}
        problems = list(error.problems)
    elif isinstance(error, click.ClickException):
        told |= {"message": error.format_message()}
    elif isinstance(error, KeyboardInterrupt | click.Abort):
        told |= {"type": "Interrupted", "message": "interrupted"}
    elif isinstance(error, OSError) and error.strerror:
        where = None if error.filename is None else str(error.filename)
        told |= {"message": error.strerror.lower(), "where": where, "hint": _OS_HINTS.get(error.errno or 0)}
    else:
        told["hint"] = missing_extra_hint(error) or "run it again as `trueline --debug ...` for the traceback."
    return {**told, "problems": problems}

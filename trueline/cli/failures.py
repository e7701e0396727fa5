"""Exit codes, and errors as a person reads them: no traceback unless asked for."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Mapping

import click

from trueline._core.errors import ConfigError, GateError, TruelineError
from trueline._core.extras import missing_extra_hint

__all__ = ["EXIT_CODES", "FAILED", "GATE", "INTERRUPTED", "OK", "USAGE", "exit_code_of", "print_failure"]

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
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename is not None else ""
        text = f"{place}{error.strerror.lower()}"
        if hint := _OS_HINTS.get(error.errno or 0):
            text += f"\nHint: {hint}"
    elif not isinstance(error, TruelineError):
        hint = missing_extra_hint(error) or "run it again as `trueline --debug ...` for the traceback."
        text = f"{type(error).__name__}: {text}\nHint: {hint}"
    click.echo(click.style("Error: ", fg="red", bold=True) + text, err=True)

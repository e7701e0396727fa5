"""The sentence that a failed execution leaves: the user's own line, what was raised, and how to mend it."""

from __future__ import annotations

import errno
import os
import signal

from trueline._core.errors import TruelineError
from trueline._core.extras import missing_extra_hint
from trueline.pipeline.source_hash import users_line

__all__ = ["describe_death", "describe_error"]


def describe_error(error: BaseException, where: str) -> str:
    """The message of a failure, at the user's own line where one is to blame; a full disk is named as such."""
    cause: BaseException | None = error
    seen: set[int] = set()  # a chain of contexts can come back to where it began
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, OSError) and _is_full_disk(cause):
            return f"the disk is full ({where}): free some space and run again; nothing half-written was kept"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, TruelineError):
        return str(error)
    line, hint = users_line(error), missing_extra_hint(error)
    text = (f"{line}: " if line else "") + f"{type(error).__name__}: {error}"
    return "\n".join([text, *getattr(error, "__notes__", ()), *([f"Hint: {hint}"] if hint else ())])


def _is_full_disk(error: OSError) -> bool:
    """By number, or by text where a library or another process passed the error on without its number."""
    full = (errno.ENOSPC, errno.EDQUOT)
    return error.errno in full or (error.errno is None and any(os.strerror(number) in str(error) for number in full))


def describe_death(code: int) -> str:
    """The message of a process that left no result, from its exit status (negative: minus the signal)."""
    if code >= 0:
        return f"the node's process ended with status {code} and left no result"
    try:
        name = f" ({signal.Signals(-code).name})"
    except ValueError:
        name = ""
    hint = "; was the memory used up?" if -code == 9 else ""
    return f"killed by signal {-code}{name}{hint}"

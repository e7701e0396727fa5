"""The debugger at the line that failed, for ``trueline run --pdb NODE`` and ``trueline replay --pdb``."""

from __future__ import annotations

import sys

__all__ = ["open_debugger"]


def open_debugger(error: BaseException) -> None:
    """Opens pdb at the frame that raised; ``up`` leads to its callers."""
    import pdb

    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    if error.__traceback__ is not None:
        pdb.post_mortem(error.__traceback__)

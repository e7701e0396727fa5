"""Python's parser, one thread at a time.

CPython 3.11 keeps the depth of its tree building in one place for all threads (gh-106905): a parse elsewhere at the
same moment can make it fail with "recursion depth mismatch", and the next try succeeds.
"""

from __future__ import annotations

import ast
import threading
from typing import Literal

__all__ = ["parse_python"]

_LOCK = threading.Lock()
_ATTEMPTS = 5


def parse_python(text: str, *, mode: Literal["exec", "eval"] = "exec", filename: str = "<text>") -> ast.AST:
    """`ast.parse`, also while other threads parse.

    Raises:
        SyntaxError: when the text does not parse.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with _LOCK:
                return ast.parse(text, filename=filename, mode=mode)
        except SystemError:
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError("unreachable")

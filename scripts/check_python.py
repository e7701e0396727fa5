"""Says in one sentence when this Python is too old, before pip says it in forty lines."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python is exactly what this file is for
    sys.exit(f"trueline needs Python 3.11 or newer, this is {sys.version.split()[0]}: make PYTHON=python3.12 ...")

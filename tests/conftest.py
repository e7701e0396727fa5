"""For the whole suite: a part of a large group by itself, and no garbage collection over what collecting loaded.

``--part 2/6`` keeps every test whose name falls into the second of six parts, the same in every process: the groups
that take an hour are gone through in turn.

Importing ten thousand tests with their libraries makes millions of objects. Walking them while they are made took half
of the time of collecting, and each full collection during the tests some tenths of a second.
"""

from __future__ import annotations

import gc
import re
import zlib

import pytest

gc.disable()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option `--part`."""
    parser.addoption("--part", metavar="K/N", default="1/1", help="only the tests of the K-th of N parts")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the tests of other parts."""
    text = config.getoption("--part")
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    part, parts = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= part <= parts:
        raise pytest.UsageError(f"--part: expected K/N with K from 1 to N, got {text!r}")
    others = [item for item in items if zlib.crc32(item.nodeid.encode()) % parts != part - 1]
    if others:
        config.hook.pytest_deselected(items=others)
        gone = set(others)
        items[:] = [item for item in items if item not in gone]


def pytest_collection_finish() -> None:
    """What is there now stays: it is put where no collection looks."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """At the end everything is ordinary again, so that libraries find at exit what they let go of."""
    gc.unfreeze()
    gc.enable()

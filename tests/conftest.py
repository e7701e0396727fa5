"""For the whole suite: what collecting loads lives to the end, so that no collection of garbage walks it again.

Importing ten thousand tests with their libraries makes millions of objects. Walking them while they are made took half
of the time of collecting, and each full collection during the tests some tenths of a second.
"""

from __future__ import annotations

import gc

gc.disable()


def pytest_collection_finish() -> None:
    """What is there now stays: it is put where no collection looks."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """At the end everything is ordinary again, so that libraries find at exit what they let go of."""
    gc.unfreeze()
    gc.enable()

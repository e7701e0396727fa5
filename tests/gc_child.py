"""A garbage collection that kills itself, as kill -9 would, at a point of its work.

    python gc_child.py DATABASE POINT COUNT

POINT: ``marked`` (all marks are set, nothing is removed), ``manifest`` (of the COUNT-th artifact only the manifest is
gone), ``files`` (its files are gone, the database does not know), ``said`` (the database knows).
"""

from __future__ import annotations

import os
import signal
import sys

from trueline._core import store as files
from trueline.metadata import GcPolicy, MetadataStore, collect, deletion

POLICY = GcPolicy(keep_last=1, keep_blessed=False)


def main(database: str, point: str, count: int) -> None:
    """Strikes at the COUNT-th time that the point is reached."""
    reached = 0

    def here(name: str) -> None:
        nonlocal reached
        reached += name == point
        if reached == count:
            os.kill(os.getpid(), signal.SIGKILL)

    real_remove, real_mark = files.remove_tree, deletion.mark

    def remove(uri: str) -> None:
        real_remove(uri)
        here("manifest" if uri.endswith("MANIFEST.json") else "files")

    def mark(*arguments: object) -> object:
        made = real_mark(*arguments)  # type: ignore[arg-type]
        here("marked")
        return made

    files.remove_tree, deletion.mark = remove, mark  # type: ignore[assignment]
    collect(MetadataStore(database), POLICY, lambda _: here("said"))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

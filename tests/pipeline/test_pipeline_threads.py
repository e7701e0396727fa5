"""Sources are hashed by several nodes at once: CPython 3.11's shared depth counter must not fail any of them."""

from __future__ import annotations

import threading
from pathlib import Path

from trueline.pipeline.source_hash import function_hash


def test_hashing_sources_in_many_threads_gives_one_hash() -> None:
    path = Path(__file__).parent / "pipeline_nodes.py"
    wanted = function_hash(path, "train")
    found: list[object] = []

    def work() -> None:
        for _ in range(15):
            try:
                found.append(function_hash(path, "train"))
            except BaseException as error:
                found.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted] * 90

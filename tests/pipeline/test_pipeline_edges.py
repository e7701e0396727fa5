"""What only several threads, processes or odd errors bring out: sources hashed at once, causes that form a circle."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from trueline.pipeline import source_facts
from trueline.pipeline.node_errors import describe_error
from trueline.pipeline.source_hash import function_hash


def test_hashing_sources_in_many_threads_gives_one_hash() -> None:
    path = Path(__file__).parent / "pipeline_nodes.py"
    wanted = function_hash(path, "train")
    found: list[object] = []

    def work() -> None:
        for _ in range(15):
            source_facts._facts.cache_clear()  # so that it is parsed by several at once
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


def test_a_process_of_a_nodes_own_begins_without_a_database_library() -> None:
    code = "import sys, trueline.pipeline.node_process; print(sorted({'sqlalchemy', 'pyarrow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_a_circular_chain_of_causes_ends() -> None:
    first, second = ValueError("first"), OSError(28, "No space left on device")
    first.__context__, second.__context__ = second, first
    assert "the disk is full" in describe_error(first, "here")
    third, fourth = ValueError("third"), ValueError("fourth")
    third.__context__, fourth.__context__ = fourth, third
    assert describe_error(third, "here") == "ValueError: third"


def test_an_error_is_told_at_the_innermost_line_of_the_users_own_code(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("import json\n\n\ndef parse(text):\n    return json.loads(text)\n")
    namespace: dict[str, Any] = {}
    exec(compile(file.read_text(), str(file), "exec"), namespace)
    with pytest.raises(ValueError, match="Expecting") as caught:
        namespace["parse"]("{")
    caught.value.add_note("Hint: give JSON.")
    first, hint = describe_error(caught.value, "here").splitlines()
    assert first.startswith(f"{file}:5: JSONDecodeError: Expecting")
    assert hint == "Hint: give JSON."

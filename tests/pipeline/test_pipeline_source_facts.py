"""What is remembered of a file goes by its text alone: an edit that keeps size and times is seen, and so is one in a
file that it imports."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trueline._core import parsing
from trueline.pipeline import source_facts
from trueline.pipeline.source_hash import function_code

LINE = "from helpers import scaled\n\n\ndef step(n):\n    '''Words.'''\n    return scaled(n) + 1\n"
HELPER = "def scaled(n):\n    return n * 3\n"


@pytest.fixture
def line(tmp_path: Path) -> Path:
    (tmp_path / "helpers.py").write_text(HELPER)
    path = tmp_path / "line.py"
    path.write_text(LINE)
    return path


def rewrite(path: Path, text: str) -> None:
    """Other contents of the same size and times."""
    stat = path.stat()
    path.write_text(text)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)


@pytest.mark.parametrize("name", ["line.py", "helpers.py"])
def test_an_edit_that_keeps_size_and_times_is_seen(line: Path, name: str) -> None:
    before = function_code(line, "step")
    edited = line.parent / name
    text = edited.read_text()
    rewrite(edited, text.replace("+ 1", "+ 2").replace("* 3", "* 4"))
    assert function_code(line, "step").digest != before.digest
    rewrite(edited, text)
    assert function_code(line, "step") == before


def test_a_file_is_parsed_once_for_all_of_its_functions(line: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line.write_text(LINE + "".join(f"\n\ndef step_{n}(n):\n    return scaled(n) + {n}\n" for n in range(20)))
    parsed: list[str] = []

    def counted(text: str, *, filename: str) -> object:
        parsed.append(Path(filename).name)
        return parsing.parse_python(text, filename=filename)

    monkeypatch.setattr(source_facts, "parse_python", counted)
    digests = {function_code(line, f"step_{n}").digest for n in range(20)}
    assert len(digests) == 20
    assert sorted(parsed) == ["helpers.py", "line.py"]

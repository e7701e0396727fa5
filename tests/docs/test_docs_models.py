"""The page on models names tests that exist, a row for each exporter and a column for each target."""

from __future__ import annotations

import ast
import re

from docs_blocks import ROOT

from trueline.models.export_targets import TARGETS
from trueline.models.exporters.registry import EXPORTERS

TEXT = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
FRAMEWORKS = [record.framework for record in EXPORTERS]


def table(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, the line of dashes left out."""
    part = TEXT.partition(f"\n## {heading}\n")[2]
    lines = re.search(r"(^\|.*\n)+", part, re.MULTILINE)
    assert lines is not None, f"no table below {heading!r}"
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in lines[0].splitlines()]
    assert len({len(row) for row in rows}) == 1, "each row has as many cells as the head"
    return [rows[0], *rows[2:]]


def functions_of(file: str) -> set[str]:
    """The top-level test functions of a file."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_exporter_has_a_row_in_both_tables():
    for heading in ("What can be trained", "Where a model can go"):
        rows = [row[0].strip("`") for row in table(heading)[1:]]
        assert sorted(rows) == sorted(FRAMEWORKS), heading


def test_every_target_has_a_column():
    head = [cell.strip("`") for cell in table("Where a model can go")[0]]
    assert set(TARGETS) <= set(head)
    assert {"bulk", "smaller variants"} <= set(head)


def test_every_file_and_test_that_is_named_is_there():
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TEXT)
    assert len(named) > 30
    missing = [file for file, _ in named if not (ROOT / file).is_file()]
    missing += [f"{file}::{test}" for file, test in named if test and test not in functions_of(file)]
    assert missing == []
    assert [file for file, _ in named if "/test_" in file and not functions_of(file)] == []


def test_each_framework_is_proved_by_a_test_that_speaks_of_it():
    """The files of a row use that framework, or the cases that do."""
    words = {"keras": "keras", "sklearn": "sklearn", "onnx": "onnx", "python": "PythonModel"}
    for row in table("What can be trained")[1:]:
        framework = row[0].strip("`")
        files = re.findall(r"tests/[\w/]+\.py", row[-1])
        assert files, framework
        word = words.get(framework, framework)
        assert any(word in (ROOT / file).read_text(encoding="utf-8") for file in files), framework

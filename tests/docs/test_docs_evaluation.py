"""The tables of the pages on evaluation have the names that the product has, and no others."""

from __future__ import annotations

import re

from docs_blocks import ROOT


def _first_cells(page: str, heading: str) -> list[str]:
    """The names in backticks of a table's first column; `heading` is a cell of its first row."""
    text = (ROOT / "docs" / "howto" / f"{page}.md").read_text(encoding="utf-8")
    lines = text[text.index(heading) :].splitlines()
    rows = [line for line in lines[2 : lines.index("", 1)] if line.startswith("|")]
    return [name for line in rows for name in re.findall(r"`(\w+)", line.split(" | ")[0])]


def test_the_kinds_of_disturbance_are_all_told():
    from trueline.model_analysis.robustness.spec import KINDS

    assert _first_cells("robustness", "kind | what it does") == list(KINDS)


def test_the_tests_of_a_change_are_all_told():
    from trueline.model_analysis.robustness.spec import TESTS

    assert set(_first_cells("gates", "`test` | the gate is closed where")) == set(TESTS)


def test_the_methods_of_intervals_are_all_told():
    from trueline.model_analysis.check_options import METHODS

    text = (ROOT / "docs" / "howto" / "metrics.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE) == list(METHODS)


def test_criteria_of_fairness_are_told_by_their_names():
    from trueline.model_analysis.fairness.rates import CRITERIA

    told = _first_cells("fairness", "criterion | groups must not differ in")
    assert set(told) <= set(CRITERIA)
    assert {name for name, c in CRITERIA.items() if "binary" in c.tasks} <= set(told)


def test_methods_of_explanation_are_told_by_the_names_of_functions_and_of_the_command():
    from trueline import model_analysis
    from trueline.cli.explain import METHODS

    text = (ROOT / "docs" / "howto" / "explain.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| [^|`]+\? \| `(\w+)` \| `(\w+)` \|$|^\| .*\*this\* answer\? \| `(\w+)` \| `(\w+)` \|$", text, re.M
    )
    pairs = [(a or c, b or d) for a, b, c, d in rows]
    assert [method for _, method in pairs] == list(METHODS)
    assert all(callable(getattr(model_analysis, function)) for function, _ in pairs)


def test_adjustments_and_bounds_are_told_by_their_names():
    from dataclasses import fields

    from trueline.model_analysis import OperationalGates
    from trueline.model_analysis.multiplicity import MULTIPLICITY

    reading = (ROOT / "docs" / "howto" / "reading.md").read_text(encoding="utf-8")
    robustness = (ROOT / "docs" / "howto" / "robustness.md").read_text(encoding="utf-8")
    assert [name for name in MULTIPLICITY if f"`{name}`" not in reading] == []
    bounds = set(re.findall(r"\bmax_\w+(?:ratio|bytes|_us)\b", robustness))
    assert len(bounds) > 5
    assert bounds <= {f.name for f in fields(OperationalGates)}

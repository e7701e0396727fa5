"""The list of a transform's functions leaves none out, and says of each what its graph shows."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from docs_blocks import ROOT

import trueline.transform as tlt
from trueline.transform.operations import OPERATIONS
from trueline.transform.profiles import PROFILES

SCRIPTS = ROOT / "scripts"
PAGE = ROOT / "docs" / "howto" / "transform_functions.md"
ONLY_FOR_TENSORFLOW = {"farm_bucket", "sip_bucket", "farm_vocabulary"}


@pytest.fixture(scope="module")
def maker():
    sys.path.insert(0, str(SCRIPTS))
    try:
        import make_transform_functions
    finally:
        sys.path.remove(str(SCRIPTS))
    return make_transform_functions


def test_the_list_is_up_to_date():
    done = subprocess.run(
        [sys.executable, SCRIPTS / "make_transform_functions.py", "--check"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


def test_every_public_name_stands_in_one_topic(maker):
    topics = [set(maker.RUN), set(maker.TYPES), *map(set, maker.EXAMPLES.values())]
    assert sum(map(len, topics)) == len(set().union(*topics))
    assert set().union(*topics) == set(tlt.__all__)
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)) == set(tlt.__all__)


def test_every_operation_is_reached_by_a_function_of_the_list(maker):
    """So that a class or profile that the list shows is that of all operations that the product has."""
    table, reached = maker.data(), set()
    with maker.surroundings():
        for calls in (maker.OPERATORS, *maker.EXAMPLES.values()):
            for call in calls.values():
                found = maker.called(call, table)
                reached |= {n.op for graph in (found.traced, found.bound) for n in graph.nodes}
    names = {record.name for record in OPERATIONS.values()}
    assert names - reached == ONLY_FOR_TENSORFLOW
    assert {r.name for r in OPERATIONS.values() if r.profile == "tensorflow"} == ONLY_FOR_TENSORFLOW


def test_what_is_known_of_some_functions_stands_there():
    text = PAGE.read_text(encoding="utf-8")
    cells = {
        line.split(" | ")[0].strip("|` "): [c.strip() for c in line.split(" | ")[-3:]] for line in text.splitlines()
    }
    assert cells["sqrt"] == ["exact", "", "|"]
    assert cells["log1p"] == ["rounded", "", "|"]
    assert cells["bucketize"] == ["exact", "1", "|"]
    assert cells["estimated_probability_density"] == ["exact", "2", "|"]
    assert cells["mean"] == ["constant", "1", "|"]
    assert cells["regex_replace"] == ["exact", "", "`server` |"]
    assert cells["to_local"] == ["", "", "`host` |"]


def test_the_page_on_profiles_has_each_of_them():
    text = (ROOT / "docs/howto/features_elsewhere.md").read_text(encoding="utf-8")
    table = text.partition("## Profiles")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(PROFILES)
    host = {n for n in tlt.__all__ if f"| `{n}` |" in PAGE.read_text() and _needs(n) == "`host`"}
    assert {n for n in host if f"`{n}`" not in table} <= {"lookup_version"}


def _needs(name: str) -> str:
    line = next(li for li in PAGE.read_text(encoding="utf-8").splitlines() if li.startswith(f"| `{name}` |"))
    return line.split(" | ")[-1].strip("| ")

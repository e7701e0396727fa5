"""Counts that a page names are those of the files that tests keep true."""

from __future__ import annotations

import json
import re

from docs_blocks import ROOT

LISTS = (
    "tests/data_validation/conformance_gaps.json",
    "tests/data_validation/conformance_gaps_statistics.json",
    "tests/data_validation/conformance_generators_gaps.json",
    "tests/data/csv_gaps.json",
)


def test_the_page_for_tfx_users_counts_upstreams_cases_as_the_lists_of_gaps_do():
    passing, failing, names = 0, set(), set()
    for name in LISTS:
        found = json.loads((ROOT / name).read_text())
        found = found.get("validation", found)
        counts = found["passing"]
        names |= {key for key in counts if counts[key]} if isinstance(counts, dict) else set()
        passing += sum(counts.values()) if isinstance(counts, dict) else counts
        failing |= {case for cases in found["gaps"].values() for case in cases}
    elsewhere = {case for case in failing if case.startswith("py.bin_util.")}  # they pass with the cases of lift
    assert {"bin_util.bin_array"} <= names
    gaps = len(failing - elsewhere)
    text = (ROOT / "docs/coming_from_tfx.md").read_text(encoding="utf-8")
    told = re.search(r"^(\d+) of upstream's own test cases.*?(\d+) fail on purpose", text, re.MULTILINE | re.DOTALL)
    assert told is not None
    assert (int(told[1]), int(told[2])) == (passing + gaps, gaps)

"""Upstream's golden cases of statistics: all pass but those listed with reasons; the list only shrinks."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import conformance
import conformance_statistics as runner

GAPS = json.loads((Path(__file__).parent / "conformance_gaps_statistics.json").read_text(encoding="utf-8"))


@pytest.mark.shared
@pytest.mark.parametrize("kind", [*runner.GENERATORS, *runner.PASSES, *runner.FUNCTIONS])
def test_statistics(shared: Path, kind: str) -> None:
    """Every figure that upstream's case expects is found, at the case's tolerance."""
    cases = [
        case
        for case in conformance.cases(shared / "conformance/tfdv/statistics.jsonl")
        if case.get("generator", case["op"]) == kind
    ]
    listed = {case_id for ids in GAPS["gaps"].values() for case_id in ids} & {case["id"] for case in cases}
    passed = {case["id"] for case in cases if runner.case_passes(case)}
    failed = {case["id"] for case in cases} - passed
    assert failed - listed == set(), "these cases used to pass"
    assert passed & listed == set(), "these cases pass now: take them off conformance_gaps_statistics.json"
    assert len(passed) >= GAPS["passing"][kind]

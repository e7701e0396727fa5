"""Upstream's golden cases: all pass but those listed, with reasons, in conformance_gaps.json; the list only shrinks."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import conformance

GAPS = json.loads((Path(__file__).parent / "conformance_gaps.json").read_text(encoding="utf-8"))


def _compare(found: list[dict[str, Any]], passes: Callable[[dict[str, Any]], bool], gaps: dict[str, list[str]]) -> int:
    """How many cases pass; fails where that differs from what the list says."""
    listed = {case_id for ids in gaps.values() for case_id in ids}
    passed = {case["id"] for case in found if passes(case)}
    known = {case["id"] for case in found}
    assert not listed - known, "these cases of conformance_gaps.json do not exist"
    assert not known - passed - listed, "these cases used to pass"
    assert not passed & listed, "these cases pass now: take them off conformance_gaps.json"
    return len(passed)


@pytest.mark.shared
def test_schema_inference_update_and_validation(shared: Path) -> None:
    """Types, paths and severities of anomalies, drift measurements, and whole schemas."""
    found = list(conformance.cases(shared / "conformance/tfdv/validation.jsonl"))
    assert _compare(found, conformance.validation_passes, GAPS["validation"]["gaps"]) >= GAPS["validation"]["passing"]
    inferred = [case for case in found if case["op"] == "infer_schema"]
    assert all(conformance.validation_passes(case) for case in inferred)

"""Upstream's golden cases of CSV decoding: all pass but those listed, with reasons, in csv_gaps.json."""

from __future__ import annotations

import json
from pathlib import Path

import csv_conformance
import pytest

GAPS = json.loads((Path(__file__).parent / "csv_gaps.json").read_text(encoding="utf-8"))


@pytest.mark.shared
def test_csv_decoding_gives_upstreams_columns(shared_data: Path, tmp_path: Path) -> None:
    """Values, types and nulls of 28 small files; the list of gaps only shrinks."""
    found = list(csv_conformance.cases(shared_data.parent / "conformance/tfdv/statistics.jsonl"))
    passed = {case["id"] for case in found if csv_conformance.passes(case, tmp_path / "in.csv")}
    known, listed = {case["id"] for case in found}, {i for ids in GAPS["gaps"].values() for i in ids}
    assert len(found) == 28
    assert listed <= known
    assert known - passed == listed
    assert len(passed) == GAPS["passing"]

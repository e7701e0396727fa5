"""Upstream's golden cases of generators: all pass but those listed with a reason; the list only shrinks."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import statistics_pb2

sys.path.insert(0, str(Path(__file__).parent))

import conformance_generators as golden

CASES = "conformance/tfdv/statistics.jsonl"
KNOWN = json.loads((Path(__file__).parent / "conformance_generators_gaps.json").read_text(encoding="utf-8"))
LISTED = {case_id for ids in KNOWN["gaps"].values() for case_id in ids}
RUNNERS: dict[str, Callable[[dict[str, Any], Path], bool]] = {
    "CrossFeatureStatsGenerator": lambda case, _: golden.cross_passes(case),
    "LiftStatsGenerator": lambda case, _: golden.lift_passes(case),
    "NLStatsGenerator": golden.language_passes,
    "bin_util.bin_array": lambda case, _: golden.bins_pass(case),
}


@pytest.mark.shared
@pytest.mark.parametrize("generator", sorted(KNOWN["passing"]))
def test_golden_cases(generator: str, shared: Path, tmp_path: Path) -> None:
    """A state for each batch, through its bytes, merged from both ends, gives what upstream gives."""
    passes = RUNNERS.get(generator, lambda case, _: golden.case_passes(case))
    found = list(golden.generator_cases(shared / CASES, generator))
    passed = {case["id"] for case in found if passes(case, tmp_path)}
    failed = {case["id"] for case in found} - passed
    assert failed <= LISTED
    assert not passed & LISTED
    assert len(passed) == KNOWN["passing"][generator]


@pytest.mark.shared
def test_weighted_lift_has_upstreams_figures_in_one_message(shared: Path) -> None:
    """The listed case: figures are upstream's, which are right there because its weights happen to sum to the rows."""
    cases = golden.generator_cases(shared / CASES, "LiftStatsGenerator")
    case = next(case for case in cases if case["id"] in LISTED)
    wanted: dict[str, list[Any]] = {}
    for item in case["expected"]["datasets"]:
        parsed = text_format.Parse(item["pbtxt"], statistics_pb2.DatasetFeatureStatistics())
        for cross in parsed.cross_features:
            wanted.setdefault(cross.path_x.step[0], []).extend(cross.categorical_cross_stats.lift.lift_series)
    got = golden.run(golden.lift_spec(case), case["batches"])
    assert [cross.path_x.step[0] for cross in got.cross_features] == ["categorical_x1", "categorical_x2"]
    for cross in got.cross_features:
        lift = cross.categorical_cross_stats.lift
        series = [*lift.weighted_lift_series, *lift.lift_series]
        assert all(map(golden.same_proto, wanted[cross.path_x.step[0]], series))
        assert len(series) == 4

"""TensorFlow Transform's own function cases of information theory and of hash buckets.

Every case passes. Not here, because the functions are steps inside upstream's TF-IDF that have no counterpart:
`to_term_frequency`, `to_tfidf`, `count_docs_with_term` and `split_tfidfs_to_outputs`; whole TF-IDF cases run with the
transform cases.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import trueline.transform as tlt
from trueline._core.values import raw_feature_of
from trueline.transform.analyzers.information import (
    expected_partial_information,
    hypergeometric_pmf,
    partial_information,
)
from trueline.transform.output import TransformOutput
from trueline.transform.tracer import trace

FILE = Path(__file__).parents[3] / "shared" / "conformance" / "tft" / "mappers_analyzers.jsonl"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not FILE.exists(), reason=f"the conformance cases are not at {FILE}"),
]
CASES = [json.loads(line) for line in FILE.read_text().splitlines()] if FILE.exists() else []
CASES = [c for c in CASES if c["kind"] == "function" and c["op"].split(".")[0] in ("info_theory", "tft")]
INFORMATION = [c for c in CASES if c["op"].startswith("info_theory")]
HASHES = [c for c in CASES if c["op"] == "tft.hash_strings"]
FUNCTIONS = {
    "info_theory.calculate_partial_mutual_information": lambda n_ij, x_i, y_j, n: partial_information(
        n_ij, x_i, y_j, n
    ),
    "info_theory.calculate_partial_expected_mutual_information": lambda n, x_i, y_j: expected_partial_information(
        n, x_i, y_j
    ),
    "info_theory.hypergeometric_pmf": lambda n, x_i, y_j: list(
        zip(*(v.tolist() for v in hypergeometric_pmf(n, x_i, y_j)), strict=True)
    ),
}


def test_no_case_is_left_out() -> None:
    assert (len(INFORMATION), len(HASHES)) == (33, 6)


@pytest.mark.parametrize("case", INFORMATION, ids=lambda c: c["id"][-60:])
def test_information(case: dict[str, Any]) -> None:
    found, wanted = FUNCTIONS[case["op"]](**case["args"]), case["expected"]["value"]
    close = {"rel": case["tolerance"]["relative"], "abs": case["tolerance"]["absolute"]}
    if isinstance(wanted, list):
        assert [k for k, _ in found] == [k for k, _ in wanted]
        assert [p for _, p in found] == pytest.approx([p for _, p in wanted], **close)
    else:
        assert found == pytest.approx(wanted, **close)


def rows_of(value: dict[str, Any]) -> list[Any]:
    """A dense, ragged or sparse value as rows; a sparse one as the list of its values in each row."""
    if "ragged" in value:
        return list(value["ragged"]["values"])
    if "sparse" in value:
        sparse = value["sparse"]
        rows: list[list[Any]] = [[] for _ in range(sparse["dense_shape"][0])]
        for index, item in zip(sparse["indices"], sparse["values"]["values"], strict=True):
            rows[index[0]].append(item)
        return rows
    return list(value["values"])


@pytest.mark.parametrize("case", HASHES, ids=lambda c: c["id"][-60:])
def test_hash_buckets(case: dict[str, Any]) -> None:
    table = pa.table({"s": rows_of(case["args"]["strings"])})
    options = {k: v for k, v in case["args"].items() if k != "strings"}
    features = [raw_feature_of(f) for f in table.schema]
    graph = trace(lambda x: {"h": tlt.hash_strings(x["s"], **options)}, features, profile="tensorflow")
    assert TransformOutput(graph, {}).transform(table)["h"].to_pylist() == rows_of(case["expected"]["value"])

"""TensorFlow Transform's own cases of pure functions on tokens: n-grams, bags of words, word counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from helpers_transform import by_onnx, by_oracle, graph_of

import trueline.transform as tlt
from trueline._core.errors import TransformError
from trueline.transform.operations.base import Value

FILE = Path(__file__).parents[3] / "shared" / "conformance" / "tft" / "mappers_analyzers.jsonl"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not FILE.exists(), reason=f"the conformance cases are not at {FILE}"),
]
FUNCTIONS = {"tft.ngrams": tlt.ngrams, "tft.bag_of_words": tlt.bag_of_words, "tft.word_count": tlt.word_count}


def load_cases() -> list[dict[str, Any]]:
    lines = FILE.read_text().splitlines() if FILE.exists() else []
    cases = [json.loads(line) for line in lines]
    return [c for c in cases if c["kind"] == "function" and c["op"] in FUNCTIONS]


CASES = load_cases()


def rows_of(value: Any) -> list[list[str]]:
    """Sparse or ragged tokens as lists by row, whatever the dimensions behind the row."""
    if "ragged" in value:
        return list(value["ragged"]["values"])
    sparse = value["sparse"]
    rows: list[list[str]] = [[] for _ in range(sparse["dense_shape"][0])]
    for index, token in zip(sparse["indices"], sparse["values"]["values"], strict=True):
        rows[index[0]].append(token)
    return rows


def plain(value: Value) -> list[Any]:
    if value.lengths is None:
        return list(value.data.tolist())
    return [row[:n] for row, n in zip(value.data.tolist(), value.lengths.tolist(), strict=True)]


def test_all_cases_are_there() -> None:
    """8 of n-grams, 6 of bags of words, 4 of word counts."""
    assert len(CASES) == 18


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"].rpartition(".")[2])
def test_case(case: dict[str, Any]) -> None:
    args = {k: v for k, v in case["args"].items() if k != "tokens"}
    table = pa.table({"tokens": pa.array(rows_of(case["args"]["tokens"]), pa.list_(pa.string()))})

    def preprocessing(x: Any) -> dict[str, Any]:
        return {"y": FUNCTIONS[case["op"]](x["tokens"], **args)}

    if "expected_error" in case:
        with pytest.raises(TransformError, match="invalid ngram_range"):
            graph_of(preprocessing, table)
        return
    graph, want = graph_of(preprocessing, table), case["expected"]["value"]
    expected = want["values"] if "values" in want else rows_of(want)
    assert plain(by_onnx(graph, table)["y"]) == plain(by_oracle(graph, table)["y"]) == expected

"""TensorFlow Transform's cases of single functions: those of buckets here; a table says where each other one is run."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conformance_transform import flat, plain

import trueline.transform as tlt
from trueline._core.errors import TransformError

FILE = Path(__file__).parents[3] / "shared" / "conformance" / "tft" / "mappers_analyzers.jsonl"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not FILE.exists(), reason=f"the conformance cases are not at {FILE}"),
]
HERE = ("tft.apply_buckets", "tft.apply_buckets_with_interpolation")
RUN_IN = {
    "analyzer_combiner": "test_transform_gaussian_conformance.py",
    "gaussianization.": "test_transform_gaussian_conformance.py",
    "info_theory.": "test_transform_information_conformance.py",
    "tft.hash_strings": "test_transform_information_conformance.py",
    "tft.ngrams": "test_transform_text_conformance.py",
    "tft.bag_of_words": "test_transform_text_conformance.py",
    "tft.word_count": "test_transform_text_conformance.py",
    "tft.deduplicate_tensor_per_row": "test_transform_lists.py",
    "tft.segment_indices": "test_transform_lists.py",
    "tft.sparse_tensor_left_align": "test_transform_lists.py",
}
"""Where the cases of other functions are run."""
NOT_HERE = {
    "tft.internal.to_term_frequency": 2,
    "tft.internal.to_tfidf": 2,
    "tft.internal.count_docs_with_term": 2,
    "tft.internal.split_tfidfs_to_outputs": 2,
    "tft.internal.apply_buckets_with_keys": 1,
}
"""Steps inside upstream's tfidf and bucketize_per_key that have no counterpart here, by number of cases: the functions
themselves are played whole in test_transform_conformance.py."""


def load_cases() -> list[dict[str, Any]]:
    if not FILE.exists():
        return []
    cases = [json.loads(line) for line in FILE.read_text().splitlines()]
    return [c for c in cases if c["kind"] == "function"]


CASES = load_cases()


def column_of(x: Any) -> pa.Array:
    """The case's values as a column: rows of a matrix as vectors, ragged and sparse values as lists."""
    if isinstance(x, list):  # ragged, as plain nested lists
        return pa.array([flat(plain(row)) for row in x], pa.list_(pa.float64()))
    if "ragged" in x:
        numbers = float if x["ragged"]["dtype"].startswith("float") else int
        return pa.array([[numbers(v) for v in row] for row in plain(x["ragged"]["values"])])
    if "sparse" in x:
        shape = x["sparse"]["dense_shape"]
        rows: list[list[Any]] = [[] for _ in range(shape[0])]
        values = plain(x["sparse"]["values"]["values"])
        for (row, *_), value in zip(x["sparse"]["indices"], values, strict=True):
            rows[row].append(value)
        return pa.array(rows)
    kind = {"float32": pa.float64(), "float64": pa.float64(), "string": pa.string()}.get(x["dtype"], pa.int64())
    values = plain(x["values"])
    if len(x["shape"]) == 2 and x["shape"][1] != 1:
        return pa.FixedSizeListArray.from_arrays(pa.array(values, kind), x["shape"][1])
    return pa.array(values, kind)


def boundaries_of(given: Any) -> list[float]:
    values = given["values"] if isinstance(given, dict) else flat(given)
    return [float(v) for v in plain(values)]


def expected_of(value: Any) -> list[Any]:
    if isinstance(value, list):
        return flat(plain(value))
    if "ragged" in value:
        return flat(plain(value["ragged"]["values"]))
    return flat(column_of(value).to_pylist() if "sparse" in value else plain(value["values"]))


@pytest.mark.parametrize("case", [c for c in CASES if c["op"] in HERE], ids=lambda c: c["id"][-60:])
def test_buckets(case: dict[str, Any]) -> None:
    function = getattr(tlt, case["op"].removeprefix("tft."))
    table = pa.table({"x": column_of(case["args"]["x"])})
    boundaries = boundaries_of(case["args"]["bucket_boundaries"])

    def preprocessing(x: Any) -> dict[str, Any]:
        return {"y": function(x["x"], boundaries)}

    if "expected_error" in case:
        with pytest.raises(TransformError):
            tlt.analyze_and_transform(table, preprocessing)
        return
    found = flat(tlt.analyze_and_transform(table, preprocessing)[0]["y"].to_pylist())
    want = expected_of(case["expected"]["value"])
    np.testing.assert_allclose(np.array(found, float), np.array(want, float), rtol=1e-4, atol=1e-6)


def test_every_function_case_is_run_somewhere() -> None:
    """Each of the 158 cases belongs to a test file that plays it, or to the list of upstream's inner steps."""
    count = Counter(c["op"] for c in CASES)
    homes = {op: next((f for start, f in RUN_IN.items() if op.startswith(start)), None) for op in count}
    unknown = [op for op, home in homes.items() if home is None and op not in HERE and op not in NOT_HERE]
    assert not unknown
    assert {op: count[op] for op in NOT_HERE} == NOT_HERE
    folder = Path(__file__).parent
    for op, home in homes.items():
        if home is not None:
            text = (folder / home).read_text()
            assert op.split(".")[-1] in text or op.split(".")[0] in text, (op, home)
    assert sum(count.values()) == 158

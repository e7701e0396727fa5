"""TF-IDF and document frequencies: against counting by hand, on lists, vectors and one ONNX graph."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trueline.transform as tlt
from trueline._core.errors import TransformError
from trueline._core.values import raw_feature_of
from trueline.engine import Dataset, LocalEngine
from trueline.transform.analysis import analyze
from trueline.transform.graph import Graph
from trueline.transform.tracer import trace

Function = Callable[[Any], dict[str, Any]]


def traced(function: Function, table: pa.Table) -> Graph:
    return trace(function, [raw_feature_of(f) for f in table.schema])


def analysed(function: Function, table: pa.Table) -> tlt.TransformOutput:
    return analyze(traced(function, table), Dataset.from_table(table), LocalEngine(workers=1))


def idf_by_hand(documents: list[list[int]], size: int, smooth: bool) -> list[float]:
    count = len(documents)
    frequency = Counter(i for d in documents for i in {v % size for v in d})
    if smooth:
        return [1 + math.log((count + 1) / (frequency[i] + 1)) for i in range(size)]
    return [1 + math.log(count / max(frequency[i], 1)) if count else 1.0 for i in range(size)]


@given(st.lists(st.none() | st.lists(st.integers(-9, 9), max_size=7), max_size=12), st.integers(1, 8), st.booleans())
@settings(max_examples=25, deadline=None)
def test_tfidf_by_hand(rows: list[list[int] | None], size: int, smooth: bool) -> None:
    """Distinct ids in order, wrapped into the vocabulary; an empty document counts, a missing one does not."""
    table = pa.table({"x": pa.array(rows, pa.list_(pa.int64()))})

    def preprocessing(x: Any) -> dict[str, Any]:
        ids, weights = tlt.tfidf(x["x"], size, smooth=smooth)
        return {"ids": ids, "weights": weights, "df": tlt.experimental.document_frequency(x["x"], size)}

    output = analysed(preprocessing, table)
    documents = [r for r in rows if r is not None]
    idf = idf_by_hand(documents, size, smooth)
    frequency = Counter(i for d in documents for i in {v % size for v in d})
    for found in (output.transform(table), output.oracle(table)):
        for row, ids, weights, df in zip(
            rows, *(found.column(c).to_pylist() for c in ("ids", "weights", "df")), strict=True
        ):
            if row is None:
                assert ids is weights is df is None
                continue
            counts = Counter(v % size for v in row)
            assert ids == sorted(counts)
            assert weights == pytest.approx([counts[i] / len(row) * idf[i] for i in ids], rel=1e-6)
            assert df == [frequency[v % size] for v in row]


def test_values_of_tensorflow_transforms_tests() -> None:
    """Ids with -1 and -4 out of 14."""
    table = pa.table({"a": [[2, 2, -4], [2, 6, 2, -1], [8, 10, 12, 12, 12]]})
    output = analysed(lambda x: dict(zip(("ids", "w"), tlt.tfidf(x["a"], 14), strict=True)), table)
    found = output.transform(table)
    assert found["ids"].to_pylist() == [[2, 10], [2, 6, 13], [8, 10, 12]]
    assert found["w"].to_pylist()[0] == pytest.approx([0.8584547149666666, 0.4292273574833333], rel=1e-5)
    assert found["w"].to_pylist()[2] == pytest.approx([0.338629436112, 0.25753641449, 1.015888308336], rel=1e-5)
    domain = output.output_schema.feature[0].int_domain
    assert (domain.min, domain.max) == (0, 13)


def test_idf_with_and_without_its_baseline() -> None:
    table = pa.table({"a": [[2, 2, 0], [2, 6, 2, 0], [8, 10, 12, 12, 12]]})

    def preprocessing(x: Any) -> dict[str, Any]:
        idf = tlt.experimental.idf
        return {
            "smooth": idf(x["a"], 13),
            "bare": idf(x["a"], 13, add_baseline=False),
            "rough": idf(x["a"], 13, smooth=False, add_baseline=False),
        }

    found = analysed(preprocessing, table).transform(table).to_pylist()
    assert found[1]["smooth"] == pytest.approx([1.28768207245, 1.69314718056, 1.28768207245, 1.28768207245], rel=1e-6)
    assert found[1]["bare"] == pytest.approx([0.28768207245, 0.69314718056, 0.28768207245, 0.28768207245], rel=1e-6)
    assert found[1]["rough"] == pytest.approx(
        [math.log(3 / 2), math.log(3), math.log(3 / 2), math.log(3 / 2)], rel=1e-6
    )


def test_the_size_may_come_from_the_analysis() -> None:
    """Words, their vocabulary, its size and TF-IDF: two passes; unknown words are the last id."""
    table = pa.table({"words": [["b", "b", "a"], ["a"], []]})

    def preprocessing(x: Any) -> dict[str, Any]:
        ids = tlt.compute_and_apply_vocabulary(x["words"])
        size = tlt.get_num_buckets_for_transformed_feature(ids) + 1
        found, weights = tlt.tfidf(ids, size)
        return {"ids": found, "weights": weights}

    output = analysed(preprocessing, table)
    later = pa.table({"words": [["never", "seen", "a"]]})
    assert output.vocabulary_by_name("vocab_words") == ["b", "a"]
    found = output.transform(later).to_pylist()[0]
    assert found["ids"] == [1, 2]
    assert found["weights"] == pytest.approx([(1 + math.log(4 / 3)) / 3, (1 + math.log(4)) * 2 / 3], rel=1e-6)


def test_vectors_are_documents_too() -> None:
    table = pa.table({"x": pa.array([[1, 1, 0], [2, 2, 2], None], pa.list_(pa.int64(), 3))})
    output = analysed(lambda x: dict(zip(("ids", "w"), tlt.tfidf(x["x"], 3), strict=True)), table)
    assert output.transform(table)["ids"].to_pylist() == [[0, 1], [2], None]
    assert output.transform(table)["w"].to_pylist()[1] == pytest.approx([1 + math.log(3 / 2)])


def test_an_empty_vocabulary_and_no_documents() -> None:
    """Size 0: every id is wrapped to 0 and weighs nothing; without documents the smooth idf is 1."""
    table = pa.table({"x": [[3, 4]]})
    output = analysed(lambda x: dict(zip(("ids", "w"), tlt.tfidf(x["x"], 0), strict=True)), table)
    assert output.transform(table).to_pylist() == [{"ids": [0], "w": [0.0]}]
    none = pa.table({"x": pa.array([], pa.list_(pa.int64()))})
    empty = analysed(lambda x: dict(zip(("ids", "w"), tlt.tfidf(x["x"], 5), strict=True)), none)
    assert empty.transform(table).to_pylist() == [{"ids": [3, 4], "w": [0.5, 0.5]}]


def test_one_graph_serves_rows_of_any_length() -> None:
    """The exported ONNX graph, row by row and all at once."""
    rng = np.random.default_rng(1)
    rows = [rng.integers(-5, 30, rng.integers(0, 40)).tolist() for _ in range(200)]
    table = pa.table({"x": pa.array(rows, pa.list_(pa.int64()))})
    output = analysed(lambda x: dict(zip(("ids", "w"), tlt.tfidf(x["x"], 20), strict=True)), table)
    session = onnxruntime.InferenceSession(output.to_onnx().SerializeToString())
    whole = output.transform(table)
    for i in (0, 7, 199):
        arrays = output.feeds().from_arrow(table.slice(i, 1))
        ids, length, weights = session.run(
            ["transformed:ids", "transformed:ids:length", "transformed:w"],
            {n.name: arrays[n.name] for n in session.get_inputs()},
        )
        assert ids[0, : length[0]].tolist() == whole["ids"][i].as_py()
        assert weights[0, : length[0]].tolist() == whole["w"][i].as_py()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: tlt.tfidf(x["i"], 5), "a list or a vector of ids a row"),
        (lambda x: tlt.tfidf(x["s"], 5), "takes int64, not utf8"),
        (lambda x: tlt.tfidf(x["x"], -1), "must not be negative"),
        (lambda x: tlt.tfidf(x["x"], x["i"]), "a whole number or an analyzer's constant"),
    ],
)
def test_wrong_arguments_are_named_at_the_users_line(function: Any, message: str) -> None:
    table = pa.table({"x": [[1]], "i": [1], "s": [["a"]]})
    with pytest.raises(TransformError, match=rf"(?s)test_transform_documents.py.*{message}"):
        traced(lambda x: {"y": function(x)[1]}, table)

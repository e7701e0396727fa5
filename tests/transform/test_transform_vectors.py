"""Vectors: what each function means, hashes counted by hand, products in every batch size and with found matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers_lists import run
from helpers_transform import assert_same, by_onnx, by_oracle, graph_of, in_batches

import trueline.transform as tlt
from trueline._core.values import raw_feature_of
from trueline.engine import Dataset, LocalEngine
from trueline.transform.analysis import analyze
from trueline.transform.operations.murmur import murmur3_32
from trueline.transform.tracer import trace


def test_vectors() -> None:
    table = pa.table({"v": pa.array([[3.0, 4.0, 0.0], [0.0, 0.0, 0.0]], pa.list_(pa.float64(), 3)), "k": [1, 2]})
    assert run(lambda x: tlt.vector_norm(x["v"]), table) == [5.0, 0.0]
    assert run(lambda x: tlt.normalize_l2(x["v"]), table) == [[0.6, 0.8, 0.0], [0.0, 0.0, 0.0]]
    assert run(lambda x: tlt.dot(x["v"], [1, 2, 3]), table) == [11.0, 0.0]
    assert run(lambda x: tlt.vector_max(x["v"]) - tlt.vector_min(x["v"]), table) == [4.0, 0.0]
    assert run(lambda x: tlt.vector_mean(x["v"][:2]), table) == [3.5, 0.0]
    assert run(lambda x: tlt.stack(tlt.unstack(x["v"])[::-1]), table) == [[0.0, 4.0, 3.0], [0.0, 0.0, 0.0]]
    assert run(lambda x: tlt.stack([x["k"], x["k"] * 2]), table) == [[1, 2], [2, 4]]
    assert run(lambda x: tlt.stack([x["k"], x["v"][0]]), table) == [[1.0, 3.0], [2.0, 0.0]]
    assert run(lambda x: tlt.stack([2, x["k"], 0.5]), table) == [[2.0, 1.0, 0.5], [2.0, 2.0, 0.5]]
    assert run(lambda x: tlt.multi_hot(tlt.stack([x["k"], x["k"]]), 3, counts=True), table) == [[0, 2, 0], [0, 0, 2]]


def test_hash_trick_counts_by_murmur() -> None:
    words = [["a", "b", "a", "é"], ["zz"]]
    table = pa.table({"w": words, "n": [7, -1]})
    plain, signed = np.zeros((2, 5)), np.zeros((2, 5))
    for i, row in enumerate(words):
        for text in (*row, str(table["n"][i].as_py())):
            plain[i, murmur3_32(text) % 5] += 1
            bucket = murmur3_32(text) % 10
            signed[i, bucket % 5] += 1 if bucket < 5 else -1
    assert run(lambda x: tlt.hash_trick([x["w"], x["n"]], 5), table) == plain.tolist()
    assert run(lambda x: tlt.hash_trick([x["w"], x["n"]], 5, signed=True), table) == signed.tolist()


@pytest.mark.parametrize(("size", "columns"), [(300, 1), (40, 30), (2, 300)])
def test_products_are_the_same_in_every_batch(size: int, columns: int) -> None:
    """Bit for bit in batches of 1, 7 and 50, and near numpy's own product."""
    rng = np.random.default_rng(3)
    matrix, data = rng.normal(size=(size, columns)), rng.normal(size=(50, size)) * 1e3
    table = pa.table({"v": pa.FixedSizeListArray.from_arrays(pa.array(data.ravel()), size)})
    graph = graph_of(lambda x: {"y": tlt.matmul(x["v"], matrix)}, table, False)
    whole = by_onnx(graph, table)["y"]
    assert_same(whole, by_oracle(graph, table)["y"])
    for rows in (1, 7):
        assert_same(in_batches(graph, table, rows)["y"], whole)
    np.testing.assert_allclose(whole.data, np.einsum("nk,km->nm", data, matrix), rtol=1e-9, atol=1e-9)


def test_product_with_what_an_analyzer_found() -> None:
    rng = np.random.default_rng(5)
    data = rng.normal(size=(200, 3)) * [3.0, 1.0, 0.1]
    table = pa.table({"v": pa.FixedSizeListArray.from_arrays(pa.array(data.ravel()), 3)})

    def preprocessing(x: Any) -> dict[str, Any]:
        v = x["v"]
        centred = v - tlt.mean(v, reduce_instance_dims=False)
        return {"y": tlt.matmul(centred, tlt.pca(v, 2)), "m": tlt.vector_sum(tlt.mean(v, reduce_instance_dims=False))}

    features = [raw_feature_of(f, False) for f in table.schema]
    out = analyze(trace(preprocessing, features), Dataset.from_table(table), LocalEngine(workers=1)).transform(table)
    found = np.array(out["y"].to_pylist())
    centred = data - data.mean(axis=0)
    weights, vectors = np.linalg.eigh(np.cov(data.T, ddof=0))
    expected = np.einsum("nk,km->nm", centred, vectors[:, np.argsort(-weights)[:2]])
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-4)
    np.testing.assert_allclose(out["m"].to_numpy()[0], data.mean(axis=0).sum(), rtol=1e-5)
